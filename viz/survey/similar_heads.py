"""Which heads do most alike, in one survey and in others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from viz.errors import ShapeError
from viz.survey.loaded_survey import Survey
from viz.survey.score_catalogue import SCORES
from viz.survey.survey_tables import HEAD


def similar_heads(
    survey: Survey,
    layer: int,
    head: int,
    *,
    stack: str = "self",
    others: Sequence[Survey] = (),
    count: int = 8,
) -> pd.DataFrame:
    """Find the heads that do most alike, in the same model and in others.

    How far two heads are apart is the root mean square of the differences of their shares of weight, over the scores
    that both have.

    Args:
        survey: of the head.
        layer: of it.
        head: of it.
        stack: of it.
        others: surveys of other models, or of other texts.
        count: how many.

    Returns:
        Columns survey (0 for its own, then the others), model, stack, layer, head, apart; the nearest first.

    Raises:
        ShapeError: there is no such head.
    """
    shares = [name for name in SCORES if SCORES[name].is_share]
    own = survey.heads()
    here = own[(own["stack"] == stack) & (own["layer"] == layer) & (own["head"] == head)]
    if here.empty:
        raise ShapeError(
            f"There is no head {head} in layer {layer} of {stack}.",
            "Choose one that heads() lists.",
        )
    frames = []
    for number, one in enumerate((survey, *others)):
        heads = own if number == 0 else one.heads()
        names = [name for name in shares if name in heads.columns and name in here.columns]
        difference = heads[names].to_numpy(float) - here[names].to_numpy(float)
        known = ~np.isnan(difference)
        squares = np.where(known, difference, 0.0) ** 2
        apart = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
        frame = heads[HEAD].assign(survey=number, model=one.card.model["name"], apart=apart)
        frames.append(frame[known.any(axis=1)])
    found = pd.concat(frames, ignore_index=True)
    itself = (found["survey"] == 0) & (found["stack"] == stack)
    itself &= (found["layer"] == layer) & (found["head"] == head)
    ranked = found[~itself].sort_values(["apart", "survey", *HEAD], ignore_index=True)
    nearest: pd.DataFrame = ranked.head(count)[["survey", "model", *HEAD, "apart"]]
    return nearest
