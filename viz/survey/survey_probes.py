"""Scores of heads on inputs of their own, each found once and kept in the survey's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from viz.models import Model
from viz.models.work_control import WorkControl
from viz.survey.measured import Measured, NotMeasured
from viz.survey.probes.copying import copying_scores
from viz.survey.probes.loss_effects import loss_effects, loss_estimates
from viz.survey.probes.repeated_sequences import anti_induction, repeated_scores
from viz.survey.probes.retrieval import retrieval_scores
from viz.survey.survey_card import SurveySettings
from viz.survey.survey_folder import SurveyFolder
from viz.survey.survey_progress import Pace, Seen

Found = Sequence[Measured | NotMeasured]
Finder = Callable[[Callable[[int, int], None]], Found]

# Windows of the corpus on which the leading heads are knocked out exactly: a pass for each head and window.
EXACT_WINDOWS = 2


def find_probes(
    folder: SurveyFolder,
    model: Model,
    texts: Sequence[str],
    settings: SurveySettings,
    control: WorkControl,
    seen: Seen,
) -> None:
    """Find what is not found yet.

    Args:
        folder: of the survey.
        model: what is measured.
        texts: windows of the corpus.
        settings: what is measured.
        control: may pause or stop it.
        seen: hears how far it came.

    Raises:
        CancelledError: it was stopped; what was found is kept.
        LoupeError: what cannot be measured for another reason than the model's kind.
    """
    for name, find in _finders(folder, model, texts, settings).items():
        if folder.has_probe(name):
            continue
        pace = Pace(name, seen, of=None)

        def tell(done: int, of: int, pace: Pace = pace) -> None:
            control.wait()
            pace.step(done, of)

        tell(0, 1)
        folder.keep_probe(name, find(tell))


def _finders(
    folder: SurveyFolder, model: Model, texts: Sequence[str], settings: SurveySettings
) -> dict[str, Finder]:
    """Name what is to be found, in an order in which each finds what it needs of those before."""
    seed = settings.seed
    finders: dict[str, Finder] = {}
    if settings.probes:
        finders["repeated"] = lambda tell: repeated_scores(model, seed=seed, progress=tell)
        finders["copying"] = lambda tell: copying_scores(model, progress=tell)
        finders["anti-induction"] = lambda _: _anti_induction(folder.probes())
        finders["retrieval"] = lambda tell: retrieval_scores(model, texts, seed=seed, progress=tell)
    if settings.loss_windows:
        some = texts[: settings.loss_windows]
        finders["loss estimate"] = lambda tell: loss_estimates(
            model, some, seed=seed, progress=tell
        )
        if settings.exact_heads:
            finders["loss"] = partial(_exact, folder, model, texts, settings)
    return finders


def _anti_induction(known: Found) -> Found:
    """Put induction and copying together where both are known."""
    by_name = {(one.score, one.stack): one for one in known if isinstance(one, Measured)}
    pairs = [
        (by_name["repeated_induction", stack], copying)
        for (score, stack), copying in by_name.items()
        if score == "copying" and ("repeated_induction", stack) in by_name
    ]
    reasons = [one.reason for one in known if isinstance(one, NotMeasured)]
    return [anti_induction(*pair) for pair in pairs] or [
        NotMeasured("repeated_anti_induction", next(iter(reasons), "Its parts are not known."))
    ]


def _exact(
    folder: SurveyFolder,
    model: Model,
    texts: Sequence[str],
    settings: SurveySettings,
    tell: Callable[[int, int], None],
) -> Found:
    """Knock out the heads whose estimates lead."""
    estimates = [
        one for one in folder.probes() if isinstance(one, Measured) and one.score == "loss_estimate"
    ]
    if not estimates:
        return [NotMeasured("loss_effect", "No head's effect on the loss could be estimated.")]
    ranked = sorted(
        (-abs(float(one.value[at])), one.stack, at)
        for one in estimates
        for at in np.ndindex(*one.value.shape)
        if np.isfinite(one.value[at])
    )
    heads = [(stack, *at) for _, stack, at in ranked[: settings.exact_heads]]
    return loss_effects(model, texts[:EXACT_WINDOWS], heads, seed=settings.seed, progress=tell)
