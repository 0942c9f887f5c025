"""One input taken out of a batch, with the pictures, tiles and sounds that belong to it, and proven.

A batch counts inputs, and what a tower reads counts pictures, tiles or patches: which of them belong to
an input is told by the placeholders in its ids, in the order in which they stand. Whether an input alone
computes what it computed in the batch is asked of the output; where it does not, the inputs look at one
another, and no picture of one alone is one of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel
from transformers.utils import ModelOutput

from viz.capture.tiers.named import is_explained
from viz.errors import ShapeError, VerificationError
from viz.inputs.past_key_values import past_of_item

# What a sense brings, what stands for it among the ids, and the grid that says how many it is.
SENSES = {
    "picture": ("image_token_id", "image_token_index"),
    "video": ("video_token_id", "video_token_index"),
    "sound": ("audio_token_id", "audio_token_index"),
}
OF_PICTURES = ("pixel_values", "image_sizes", "image_grid_thw", "pixel_attention_mask")
OF_VIDEOS = ("pixel_values_videos", "video_grid_thw", "second_per_grid_ts")
OF_SOUNDS = ("input_features", "input_values", "feature_attention_mask", "audio_attention_mask")
BROUGHT = {"picture": OF_PICTURES, "video": OF_VIDEOS, "sound": OF_SOUNDS}
GRIDS = {"pixel_values": "image_grid_thw", "pixel_values_videos": "video_grid_thw"}

# Pictures of each input in a dimension of their own: [batch, picture, channel, row, column].
BY_INPUT = 5

# How far an input alone may be from the same in a batch, as a share of the output's norm.
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
HALF_TOLERANCE = 5e-2


def stays_in_place(module: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Whether the calls of a batch are known to hold its inputs in their first dimension.

    So they are of texts alone, in models of transformers, and where functions of `attention=` say what
    is what; of all others only the input alone tells.
    """
    brought = {name for names in BROUGHT.values() for name in names}
    of_texts = isinstance(module, PreTrainedModel) and "input_ids" in inputs
    return is_explained(module) or (of_texts and not brought & set(inputs))


def item_alone(
    module: nn.Module, inputs: Mapping[str, Any], *, item: int, batch: int, axis: int
) -> dict[str, Any]:
    """Take one input out of a batch, which is counted along an axis of its tensors.

    Raises:
        ShapeError: which pictures or sounds belong to it cannot be told.
    """
    alone = {name: _one(value, item, batch, axis) for name, value in inputs.items()}
    ids = inputs.get("input_ids")
    if not isinstance(ids, Tensor) or ids.ndim != 2:
        return alone
    for sense, names in BROUGHT.items():
        given = {name: inputs[name] for name in names if isinstance(inputs.get(name), Tensor)}
        counts = _placeholders(module, ids, SENSES[sense])
        if given and counts is not None:
            alone |= _of_item(given, counts, ids, item, sense)
    # What has nothing to read is not given it.
    return {
        name: v for name, v in alone.items() if not (isinstance(v, Tensor) and _emptied(v, name))
    }


