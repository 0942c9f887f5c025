"""What takes seconds to compare, kept for when it is asked for again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from viz.capture.trace import Trace
from viz.compare import (
    Changed,
    Effects,
    Places,
    Similarity,
    changed,
    curves,
    effects,
    order,
    places,
    similarity,
)
from viz.compare.compared_side import Aggregate, Head, side_of
from viz.compare.comparison import aligned_units
from viz.compare.head_clusters import Order
from viz.compare.unit_alignment import How
from viz.errors import LoupeError
from viz.service.lru_store import BoundedStore
from viz.service.run_result import Analysis

Progress = Callable[[float], None]

# Of each kind; a comparison of 1,024 heads takes 8 MB.
KEPT = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared, beside the runs; see `viz.compare.compare`."""

    stack: str
    other_stack: str
    pairing: tuple[tuple[str, str], ...] = ()
    words: bool = False
    how: How = "text"


@dataclass(frozen=True, slots=True)
class Looked:
    """Which heads are looked at in every variant, and how; see `viz.compare.edit_effects`."""

    stack: str
    heads: tuple[Head, ...]
    aggregate: Aggregate = "mean"
    words: bool = False
    how: How = "text"


@dataclass(frozen=True, slots=True)
class AllHeads:
    """All heads against all: how far apart, in which order, and where on a map.

    Attributes:
        found: the divergences.
        order: in which heads that look alike stand together.
        places: on a map; None for the heads of two sides.
    """

    found: Similarity
    order: Order
    places: Places | None


@dataclass(frozen=True, slots=True)
class Followed:
    """How far the heads of several models are from those of the first.

    Attributes:
        frame: from `viz.compare.curves`, a row a model, by its name.
        apart: names of those that cannot be compared with the first, and why.
    """

    frame: pd.DataFrame
    apart: tuple[tuple[str, LoupeError], ...]


class Comparisons:
    """Shared by all sessions; whoever asks holds the runs already, whose names nobody can guess."""

    def __init__(self) -> None:
        self._changed: BoundedStore[Changed] = BoundedStore(KEPT, lambda _: 1)
        self._heads: BoundedStore[AllHeads] = BoundedStore(KEPT, lambda _: 1)
        self._effects: BoundedStore[Effects] = BoundedStore(KEPT, lambda _: 1)
        self._curves: BoundedStore[pd.DataFrame] = BoundedStore(KEPT, lambda _: 1)
        self._followed: BoundedStore[Followed] = BoundedStore(KEPT, lambda _: 1)

    def changed(
        self, first: Analysis, second: Analysis, asked: Question, progress: Progress
    ) -> Changed:
        """Measure how far each head of the first is from the same head of the second.

        Raises:
            AlignmentError: nothing on one side stands for anything on the other.
        """
        return self._changed.made(
            (first.token, second.token, asked),
            lambda: changed(
                first.trace,
                second.trace,
                stack=asked.stack,
                other_stack=asked.other_stack,
                pairing=asked.pairing or None,
                words=asked.words,
                how=asked.how,
                progress=lambda _phase, share: progress(share),
            ),
        )

    def effects(
        self,
        base: Analysis,
        others: Sequence[Analysis],
        titles: Sequence[str],
        looked: Looked,
        progress: Progress,
    ) -> Effects:
        """Measure how far heads of each variant are from the same of the base.

        Raises:
            ShapeError: there is no such stack or head.
        """
        return self._effects.made(
            (base.token, tuple(one.token for one in others), looked),
            lambda: effects(
                base.trace,
                [one.trace for one in others],
                titles,
                heads=looked.heads,
                stack=looked.stack,
                aggregate=looked.aggregate,
                words=looked.words,
                how=looked.how,
                progress=lambda _phase, share: progress(share),
            ),
        )

    def curves(
        self,
        name: str,
        steps: Sequence[int],
        trace: Callable[[int], Trace],
        stack: str,
        progress: Progress,
    ) -> pd.DataFrame:
        """Measure how far each head has come since the first of a training's steps.

        Args:
            name: of the training, which nobody can guess.
            steps: those that have a checkpoint, or some of them.
            trace: of a step's checkpoint.
            stack: by name.
            progress: called with the share done; may raise to cancel.

        Raises:
            LoupeError: a checkpoint cannot be opened or compared.
        """
        return self._curves.made(
            (name, tuple(steps), stack),
            lambda: curves(
                map(trace, steps),
                steps,
                stack=stack,
                progress=lambda _phase, share: progress(share),
            ),
        )

    def followed(
        self,
        runs: Sequence[Analysis],
        names: Sequence[str],
        asked: Question,
        progress: Progress,
    ) -> Followed:
        """Measure how far each head of several models is from the same head of the first.

        Args:
            runs: of one text, the base's first.
            names: of the models, all different.
            asked: which stack of theirs, and what belongs together.
            progress: called with the share done; may raise to cancel.

        Raises:
            ShapeError: the first has no such stack.
        """
        return self._followed.made(
            (tuple(run.token for run in runs), tuple(names), asked),
            lambda: _followed(runs, names, asked, progress),
        )

    def all_heads(
        self, first: Analysis, second: Analysis, asked: Question, progress: Progress
    ) -> AllHeads:
        """Compare all heads of the first with all of the second; of one run with each other.

        Raises:
            AlignmentError: nothing on one side stands for anything on the other.
        """
        return self._heads.made(
            (first.token, second.token, asked), lambda: _all_heads(first, second, asked, progress)
        )


def _followed(
    runs: Sequence[Analysis], names: Sequence[str], asked: Question, progress: Progress
) -> Followed:
    apart: list[tuple[str, LoupeError]] = []
    frame = curves(
        (run.trace for run in runs),
        names,
        stack=asked.stack,
        words=asked.words,
        how=asked.how,
        apart=lambda name, error: apart.append((str(name), error)),
        progress=lambda _phase, share: progress(share),
    )
    return Followed(frame.rename_axis(index="model"), tuple(apart))


def _all_heads(first: Analysis, second: Analysis, asked: Question, progress: Progress) -> AllHeads:
    stack = first.trace.stacks[asked.stack]
    alone = first.token == second.token and asked.stack == asked.other_stack
    if alone and not asked.words:
        found = similarity(stack, progress=progress)
        return AllHeads(found, order(found), places(found))
    one = side_of(first.trace, stack=asked.stack)
    other = side_of(second.trace, stack=asked.other_stack)
    rows, columns = aligned_units(
        first.trace,
        second.trace,
        one,
        other,
        pairing=None if alone else asked.pairing or None,
        words=asked.words,
        how=asked.how,
    )
    found = similarity(stack, other.stack, queries=rows, keys=columns, progress=progress)
    if alone:
        found = _of_one(found)
        return AllHeads(found, order(found), places(found))
    return AllHeads(found, order(found), None)


def _of_one(found: Similarity) -> Similarity:
    """Return what was measured between a stack and itself as that of one stack."""
    # Of one pair of heads both orders were measured, which rounding keeps apart.
    divergence = (found.divergence + found.divergence.T) / 2
    known = np.isfinite(np.diag(divergence))
    divergence[known, known] = 0.0
    return replace(found, divergence=divergence, alone=True)
