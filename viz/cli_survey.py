"""`loupe survey`: every head of a model over a corpus, in the terminal."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import fields, replace

import pandas as pd
from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from viz.capture.load_and_wrap_model import load_model
from viz.command import STOPPED, stopped_by_ctrl_c, typed
from viz.errors import InputError
from viz.inputs.units import counted
from viz.models.argument_checks import whole_number
from viz.models.folders import plain_path
from viz.models.model import Model
from viz.models.work_control import WorkControl
from viz.survey.grammar.pipeline_note import pipeline_words
from viz.survey.grammar.top_relations import leading_heads
from viz.survey.loaded_survey import Survey
from viz.survey.measured_windows import Measuring
from viz.survey.run_survey import run_survey
from viz.survey.score_catalogue import SCORES
from viz.survey.survey_card import SurveyCard, SurveySettings
from viz.survey.survey_folder import SurveyFolder
from viz.survey.survey_progress import Seen, SurveyMoment
from viz.survey.texts.corpus import open_corpus

# Options that say how the corpus is read, as `SurveySettings` calls them.
SETTINGS = tuple(one.name for one in fields(SurveySettings))

# Relations that are told of at the end, those first that a head follows most clearly.
LED_RELATIONS = 8


def add_survey_options(parser: argparse.ArgumentParser) -> None:
    """Say what `loupe survey` takes; what is left out is as `SurveySettings` has it."""
    parser.add_argument("model", help="a catalogue name, a Hugging Face id, or a folder")
    parser.add_argument(
        "texts", help="a .txt, .jsonl, .csv or .parquet file, a folder of them, or a dataset's name"
    )
    parser.add_argument("--out", metavar="FOLDER", required=True, help="where it is kept")
    parser.add_argument("--column", help="of a table, that holds the texts")
    parser.add_argument("--split", default="train", help="of a dataset on Hugging Face")
    parser.add_argument("--texts", dest="most_texts", type=int, help="read at most so many texts")
    parser.add_argument("--tokens", type=int, help="read until there are so many tokens")
    parser.add_argument("--length", type=int, help="tokens of a window at most")
    parser.add_argument(
        "--packed", action="store_true", default=None, help="let short texts share a window"
    )
    parser.add_argument("--seed", type=int, help="of what is drawn by chance")
    parser.add_argument(
        "--no-probes",
        dest="probes",
        action="store_false",
        default=None,
        help="leave out repeated sequences, needles and parameters",
    )
    parser.add_argument(
        "--loss-windows", type=int, help="windows on which effects on the loss are estimated"
    )
    parser.add_argument("--exact-heads", type=int, help="leading heads that are knocked out")
    parser.add_argument(
        "--grammar",
        metavar="PIPELINE",
        help="installed spaCy pipeline that tells parts of speech and relations: en_core_web_sm",
    )
    parser.add_argument(
        "--on",
        metavar="RAY",
        help="ray for this machine, or the address of a cluster: ray://host:10001",
    )
    parser.add_argument("--actors", type=int, help="workers on Ray; one for each GPU by default")
    parser.add_argument("--revision", help="of a Hugging Face model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument("--dtype", default="auto", help="float32, float16 or bfloat16")


def survey_command(options: argparse.Namespace) -> int:
    """Survey, and print which heads lead.

    Returns:
        The exit status.

    Raises:
        LoupeError: what was asked for does not fit.
    """
    folder = SurveyFolder(plain_path(options.out).resolve())
    settings = _settings(folder, options)
    corpus = open_corpus(
        options.texts, column=options.column, split=options.split, texts=options.most_texts
    )
    disable_progress_bar()
    model = load_model(
        options.model, device=options.device, dtype=options.dtype, revision=options.revision
    )
    with _following() as (control, seen):
        measuring = _measuring(model, control, settings, options)
        card = run_survey(
            model, corpus, folder, settings, control=control, seen=seen, measuring=measuring
        )
    if card.state == "stopped":
        print(f"Stopped after {card.windows:,} windows; what was measured is in {folder.path}")
        print(f"Go on with the same command: {typed(*options.typed)}")
        return STOPPED
    _tell(card, Survey(folder.path))
    return 0


def _measuring(
    model: Model, control: WorkControl, settings: SurveySettings, options: argparse.Namespace
) -> Measuring | None:
    """Return what measures on Ray where that was asked for; None for this process.

    Raises:
        LoupeError: Ray is not installed or cannot be reached.
    """
    if options.on is None:
        if options.actors is not None:
            raise InputError("--actors goes with --on.", "Add --on ray, or leave it out.")
        return None
    from viz.survey.ray.on_ray import on_ray

    return on_ray(
        model,
        options.model,
        address=None if options.on == "ray" else options.on,
        control=control,
        seed=settings.seed,
        grammar=settings.grammar,
        device=options.device,
        actors=options.actors,
    )


def _settings(folder: SurveyFolder, options: argparse.Namespace) -> SurveySettings:
    """Return the settings that were asked for; what was left out is as the survey in the folder has it."""
    given = {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}
    least = {"loss_windows": 0, "exact_heads": 0, "seed": 0}
    for name, value in given.items():
        lowest = least.get(name, 1)
        if not isinstance(value, bool | str) and whole_number(value, name) < lowest:
            raise InputError(
                f"--{name.replace('_', '-')} is {value}.",
                f"Give {lowest} or more, or leave it out.",
            )
    known = folder.card().settings if folder.has_card else SurveySettings()
    return replace(known, **given)


def _tell(card: SurveyCard, survey: Survey) -> None:
    """Print the head that leads each score, and what could not be measured."""
    print(
        f"{card.model['name']}: {counted(card.windows, 'window')} of {counted(card.texts, 'text')}, "
        f"{counted(card.tokens, 'token')}, in "
        f"{card.seconds:,.0f} s"
    )
    rows = []
    for name in SCORES:
        lead = survey.leaders(name, 1)
        if not lead.empty:
            one = lead.iloc[0]
            where = f"{one['layer']}.{one['head']}"
            place = where if one["stack"] == "self" else f"{one['stack']} {where}"
            score = SCORES[name]
            unit = score.unit or "share of weight"
            rows.append([score.title, place, one["value"], one["chance"], unit])
    table = pd.DataFrame(rows, columns=["score", "head", "value", "by chance", "unit"])
    print(table.to_string(index=False, float_format="{:.3f}".format, na_rep=""))
    for name, reason in card.not_measured.items():
        print(f"Not measured: {SCORES[name].title}. {reason}")
    if card.grammar:
        _tell_grammar(card, survey)
    if card.refused:
        print(f"{card.refused:,} windows were left out: {card.message}")
    print(f"Tables: {survey.folder}")


def _tell_grammar(card: SurveyCard, survey: Survey) -> None:
    """Print which pipeline read along, and the heads that follow a relation most."""
    said = pipeline_words(card)
    print(f"{said[:1].upper()}{said[1:]}.")
    if survey.has_relations:
        shown = ["relation", "looks_from", "looks_at", "place", "weight", "chance", "by_distance"]
        lead = leading_heads(survey.table("relations")).head(LED_RELATIONS)
        lead["place"] = lead["layer"].astype(str) + "." + lead["head"].astype(str)
        table = lead[shown].rename(
            columns={"place": "head", "chance": "by chance", "by_distance": "by distance"}
        )
        print(table.to_string(index=False, float_format="{:.3f}".format))


@contextlib.contextmanager
def _following() -> Iterator[tuple[WorkControl, Seen]]:
    """Draw how far a survey is; the first Ctrl+C lets it end after its window, a second ends it."""
    control = WorkControl()
    with _Bars() as bars, stopped_by_ctrl_c(control.stop):
        yield control, bars.seen


class _Bars:
    """A bar for each phase, one after the other."""

    def __init__(self) -> None:
        self._phase = ""
        self._bar: tqdm | None = None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def seen(self, moment: SurveyMoment) -> None:
        """Draw how far the phase is."""
        if moment.phase == "tables":
            return
        if moment.phase != self._phase:
            self._close()
            unit = "window" if moment.phase == "texts" else "pass"
            self._phase, self._bar = moment.phase, tqdm(desc=moment.phase, unit=unit)
        if self._bar is not None:
            self._bar.total = moment.of
            if moment.tokens:
                self._bar.set_postfix(tokens=f"{moment.tokens:,}", refresh=False)
            self._bar.update(moment.done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