def turned_round(inputs: Mapping[str, Any], *, batch: int, axis: int) -> dict[str, Any]:
    """Put the inputs of a batch in the opposite order."""

    def turned(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.ndim:
            return value
        along = _axis_of(value, batch, axis)
        return value if along is None else value.flip(along)

    return {name: turned(value) for name, value in inputs.items()}


def _axis_of(value: Tensor, batch: int, axis: int) -> int | None:
    """Say along which axis a tensor counts the inputs of a batch; None where it is everyone's."""
    if axis and value.ndim > 2 and value.shape[axis] == batch:
        return axis
    # Time first, and a mask of time by time: it is everyone's.
    everyones = axis and value.ndim == 2 and value.shape[0] == value.shape[1]
    return 0 if len(value) == batch and not everyones else None


def _emptied(value: Tensor, name: str) -> bool:
    return value.ndim > 0 and len(value) == 0 and any(name in names for names in BROUGHT.values())


def _one(value: Any, item: int, batch: int, axis: int) -> Any:
    """Take one input's share of a tensor, a cache, or what an encoder made."""
    if isinstance(value, Cache):
        return past_of_item(value, item)
    if isinstance(value, ModelOutput):
        return type(value)(**{name: _one(one, item, batch, 0) for name, one in value.items()})
    if isinstance(value, (tuple, list)):
        return type(value)(_one(one, item, batch, axis) for one in value)
    if not isinstance(value, Tensor) or not value.ndim:
        return value
    along = _axis_of(value, batch, axis)
    return value if along is None else value.narrow(along, item, 1)


def _placeholders(module: nn.Module, ids: Tensor, names: tuple[str, ...]) -> Tensor | None:
    """Say where ids stand for what a tower reads, bool [batch, token]; None where none could."""
    config: Any = getattr(module, "config", None)
    number = next(
        (n for n in (getattr(config, name, None) for name in names) if n is not None), None
    )
    return None if not isinstance(number, int) else ids == number


def _of_item(
    given: Mapping[str, Tensor], places: Tensor, ids: Tensor, item: int, sense: str
) -> dict[str, Tensor]:
    """Take those pictures (or tiles, videos, sounds) out whose places are in one input."""
    name, main = next(iter(given.items()))
    grid = given.get(GRIDS.get(name, ""))
    if grid is None and main.ndim >= BY_INPUT and "image_sizes" not in given:
        return {}  # counted by input already
    each = len(grid) if grid is not None else len(main)
    counts = _per_input(places, each, grid)
    if counts is None:
        spelled = ", ".join(str(int(n)) for n in places.sum(dim=1))
        raise ShapeError(
            f"Which of the {each} {sense}s belong to item {item} cannot be told: the inputs of the "
            f"batch have {spelled} places for them.",
            "Capture this input alone, with its own.",
        )
    first, last = sum(counts[:item]), sum(counts[: item + 1])
    taken = {n: value[first:last] for n, value in given.items() if len(value) == each}
    if grid is not None:
        patches = grid.prod(dim=1)
        start, stop = int(patches[:first].sum()), int(patches[:last].sum())
        if int(patches.sum()) != len(main):
            raise ShapeError(
                f"The grids speak of {int(patches.sum())} patches, and {name} holds {len(main)}.",
                "Give grids and patches of the same pictures.",
            )
        taken[name] = main[start:stop]
    return taken


def _per_input(places: Tensor, each: int, grid: Tensor | None) -> list[int] | None:
    """How many pictures each input has; None where it cannot be told."""
    counts = [int(n) for n in places.sum(dim=1)]
    total = sum(counts)
    if grid is not None:
        patches = [int(n) for n in grid.prod(dim=1)]
        if not total or sum(patches) % total:
            return None
        merged = sum(patches) // total  # patches that become one place
        return _dealt([n / merged for n in patches], counts)
    if each and total % each == 0 and total:
        size = total // each
        if all(count % size == 0 for count in counts):
            return [count // size for count in counts]
    # Pictures of several sizes: one run of places each, unless two stand side by side.
    before = torch.nn.functional.pad(places, (1, 0))[:, :-1]
    runs = [int(n) for n in (places & ~before).sum(dim=1)]
    return runs if sum(runs) == each else None


def _dealt(sizes: list[float], counts: list[int]) -> list[int] | None:
    """Deal pictures out in order until the places of each input are filled."""
    dealt, at = [], 0
    for count in counts:
        filled, first = 0.0, at
        while at < len(sizes) and filled < count:
            filled += sizes[at]
            at += 1
        if filled != count:
            return None
        dealt.append(at - first)
    return dealt if at == len(sizes) else None


def output_of_item(output: Tensor, *, item: int, batch: int, axis: int) -> Tensor:
    """Take one input's rows out of what a batch returned; all where it is of the batch as a whole."""
    if output.ndim == 0 or not len(output):
        return output
    if output.ndim > axis and output.shape[axis] == batch:
        return output.select(axis, item)
    return output[min(item, len(output) - 1)]


def require_no_order(whole: Tensor, turned: Tensor, *, batch: int, axis: int, name: str) -> None:
    """Make sure that the order of a batch says nothing, as that of tokens does.

    The first of a text's tokens looks at no other, and so computes alone what it did among them.

    Args:
        whole: what the batch returned.
        turned: what it returned in the opposite order.
        batch: how many inputs it has.
        axis: that counts them.
        name: of the module.

    Raises:
        VerificationError: it does, so that this is no batch.
    """
    along = axis if whole.ndim > axis and whole.shape[axis] == batch else 0
    if whole.ndim == 0 or whole.shape[along] != batch or turned.shape != whole.shape:
        return
    size = float(torch.linalg.vector_norm(whole.float()))
    apart = float(torch.linalg.vector_norm(turned.flip(along).float() - whole.float()))
    if apart > TOLERANCE.get(whole.dtype, HALF_TOLERANCE) * size:
        raise VerificationError(
            f"Axis {axis} of the inputs of {name} is no batch: in the opposite order its {batch} give an "
            f"output {apart / max(size, 1e-30):.2g} of its size away.",
            "Give one input at a time, with its batch in the first dimension.",
        )


def tells_inputs_apart(whole: Tensor, batch: int, *, axis: int = 0) -> bool:
    """Whether an output of a batch has a part for each input, of numbers that can be compared."""
    axis = axis if whole.ndim > axis and whole.shape[axis] == batch else 0
    return whole.ndim > 0 and whole.shape[axis] == batch and whole.is_floating_point()


def require_same_alone(
    whole: Tensor, alone: Tensor, *, item: int, batch: int, axis: int, name: str
) -> None:
    """Make sure that an input alone computes what it computed in its batch.

    Raises:
        VerificationError: it does not, so that inputs look at one another.
    """
    if not tells_inputs_apart(whole, batch, axis=axis):
        return
    axis = axis if whole.ndim > axis and whole.shape[axis] == batch else 0
    expected = whole.select(axis, item).float()
    got = alone.select(axis if alone.ndim > axis else 0, 0).float()
    allowed = TOLERANCE.get(whole.dtype, HALF_TOLERANCE)
    size = float(torch.linalg.vector_norm(expected))
    apart = float("inf")
    if got.shape == expected.shape:
        apart = float(torch.linalg.vector_norm(got - expected)) / max(size, 1e-30)
    # Negated, so that NaN does not pass; what is no number is refused by name elsewhere.
    if not apart <= allowed and bool(torch.isfinite(expected).all()):
        raise VerificationError(
            f"The inputs of this batch look at one another: alone, item {item} of {name} gives an "
            f"output {apart:.2g} of its size away from the batch's, allowed {allowed:.2g}.",
            "What it computes alone is no picture of the batch; capture it as a batch of one.",
        )
