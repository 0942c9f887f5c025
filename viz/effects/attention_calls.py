"""Which attention call of a pass belongs to which layer of its trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from torch import nn

from viz.capture.trace import Trace


@dataclass(frozen=True, slots=True)
class Call:
    """One attention call of a pass: the part that makes it, and which of its calls, from 0."""

    name: str
    turn: int


class CallNames:
    """Names the calls of one pass in the order in which they come."""

    def __init__(self, module: nn.Module) -> None:
        self.names = {id(part): name for name, part in module.named_modules()}
        self.turns: Counter[str] = Counter()

    def __call__(self, part: nn.Module) -> Call:
        """Name the next call of a part."""
        name = self.names.get(id(part), "")
        call = Call(name, self.turns[name])
        self.turns[name] += 1
        return call


def calls_of(trace: Trace) -> dict[tuple[str, int], Call]:
    """Find the call that made each layer of a trace, by stack and layer."""
    turns: Counter[str] = Counter()
    found = {}
    for name, stack in trace.stacks.items():
        for layer, record in enumerate(stack.records):
            found[name, layer] = Call(record.name, turns[record.name])
            turns[record.name] += 1
    return found
