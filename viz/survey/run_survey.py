"""A survey that is kept: every head over a corpus, paused, stopped, and gone on with another day."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from dataclasses import replace

from viz.errors import CancelledError, StorageError
from viz.models import Model
from viz.models.work_control import WorkControl
from viz.survey.grammar.pipeline_note import with_pipeline
from viz.survey.grammar.pipelines import load_pipeline
from viz.survey.measured import NotMeasured
from viz.survey.measured_windows import Measuring, here
from viz.survey.sums.survey_sums import SurveySums
from viz.survey.survey_card import State, SurveyCard, SurveySettings
from viz.survey.survey_folder import SurveyFolder
from viz.survey.survey_probes import find_probes
from viz.survey.survey_progress import Pace, Seen, SurveyMoment
from viz.survey.survey_start import begin, held
from viz.survey.texts.corpus import Corpus
from viz.survey.texts.corpus_reading import CorpusReading
from viz.survey.texts.windows import Window


def run_survey(
    model: Model,
    corpus: Corpus,
    folder: SurveyFolder,
    settings: SurveySettings | None = None,
    *,
    control: WorkControl | None = None,
    seen: Seen | None = None,
    measuring: Measuring | None = None,
) -> SurveyCard:
    """Measure every head of a model over a corpus, from where it was left off.

    Windows of the corpus are read in order; every few of them are kept in one piece, so that none is counted twice and
    none is lost, whenever the process ends.

    Args:
        model: what is measured.
        corpus: what it reads.
        folder: that the survey is kept in; an empty one, or one of the same survey.
        settings: how it is read; those of the survey where it goes on, else the defaults.
        control: pauses or stops it, from any thread.
        seen: hears after each window, and of each further pass.
        measuring: measures batches of windows elsewhere; in this process by default.

    Returns:
        Its card, done or stopped.

    Raises:
        InputError, TextError: the corpus cannot be read as asked, or there is no such spaCy pipeline.
        StorageError: the folder cannot be written to, or holds a survey of something else.
        BusyError: another process works on this survey.
        LoupeError: the model's attention can be shown on none of the windows.

    Cost: the captures of all windows and a pass over the weights of each in blocks; what is held does not grow with the
    corpus.
    """
    control, seen = control or WorkControl(), seen or _nothing
    card = begin(folder, model, corpus, settings)
    pipeline = None if card.settings.grammar is None else load_pipeline(card.settings.grammar)
    card = with_pipeline(card, pipeline, folder.path)
    with held(folder):
        # A process that was killed may have kept more than its card says.
        card = replace(card, **folder.counts())  # type: ignore[arg-type]
        folder.write_card(card)
        begun = time.monotonic() - card.seconds
        reading = CorpusReading(model, corpus, card.settings)
        state: State = "failed"
        message = ""
        try:
            local = here(model, control, seed=card.settings.seed, pipeline=pipeline)
            _read(folder, card, reading, measuring or local, seen)
            find_probes(folder, model, reading.first_texts, card.settings, control, seen)
            state = "done"
        except CancelledError:
            state = "stopped"
        except Exception as error:
            message = str(error)
            raise
        finally:
            # What was measured is kept, however it ended; a full disk is said by what it ended.
            seen(SurveyMoment("tables", 0, 1, card.tokens, None))
            with suppress(StorageError) if state == "failed" else nullcontext():
                sums = folder.sums()
                folder.write_tables(sums)
                reached = replace(
                    card, state=state, message=message, seconds=time.monotonic() - begun
                )
                card = _ended(folder, reached, reading, sums)
    return card


def _read(
    folder: SurveyFolder,
    card: SurveyCard,
    reading: CorpusReading,
    measuring: Measuring,
    seen: Seen,
) -> None:
    """Measure all windows that were not measured yet, and keep on the card what was.

    Raises:
        CancelledError: it was stopped before the end.
    """
    known, begun = folder.shards(), time.monotonic() - card.seconds
    done, tokens = sum(shard.count for shard in known), 0
    pace = Pace("texts", seen, of=reading.planned())

    def told(window: Window) -> None:
        nonlocal done, tokens
        done, tokens = done + 1, tokens + window.tokens
        pace.step(done, tokens=reading.tokens_before + tokens)

    for found in measuring(reading.pending(known), told):
        folder.keep_shard(found.shard, found.sums)
        card = replace(
            card,
            windows=card.windows + found.sums.windows,
            tokens=card.tokens + found.sums.tokens,
            refused=card.refused + found.sums.refused,
            seconds=time.monotonic() - begun,
            **reading.counts(),  # type: ignore[arg-type]
        )
        folder.write_card(card)
    # The last windows may have been read of the corpus and not measured.
    if not reading.is_whole or done < reading.windows:
        raise CancelledError("The survey was stopped.")


def _ended(
    folder: SurveyFolder, card: SurveyCard, reading: CorpusReading, sums: SurveySums
) -> SurveyCard:
    """Write how it ended and what was read until then, and return that."""
    reasons = {one.score: one.reason for one in folder.probes() if isinstance(one, NotMeasured)}
    card = replace(
        card,
        message=card.message or sums.refusal,
        windows=sums.windows,
        tokens=sums.tokens,
        refused=sums.refused,
        not_measured=reasons,
        **reading.counts(),  # type: ignore[arg-type]
    )
    folder.write_card(card)
    return card


def _nothing(_moment: SurveyMoment) -> None:
    """Tell nobody."""
