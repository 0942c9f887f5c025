"""What takes seconds to compare, kept for when it is asked for again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viz.compare import Changed, Places, Similarity, changed, order, places, similarity
from viz.compare.align import How
from viz.compare.clusters import Order
from viz.compare.comparison import aligned_units
from viz.compare.side import side_of
from viz.service.analysis import Analysis
from viz.service.store import BoundedStore

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


class Comparisons:
    """Shared by all sessions; whoever asks holds the runs already, whose names nobody can guess."""

    def __init__(self) -> None:
        self._changed: BoundedStore[Changed] = BoundedStore(KEPT, lambda _: 1)
        self._heads: BoundedStore[AllHeads] = BoundedStore(KEPT, lambda _: 1)

    def changed(
        self, first: Analysis, second: Analysis, asked: Question, progress: Progress
    ) -> Changed:
        """Measure how far each head of the first is from the same head of the second.

        Raises:
            AlignmentError: nothing on one side stands for anything on the other.
        """
        key = first.token, second.token, asked
        kept = self._changed.get(key)
        if kept is None:
            kept = changed(
                first.trace,
                second.trace,
                stack=asked.stack,
                other_stack=asked.other_stack,
                pairing=asked.pairing or None,
                words=asked.words,
                how=asked.how,
                progress=lambda _phase, share: progress(share),
            )
            self._changed.put(key, kept)
        return kept

    def all_heads(
        self, first: Analysis, second: Analysis, asked: Question, progress: Progress
    ) -> AllHeads:
        """Compare all heads of the first with all of the second; of one run with each other.

        Raises:
            AlignmentError: nothing on one side stands for anything on the other.
        """
        key = first.token, second.token, asked
        kept = self._heads.get(key)
        if kept is None:
            kept = _all_heads(first, second, asked, progress)
            self._heads.put(key, kept)
        return kept


def _all_heads(first: Analysis, second: Analysis, asked: Question, progress: Progress) -> AllHeads:
    stack = first.trace.stacks[asked.stack]
    if first.token == second.token and asked.stack == asked.other_stack:
        found = similarity(stack, progress=progress)
        return AllHeads(found, order(found), places(found))
    one = side_of(first.trace, stack=asked.stack)
    other = side_of(second.trace, stack=asked.other_stack)
    rows, columns = aligned_units(
        first.trace,
        second.trace,
        one,
        other,
        pairing=asked.pairing or None,
        words=asked.words,
        how=asked.how,
    )
    found = similarity(stack, other.stack, queries=rows, keys=columns, progress=progress)
    return AllHeads(found, order(found), None)
