"""Parts of a model that no kernel shows: those that can be read, and those that are left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from torch import nn

from viz.models.returned import is_related
from viz.models.running import Inputs, try_run
from viz.models.values import Reading, ValuePart, ValueReader, value_parts

# Parts that mix tokens by no softmax over keys, as the field and the library call them.
MIXERS = re.compile(
    r"Mamba\w*Mixer|MambaLayer|(Bamba|FalconH1)Mixer|DeltaNet|DeltaAttention"
    r"|LinearAttention(?!\w*Layer)|LightningAttention(?!\w*Layer)|RecurrentBlock|ShortConv|Retention|[xms]LSTM(Layer|Cell)|Rwkv\w*(Attention|TimeMix)|HyenaFilter"
)


def hidden_parts(module: nn.Module, shown: set[str]) -> list[ValuePart]:
    """List the parts that project values and are not, nor hold or belong to, one that is shown."""
    return [part for part in value_parts(module) if not is_related(part.name, shown)]


def readable(
    module: nn.Module, inputs: Inputs, shown: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the parts that nothing else shows: whose weights can be read off them, and the others.

    Args:
        module: the whole.
        inputs: of one pass.
        shown: names of parts whose attention is seen already.
    """
    parts = hidden_parts(module, shown)
    found: dict[str, bool] = {}

    def note(name: str, reading: Reading | None) -> None:
        found[name] = reading is not None and found.get(name, True)

    if parts:
        with ValueReader(module, parts, note):
            try_run(module, inputs)
    return (
        tuple(name for name, could in found.items() if could),
        tuple(name for name, could in found.items() if not could),
    )


def left_out(module: nn.Module, shown: Collection[str], found: Sequence[str]) -> tuple[str, ...]:
    """Name the parts that mix tokens and are not shown: those found, and those of known kinds."""
    left = [name for name in found if name in shown or not is_related(name, shown)]
    for name, part in module.named_modules():
        mixes = MIXERS.search(type(part).__name__) is not None
        if mixes and not is_related(name, {*shown, *left}):
            left.append(name)
    return tuple(dict.fromkeys(left))
