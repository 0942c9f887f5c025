"""Which heads changed what they do from one survey to another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from viz.errors import ShapeError
from viz.survey.loaded_survey import Survey
from viz.survey.score_catalogue import SCORES
from viz.survey.survey_tables import HEAD


def changed_heads(first: Survey, second: Survey, score: str | None = None) -> pd.DataFrame:
    """Compare two surveys head by head: base and fine-tuned, two corpora, two steps of a training.

    Args:
        first: a survey.
        second: of a model with the same heads.
        score: one of them; all that both have by default.

    Returns:
        Columns stack, layer, head, score, first, second, change (second - first), noise (the larger difference between
        the halves of either); the largest change in units of its score's spread over heads first.

    Raises:
        ShapeError: they have no head in common.
        InputError: there is no such score.
    """
    if score is not None:
        SCORES.find(score)
    keys = [*HEAD, "score"]
    sides = [one.table("scores") for one in (first, second)]
    both = sides[0].merge(sides[1], on=keys, suffixes=("_a", "_b"))
    if both.empty:
        raise ShapeError(
            f"{first.card.model['name']} and {second.card.model['name']} have no head in common.",
            "Compare surveys of one model, or of models of the same shape.",
        )
    if score is not None:
        both = both[both["score"] == score]
    both["change"] = both["value_b"] - both["value_a"]
    noise = [
        (both[f"first_half{side}"] - both[f"second_half{side}"]).abs() for side in ("_a", "_b")
    ]
    both["noise"] = np.fmax(noise[0].to_numpy(), noise[1].to_numpy())
    both = both.rename(columns={"value_a": "first", "value_b": "second"}).dropna(subset=["change"])
    spread = both.groupby("score")["first"].transform("std").replace(0, np.nan)
    order = (
        (both["change"].abs() / spread).fillna(0).sort_values(ascending=False, kind="stable").index
    )
    return both.loc[order, [*keys, "first", "second", "change", "noise"]].reset_index(drop=True)
