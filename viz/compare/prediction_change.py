"""What two passes predict at a place of each, beside each other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import rel_entr
from torch import Tensor

from viz.analysis.token_predictions import Predictions
from viz.compare.aligned_units import Alignment
from viz.compare.divergence import jensen_shannon
from viz.errors import AlignmentError, ShapeError
from viz.inputs.token_text import SPACE
from viz.inputs.units import label_alone, units_from_ids

Chances = NDArray[np.float64]

NOBODY = np.array([], dtype=np.int64)

# What models of each kind predict.
QUESTIONS = {
    "causal": "what comes next",
    "seq2seq": "what comes next",
    "masked": "what fills a place",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What changed in a prediction.

    Attributes:
        tokens: a line for each token that a side lists, the largest |difference| first: token, its
            probability of the first and of the second side, NaN where that side does not list it,
            difference (second minus first), and whether that is only what it is at least.
        jensen_shannon: of the whole distributions, nats, 0 to ln 2; None where not both are known.
        kullback_leibler: of the first from the second, sum p log(p / q), nats; None likewise.
    """

    tokens: pd.DataFrame
    jensen_shannon: float | None
    kullback_leibler: float | None


def outcome(
    first: Predictions,
    second: Predictions,
    *,
    at: tuple[int, int] = (-1, -1),
    tokenizers: tuple[Any, Any] = (None, None),
    logits: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Outcome:
    """Compare what two passes predict at a position of each.

    Over one vocabulary tokens are matched by their numbers. Over two they are matched by what they read,
    whatever the space before, and tokens of a side that read the same count together; one that no token of a
    side reads as has no probability there. Where the whole distributions of both sides are known, by
    `Predictions.whole` or by their logits, every number is exact.

    Args:
        first: what the first side predicts; see `viz.analysis.token_predictions`.
        second: what the second side predicts.
        at: the position on each side, from the end where negative; see `counterpart`.
        tokenizers: of each side, to name tokens; without them the vocabulary counts as one.
        logits: of each side, [position, vocabulary], such as `trace.output`; None where let go of.

    Raises:
        AlignmentError: one side predicts what comes next, the other what fills a place.
        ShapeError: there is no such position.
    """
    _require_one_question(first, second)
    lists = [_listed(*side) for side in zip((first, second), at, strict=True)]
    one_vocabulary = _is_one_vocabulary(*tokenizers)
    whole = _distributions((first, second), logits, at)
    if whole is not None and not one_vocabulary and None not in tokenizers:
        return Outcome(_table(_read(lists, whole, tokenizers)), None, None)
    if whole is not None and one_vocabulary:
        table = _table(_exact(lists, whole, tokenizers[0]))
        if len(whole[0]) != len(whole[1]):  # one is padded further than the other
            return Outcome(table, None, None)
        return Outcome(
            tokens=table,
            jensen_shannon=float(jensen_shannon(*whole)),
            kullback_leibler=float(rel_entr(*whole).sum()),
        )
    by_id = one_vocabulary or None in tokenizers
    return Outcome(_table(_known(lists, tokenizers, by_id=by_id)), None, None)


def counterpart(rows: Alignment, position: int) -> int | None:
    """Return the second side's last unit of the common unit that a unit of the first belongs to.

    A causal model has then read all of what stands for each other. None where it has no partner.
    """
    for one, other in zip(rows.first, rows.second, strict=True):
        if position in one:
            return other[-1] if other else None
    raise ShapeError(
        f"There is no position {position} on the first side.", "Choose one of its units."
    )


def _require_one_question(first: Predictions, second: Predictions) -> None:
    asked = [QUESTIONS.get(side.kind, side.kind) for side in (first, second)]
    if asked[0] != asked[1]:
        raise AlignmentError(
            f"The first model predicts {asked[0]}, the second {asked[1]}, which cannot stand for each other.",
            "Compare two models that write, or two that fill in; their attention compares all the same.",
        )


# The numbers of the tokens that a side lists, and their probabilities.
Listed = tuple[list[int], list[float]]

# What a token reads, and its probability on each side with whether it is known there: else it is at most that.
Line = tuple[str, tuple[float, bool], tuple[float, bool]]


def _listed(side: Predictions, position: int) -> Listed:
    count = len(side.ids)
    if not -count <= position < count:
        raise ShapeError(
            f"There is no position {position}; this side predicts at {count}, counted from 0.",
            f"Choose 0 to {count - 1}.",
        )
    return side.ids[position].tolist(), side.probabilities[position].tolist()


def _is_one_vocabulary(first: Any, second: Any) -> bool:
    if first is second:
        return True
    return None not in (first, second) and first.get_vocab() == second.get_vocab()


def _distributions(
    sides: tuple[Predictions, Predictions],
    logits: tuple[Tensor | None, Tensor | None],
    at: tuple[int, int],
) -> tuple[Chances, Chances] | None:
    """Return the probabilities of the whole vocabulary; None where a side has let go of them."""
    found = []
    for side, one, position in zip(sides, logits, at, strict=True):
        place = position % len(side.ids)
        row = side.whole.get(place) if one is None else one[position]
        if row is None:
            return None
        found.append(_softmax(row))
    return found[0], found[1]


def _softmax(logits: Tensor) -> Chances:
    chances: Chances = torch.softmax(logits.double(), dim=-1).cpu().numpy()
    return chances


def _read(
    lists: list[Listed], whole: tuple[Chances, Chances], tokenizers: tuple[Any, Any]
) -> list[Line]:
    """Add up, on both sides, the tokens that read as one that either side lists."""
    vocabularies = [_by_reading(tokenizer) for tokenizer in tokenizers]
    names: dict[str, str] = {}
    for (ids, _), tokenizer in zip(lists, tokenizers, strict=True):
        for label in (label_alone(tokenizer, number) for number in ids):
            names.setdefault(_reading(label), label)
    sums = [
        {
            name: float(chances[numbers[numbers < len(chances)]].sum())
            for name in names
            for numbers in (numbered.get(name, NOBODY),)
        }
        for chances, numbered in zip(whole, vocabularies, strict=True)
    ]
    return [(name, (sums[0][name], True), (sums[1][name], True)) for name in names]


def _reading(label: str) -> str:
    """Return what a token reads, whatever the space before; a space alone is itself."""
    return label.removeprefix(SPACE) or label


@lru_cache(maxsize=4)
def _by_reading(tokenizer: Any) -> dict[str, NDArray[np.int64]]:
    """Return the numbers of all tokens by what they read."""
    units = units_from_ids(tokenizer, list(range(len(tokenizer))))
    # Pieces of a character would be read with their neighbours', which the vocabulary's order is none of.
    labels = [
        label if text or special else label_alone(tokenizer, number)
        for number, (label, text, special) in enumerate(
            zip(units.labels, units.texts, units.special, strict=True)
        )
    ]
    found: dict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        found[_reading(label)].append(number)
    return {name: np.array(numbers) for name, numbers in found.items()}


def _exact(lists: list[Listed], whole: tuple[Chances, Chances], tokenizer: Any) -> list[Line]:
    ids = list(dict.fromkeys([*lists[0][0], *lists[1][0]]))
    names = [label_alone(tokenizer, number) for number in ids]
    return [
        (name, (_chance(whole[0], number), True), (_chance(whole[1], number), True))
        for number, name in zip(ids, names, strict=True)
    ]


def _chance(chances: Chances, number: int) -> float:
    """Return a token's probability; one that a side does not have has none."""
    return float(chances[number]) if number < len(chances) else 0.0


def _known(lists: list[Listed], tokenizers: tuple[Any, Any], *, by_id: bool) -> list[Line]:
    """Match what both sides list; what one does not list is at most what it leaves over."""
    found: list[dict[Any, float]] = []
    names: dict[Any, str] = {}
    most = []
    for (ids, chances), tokenizer in zip(lists, tokenizers, strict=True):
        labels = [label_alone(tokenizer or tokenizers[0], number) for number in ids]
        side: dict[Any, float] = defaultdict(float)
        for number, label, chance in zip(ids, labels, chances, strict=True):
            name = label if by_id else _reading(label)
            key = number if by_id else name
            side[key] += chance
            names.setdefault(key, name)
        over = max(0.0, 1 - sum(chances))
        # A token of its own has no more than the least that is listed; several that read alike may.
        most.append(min([over, *chances]) if by_id else over)
        found.append(side)
    return [
        (
            name,
            (found[0].get(key, most[0]), key in found[0]),
            (found[1].get(key, most[1]), key in found[1]),
        )
        for key, name in names.items()
    ]


def _table(lines: list[Line]) -> pd.DataFrame:
    rows = []
    for name, (one, known), (other, other_known) in lines:
        sure = known and other_known
        # The listed side's probability has the sign; the other's is anything up to its most.
        least = min(0.0, other - one) if known else max(0.0, other - one)
        rows.append(
            {
                "token": name,
                "first": one if known else np.nan,
                "second": other if other_known else np.nan,
                "difference": other - one if sure else least,
                "at_least": not sure,
            }
        )
    table = pd.DataFrame(rows)
    order = table["difference"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)
