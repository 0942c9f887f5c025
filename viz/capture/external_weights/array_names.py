"""Which of several arrays are the weights that are wanted: by their names, then by their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from viz.capture.external_weights.array_axes import ALONE, Axes
from viz.capture.external_weights.arrays import Given, require_room
from viz.capture.stack_building import CROSS
from viz.errors import BudgetError, LoupeError, ShapeError

# How arrays of weights are called, and what is kept beside them under nearly the same name.
WEIGHTS = re.compile(r"att|weight|prob|softmax|pattern", re.IGNORECASE)
BESIDE = re.compile(r"mask|score|logit|bias|label", re.IGNORECASE)

# A number that counts heads, where every head is an array of its own.
HEAD = re.compile(r"head[^*/]{0,2}/?\*", re.IGNORECASE)

# What numpy calls arrays that were saved without a name: a number there counts no layers.
POSITION = re.compile(r"arr_\*")

# Shares of rows that sum to 1, within this, in what is called nothing of the kind.
MOST_ROWS = 0.5
NEAR_ONE = 2e-2


@dataclass(frozen=True, slots=True)
class Kind:
    """Arrays that stand under one name but for the numbers in it, in the order of those.

    Attributes:
        pattern: the name, with a star for each number.
        arrays: layer by layer, or one that holds them all.
        label: `encoder`, `decoder` or `cross`, where the name says so.
    """

    pattern: str
    arrays: tuple[Given, ...]
    label: str

    @property
    def numbered(self) -> bool:
        """Whether an array stands where one layer of several would."""
        return "*" in self.pattern and not POSITION.fullmatch(self.pattern)

    @property
    def heads_apart(self) -> list[list[Given]] | None:
        """Its arrays layer by layer and head by head, where each is one head; else None.

        Raises:
            ShapeError: a layer lacks a head.
        """
        found = HEAD.search(self.pattern)
        if found is None or any(len(one.shape) != 2 for one in self.arrays):
            return None
        place = self.pattern[: found.end()].count("*") - 1
        layers: dict[tuple[int, ...], dict[int, Given]] = {}
        for one in self.arrays:
            layer = (*one.numbers[:place], *one.numbers[place + 1 :])
            layers.setdefault(layer, {})[one.numbers[place]] = one
        for heads in layers.values():
            first = min(heads)
            missing = [head for head in range(first, max(heads)) if head not in heads]
            if missing:
                near = heads[missing[0] - 1]
                raise ShapeError(
                    f"After {near.called[0].lower()}{near.called[1:]} there is no head {missing[0]}.",
                    "Give every head of a layer.",
                )
        return [[layers[layer][head] for head in sorted(layers[layer])] for layer in sorted(layers)]


def choose(
    arrays: Sequence[Given], name: str | None, axes: Axes | None
) -> tuple[Kind, tuple[str, ...]]:
    """Choose the weights among arrays, and name what is passed over.

    Raises:
        ShapeError: there are several kinds and none was asked for, or there are several calls of
            each layer.
        LoupeError: there are none.
    """
    kinds = kinds_of(arrays)
    asked = [kind for kind in kinds if name is not None and name in _names(kind)]
    likely = asked or [
        kind for kind in kinds if WEIGHTS.search(kind.pattern) and not BESIDE.search(kind.pattern)
    ]
    alone = len(asked) == 1 or len(kinds) == 1
    found = (asked or kinds) if alone else _plausible(likely, axes, by_name=True)
    if not found:
        found = _plausible([kind for kind in kinds if kind not in likely], axes, by_name=False)
    if not found:
        # None is; the likeliest says why when it is read.
        found = (likely or kinds)[:1]
    if len(found) > 1:
        labels = [kind.label for kind in found]
        titles = [
            kind.label if kind.label and labels.count(kind.label) == 1 else kind.pattern
            for kind in found
        ]
        each = zip(titles, found, strict=True)
        listed = ", ".join(f"{title} ({len(kind.arrays)})" for title, kind in each)
        raise ShapeError(
            f"There are several kinds of attention in what was given: {listed}.",
            f"Say which one makes the stack: name={titles[-1]!r}.",
        )
    (kind,) = found
    _refuse_calls(kind)
    passed = tuple(other.pattern for other in kinds if other is not kind)
    return kind, passed


def kinds_of(arrays: Sequence[Given]) -> list[Kind]:
    """Group arrays by their names."""
    groups: dict[str, list[Given]] = {}
    for given in arrays:
        groups.setdefault(given.pattern, []).append(given)
    return [
        Kind(
            pattern,
            tuple(sorted(group, key=lambda one: one.numbers)),
            _label(pattern),
        )
        for pattern, group in groups.items()
    ]


def _label(pattern: str) -> str:
    name = pattern.lower()
    if CROSS.search(name):
        return "cross"
    return next((part for part in ("decoder", "encoder") if part in name), "")


def _names(kind: Kind) -> set[str]:
    """What a kind may be asked for by: its label, its name, a step of it, without the numbers."""
    steps = kind.pattern.split("/")
    plain = [step.replace("*", "").strip("_. -") for step in steps]
    return {kind.label, kind.pattern, *steps, *plain} - {"", "*"}


def _plausible(kinds: Sequence[Kind], axes: Axes | None, *, by_name: bool) -> list[Kind]:
    return [kind for kind in kinds if _may_be_weights(kind.arrays[0], axes, by_name=by_name)]


def _may_be_weights(given: Given, axes: Axes | None, *, by_name: bool) -> bool:
    """Whether an array's numbers may be weights; more is asked of one that is not called so."""
    if len(given.shape) not in ALONE or 0 in given.shape or not given.floating:
        return False
    require_room([given])
    try:
        whole = given.load()
    except BudgetError:
        raise
    except LoupeError:
        return False
    if whole.is_complex() or whole.is_meta:
        return False
    if axes is not None and len(axes) == whole.ndim:
        whole = whole.movedim(axes.index("key"), -1)
    rows = whole.to(torch.float32)
    sums = rows.nan_to_num(nan=0.0).sum(dim=-1)
    rounding = NEAR_ONE + torch.finfo(whole.dtype).eps
    if bool((rows < 0).any()) or not bool((sums <= 1 + rounding).all()):
        return False
    looking = sums[sums > 0]
    full = (looking - 1).abs() <= rounding
    return len(looking) > 0 and (by_name or bool(full.float().mean() > MOST_ROWS))


def _refuse_calls(kind: Kind) -> None:
    """Several arrays at the end of several ways: steps of a text, or calls of each layer."""
    ends: dict[tuple[str, ...], int] = {}
    for given in kind.arrays:
        if given.path and given.path[-1].isdigit():
            ends[given.path[:-1]] = ends.get(given.path[:-1], 0) + 1
    if len(ends) > 1 and max(ends.values()) > 1:
        raise ShapeError(
            f"There are {len(ends)} tuples of up to {max(ends.values())} arrays in "
            f"{kind.pattern!r}: steps of a text that was written, or several calls of each layer.",
            "Give those of one step, or one array a layer; viz.capture_generation shows a model "
            "while it writes.",
        )
