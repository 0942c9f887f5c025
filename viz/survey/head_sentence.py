"""What a head does in one sentence, made of its numbers alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from viz.survey.grammar.top_relations import TopRelation
from viz.survey.score_catalogue import SCORES

# A share of weight that is worth a sentence, and how often what chance alone would give.
WORTH, TIMES_CHANCE = 0.15, 2.0

# A relation is worth a clause where so much more weight goes along it than between any tokens that are as far apart.
OVER_DISTANCE = 0.1

# Halves of a corpus that are so near each other tell the same: in shares of weight, and of the value.
SAME_SHARE, SAME_PART = 0.02, 0.1


@dataclass(frozen=True, slots=True)
class HeadSentence:
    """What a head does.

    Attributes:
        words: the sentence.
        score: that it is about; None where the head prefers nothing that is measured.
    """

    words: str
    score: str | None


def head_sentence(scores: pd.DataFrame, followed: TopRelation | None = None) -> HeadSentence:
    """Say what a head does most, beside chance and over both halves.

    Args:
        scores: of the head: score, value, chance, first_half, second_half.
        followed: the dependency relation that it follows most; said where it is clear, the same in both halves, and more than
            its distance alone gives.
    """
    said = _of_scores(scores)
    if followed is None or not _is_clear(followed):
        return said
    along = (
        f"{followed.words} goes {_percent(followed.weight)} of the weight; {_percent(followed.chance)} by chance, "
        f"{_percent(followed.by_distance)} by distance"
    )
    return replace(said, words=f"{said.words}; {along}")


def _is_clear(followed: TopRelation) -> bool:
    weight, halves = followed.weight, (followed.first_half, followed.second_half)
    return (
        weight >= max(WORTH, TIMES_CHANCE * followed.chance)
        and weight >= followed.by_distance + OVER_DISTANCE
        and _are_alike(*halves, weight)
    )


def _of_scores(scores: pd.DataFrame) -> HeadSentence:
    rows = scores.set_index("score")
    best, lead = None, 0.0
    for name, value, chance in zip(rows.index, rows["value"], rows["chance"], strict=True):
        # A survey of a later version may have scores that this one does not know.
        score = SCORES[name] if name in SCORES else None  # noqa: SIM401
        if score is None or score.ground != "texts" or not score.clause or not value >= WORTH:
            continue
        by_chance = 0.0 if math.isnan(chance) else chance
        if value >= TIMES_CHANCE * by_chance and value - by_chance > lead:
            best, lead = name, value - by_chance
    if best is None:
        return HeadSentence(_spread(rows), None)
    value, chance = _number(rows, best, "value"), _number(rows, best, "chance")
    words = f"attends {SCORES[best].clause} with {_percent(value)} of its weight"
    if not math.isnan(chance):
        words += f"; {_percent(chance)} by chance"
    return HeadSentence(f"{words}; {_halves(rows, best, value)}", best)


def _spread(rows: pd.DataFrame) -> str:
    if "entropy" not in rows.index:
        return "has no preference that is measured"
    entropy, chance = _number(rows, "entropy", "value"), _number(rows, "entropy", "chance")
    return (
        f"spreads its weight over about {math.exp(entropy):,.0f} tokens, without a preference that is measured; "
        f"{math.exp(chance):,.0f} by chance"
    )


def _halves(rows: pd.DataFrame, name: str, value: float) -> str:
    first, second = _number(rows, name, "first_half"), _number(rows, name, "second_half")
    if math.isnan(first) or math.isnan(second):
        return "measured on one half of the texts only"
    if _are_alike(first, second, value):
        return "stable over both halves"
    return f"{_percent(first)} in one half of the texts and {_percent(second)} in the other"


def _are_alike(first: float, second: float, value: float) -> bool:
    return abs(first - second) <= max(SAME_SHARE, SAME_PART * value)


def _number(rows: pd.DataFrame, score: str, column: str) -> float:
    return float(rows[column].to_numpy()[rows.index.get_loc(score)])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.1f} %"
