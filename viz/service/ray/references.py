"""Names for what stays in a replica, so that both sides can speak of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from viz.capture.provenance import Provenance


@dataclass(frozen=True, slots=True)
class HeldResult:
    """A run or effects that a replica keeps.

    Attributes:
        replica: that keeps it.
        kind: which of the two.
        name: under which the replica finds it.
    """

    replica: str
    kind: Literal["run", "effects"]
    name: str


@dataclass(frozen=True, slots=True)
class LayerReference:
    """A layer of something that a replica keeps, and what can be said of it without its numbers.

    Attributes:
        held: of what.
        stack: of its trace.
        layer: of the stack.
        name: of the part that attends.
        heads: how many look.
        shape: queries and keys.
        provenance: how its weights were come by.
    """

    held: HeldResult
    stack: str
    layer: int
    name: str
    heads: int
    shape: tuple[int, int]
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class EffectsReference:
    """Effects that a replica keeps."""

    held: HeldResult


@dataclass(frozen=True, slots=True)
class TokenizerReference:
    """The tokenizer of a model: both sides have one, because sending it takes longer than most answers.

    Attributes:
        run: whose tokenizer it is.
        model: what the model is called by, as `viz.service.run_request.model_key` has it.
    """

    run: HeldResult
    model: tuple[str | None, ...]


Reference = LayerReference | EffectsReference | TokenizerReference
