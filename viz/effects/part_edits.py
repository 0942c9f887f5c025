"""What a whole part of a model puts out, replaced in variants of a pass."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from viz.effects.attention_calls import Call
from viz.errors import CaptureError


@dataclass(frozen=True, slots=True)
class PartEdit:
    """What takes the place of what a part puts out.

    Attributes:
        call: of the part.
        value: what takes its place, [query or 1, d_model or 1].
    """

    call: Call
    value: Tensor


# Which rows: all, or some.
Rows = slice | list[int]


@contextmanager
def edited_parts(
    module: nn.Module, variants: Sequence[Sequence[PartEdit]], rows: Rows, of_value: Rows
) -> Iterator[None]:
    """Replace what parts put out, [variant, query, d_model], in a pass of variants.

    Args:
        module: the model.
        variants: from the second item of the batch on.
        rows: of the output that are edited.
        of_value: which rows of the values take their place.

    Raises:
        CaptureError: a part did not run, or what it put out was not laid out so.
    """
    by_call: dict[Call, list[tuple[int, PartEdit]]] = defaultdict(list)
    for variant, edits in enumerate(variants, start=1):
        for one in edits:
            by_call[one.call].append((variant, one))
    turns: Counter[str] = Counter()

    def replace(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
        def edit(_part: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
            wanted = by_call.get(Call(name, turns[name]))
            turns[name] += 1
            if wanted is None:
                return output
            several = isinstance(output, (tuple, list))
            states = output[0] if several else output
            if states.ndim != 3 or len(states) != 1 + len(variants):
                raise CaptureError(
                    f"What {name} puts out, {tuple(states.shape)}, is not apart for each text of a batch.",
                    "Knock heads out instead.",
                )
            changed = states.clone()
            for variant, one in wanted:
                value = one.value if len(one.value) == 1 else one.value[of_value]
                changed[variant, rows] = value.to(changed)
            return type(output)([changed, *output[1:]]) if several else changed

        return edit

    names = {call.name for call in by_call}
    handles = [module.get_submodule(name).register_forward_hook(replace(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if missing := [call.name for call in by_call if turns[call.name] <= call.turn]:
        raise CaptureError(
            f"The part {missing[0]} did not run in a batch.", "Knock heads out instead."
        )
