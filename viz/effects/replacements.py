"""What takes the place of what a head or an MLP puts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from viz.capture.trace import Trace
from viz.effects.attention_calls import calls_of
from viz.effects.head_states import HeadStates
from viz.effects.mlp_parts import parts_of
from viz.effects.part_edits import PartEdit
from viz.effects.pass_variants import HeadEdit
from viz.effects.post_norm_mlps import MlpState

Replacement = Literal["zero", "mean", "resample"]


@dataclass(frozen=True, slots=True)
class Head:
    """One head of a trace, or all heads of a layer where `head` is None."""

    layer: int
    head: int | None
    stack: str = "self"


@dataclass(frozen=True, slots=True)
class Mlp:
    """All that a layer adds to the residual stream beside its heads."""

    layer: int
    stack: str = "self"


@dataclass(frozen=True, slots=True)
class Together:
    """Several heads and MLPs that are knocked out at once."""

    parts: tuple[Head | Mlp, ...]


def head_edit(
    trace: Trace,
    one: Head,
    replacement: Replacement = "zero",
    source: Mapping[str, Sequence[HeadStates]] | None = None,
) -> HeadEdit:
    """Say what takes the place of a head's output.

    Args:
        trace: of the pass.
        one: the head.
        replacement: what takes its place.
        source: what heads put out, of the same text for "mean" and of another for "resample".
    """
    record = trace.stacks[one.stack].records[one.layer]
    heads = slice(0, record.heads) if one.head is None else slice(one.head, one.head + 1)
    call = calls_of(trace)[one.stack, one.layer]
    if replacement == "zero" or source is None:
        return HeadEdit(call, heads, torch.zeros(1, 1, 1))
    output = source[one.stack][one.layer].output[heads].transpose(0, 1)
    if replacement == "mean":
        output = output.float().mean(dim=0, keepdim=True).to(output.dtype)
    return HeadEdit(call, heads, output)


def mlp_edit(
    one: Mlp,
    parts: Mapping[tuple[str, int], Sequence[MlpState]],
    source: Mapping[tuple[str, int], Sequence[MlpState]],
    replacement: Replacement,
) -> list[PartEdit]:
    """Say what takes the place of all that a layer adds beside its heads.

    Args:
        one: the layer.
        parts: of the pass, by stack and layer.
        source: what takes their place: of the same text for "mean", of another for "resample".
        replacement: what takes its place.

    Raises:
        ShapeError: the layer adds nothing else.
    """
    own, theirs = (parts_of(found, one.stack, one.layer) for found in (parts, source))
    edits = []
    for part, other in zip(own, theirs, strict=True):
        value = torch.zeros(1, 1) if replacement == "zero" else other.output
        if replacement == "mean":
            value = value.float().mean(dim=0, keepdim=True).to(value.dtype)
        edits.append(PartEdit(part.call, value))
    return edits
