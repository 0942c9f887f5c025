"""Parts of a model that mix tokens and are not shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from torch import nn

from viz.capture.tiers.eager import is_related

# Parts that mix tokens by no softmax over keys, as the field and the library call them.
MIXERS = re.compile(
    r"Mamba\w*Mixer|MambaLayer|(Bamba|FalconH1)Mixer|DeltaNet|DeltaAttention"
    r"|LinearAttention(?!\w*Layer)|LightningAttention(?!\w*Layer)|RecurrentBlock|ShortConv|Retention|[xms]LSTM(Layer|Cell)|Rwkv\w*(Attention|TimeMix)|HyenaFilter"
)


def left_out(module: nn.Module, shown: Collection[str], found: Sequence[str]) -> tuple[str, ...]:
    """Name the parts that mix tokens and are not shown: those found, and others of known kinds."""
    left = list(found)
    for name, part in module.named_modules():
        mixes = MIXERS.search(type(part).__name__) is not None
        if mixes and not is_related(name, {*shown, *left}):
            left.append(name)
    return tuple(dict.fromkeys(left))
