"""What the axes of arrays of weights count: read from how they were given, or asked for in words."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from viz.capture.external_weights.arrays import SHAPES, Given
from viz.errors import ShapeError
from viz.models.argument_checks import kind_of_value, whole_number

AXES = ("batch", "layer", "head", "query", "key")

# What an array alone is, by how many axes it has, and one of several that are layers.
ALONE = {
    2: ("query", "key"),
    3: ("head", "query", "key"),
    4: ("layer", "head", "query", "key"),
    5: ("batch", "layer", "head", "query", "key"),
}
ONE_LAYER = {**ALONE, 4: ("batch", "head", "query", "key")}

Axes = tuple[str, ...]


def axes_from(axes: str | Sequence[str]) -> Axes:
    """Read the names of axes.

    Raises:
        ShapeError: a name is none of them, stands twice, or queries or keys are missing.
    """
    if not isinstance(axes, (str, list, tuple)):
        raise ShapeError(
            f"The axes are {kind_of_value(axes)}.", 'Name them: "batch layer head query key".'
        )
    names = tuple(axes.replace(",", " ").split() if isinstance(axes, str) else axes)
    wrong = [name for name in names if name not in AXES]
    if wrong:
        raise ShapeError(f"There is no axis {wrong[0]!r}.", f"Name them by {', '.join(AXES)}.")
    if len(set(names)) < len(names) or not {"query", "key"} <= set(names):
        raise ShapeError(
            f"The axes {' '.join(names)!r} do not name query and key, each axis once.",
            f"Name them by {', '.join(AXES)}.",
        )
    return names


def axes_of(given: Given, item: int | None, *, several: bool, numbered: bool) -> Axes:
    """Say what the axes of one array count.

    Args:
        given: the array.
        item: which input of a batch is wanted, if any.
        several: whether it is one of several that are layers.
        numbered: whether it stands alone, where one of several layers would stand.

    Raises:
        ShapeError: they cannot be told.
    """
    if given.refusal is not None:
        raise given.refusal
    shape = given.shape
    if len(shape) not in ALONE or 0 in shape:
        raise ShapeError(f"{given.called} has shape {shape}.", SHAPES)
    if len(shape) == 5:
        return _of_five(given, item, several=several)
    if len(shape) == 4 and not several and item is not None and not numbered:
        raise _ambiguous(
            given,
            f"{shape[0]} layers of one input",
            f"one layer of {shape[0]} inputs, of which item={item} is wanted",
            "Leave item= out",
            ONE_LAYER[4],
        )
    if len(shape) == 4 and numbered and not several and item is None and shape[0] > 1:
        raise _ambiguous(
            given,
            f"one layer of {shape[0]} inputs",
            f"{shape[0]} layers of one input",
            "Say which input with item=",
            ALONE[4],
        )
    if len(shape) == 2 and item is not None:
        raise ShapeError(
            f"{given.called} has shape {shape}: [query, key] of one input, and no batch.",
            "Leave item= out.",
        )
    if len(shape) == 3 and item is not None:
        raise _ambiguous(
            given,
            "[head, query, key] of one input",
            "[batch, query, key] of heads that were averaged",
            "Leave item= out",
            ("batch", "query", "key"),
        )
    return ONE_LAYER[4] if len(shape) == 4 and (several or numbered) else ALONE[len(shape)]


def _of_five(given: Given, item: int | None, *, several: bool) -> Axes:
    """Batch first as fair-esm has it, or layers first as stacked layers of a batch are."""
    first, second = given.shape[:2]
    stacked = ("layer", "batch", *ALONE[3])
    if several:
        raise _ambiguous(
            given,
            "several inputs of several layers",
            "the other way round",
            "Give one array a layer",
            stacked,
        )
    # One input in front: batch first, unless it is one layer of many inputs, which nobody stacks.
    if first == 1 or (item is not None and second > 1):
        return ALONE[5]
    raise _ambiguous(
        given,
        f"{first} inputs of {second} layers, as fair-esm has it",
        f"{first} layers of {second} inputs, as stacked layers are",
        "Say which input with item=" if second > 1 else "Give array[:, 0]",
        stacked,
    )


def _ambiguous(given: Given, one: str, other: str, way: str, axes: Axes) -> ShapeError:
    return ShapeError(
        f"{given.called} has shape {given.shape}, which may be {one}, or {other}.",
        f'{way} for the first; say axes="{" ".join(axes)}" for the second.',
    )


def layers_of(given: Given, axes: Axes, item: int | None) -> list[Tensor]:
    """Read an array and split it into [head, query, key] tensors, one a layer, of one input.

    Raises:
        ShapeError: there is no such item, or it was not said which is wanted.
    """
    if given.refusal is not None:
        raise given.refusal
    if len(axes) != len(given.shape) or 0 in given.shape:
        raise ShapeError(
            f"{given.called} has shape {given.shape}, which are not the axes {' '.join(axes)!r}.",
            "Name each axis once, in their order.",
        )
    inputs = given.shape[axes.index("batch")] if "batch" in axes else 1
    chosen = 0 if item is None else whole_number(item, "item")
    if item is None and inputs > 1:
        raise ShapeError(
            f"{given.called} holds {inputs} inputs; its axes are read as {' '.join(axes)!r}.",
            f"Say which one with item=0 to item={inputs - 1}; axes= says otherwise what they are.",
        )
    if not 0 <= chosen < inputs:
        raise ShapeError(
            f"There is no item {chosen}; {given.called} holds "
            f"{'one input' if inputs == 1 else f'{inputs} inputs'}.",
            f"Choose one from 0 to {inputs - 1}.",
        )
    whole = given.load()
    if whole.is_complex():
        raise ShapeError(
            f"{given.called} is of complex numbers.", "Give their sizes, if you mean them."
        )
    if whole.is_meta:
        raise ShapeError(
            f"{given.called} is on the meta device, where there are no numbers.", "Load it first."
        )
    names = list(axes)
    if "batch" in names:
        whole = whole.select(names.index("batch"), chosen)
        names.remove("batch")
    for missing in [name for name in ("head", "layer") if name not in names]:
        whole, names = whole[None], [missing, *names]
    ordered = whole.permute([names.index(name) for name in ("layer", "head", "query", "key")])
    return list(ordered)
