"""Whether a survey can begin in a folder, or go on there: of the same model, corpus and settings."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from importlib.metadata import version

from filelock import FileLock, Timeout

from viz.errors import BusyError, InputError, StorageError
from viz.models import Model
from viz.models.model_facts import fingerprint
from viz.survey.survey_card import CARD, SurveyCard, SurveySettings
from viz.survey.survey_folder import SurveyFolder
from viz.survey.texts.corpus import Corpus

# What a survey that was ended before it wrote its card may have left.
LOCK = "work.lock"
OWN = {LOCK, f"{CARD}.part"}

# What measured, whose versions are noted.
MEASURED_BY = ("attention-loupe", "torch", "transformers")


def begin(
    folder: SurveyFolder, model: Model, corpus: Corpus, settings: SurveySettings | None
) -> SurveyCard:
    """Make the card of a new survey, or take that of one that goes on.

    Raises:
        StorageError: the folder holds something else.
        InputError: it was begun with other settings.
    """
    of_model = {
        "name": model.name,
        "revision": model.revision,
        "kind": model.kind,
        "dtype": str(model.dtype).removeprefix("torch."),
        # Of the weights alone: a model is the same by its name in the catalogue and by its folder.
        "fingerprint": fingerprint(model.module, "", None),
    }
    of_corpus = {
        "source": corpus.source,
        "column": corpus.column,
        "split": corpus.split,
        "texts": corpus.texts,
    }
    if folder.has_card and not (folder.is_bare and folder.card().state == "failed"):
        card = folder.card()
        _require_same(folder, card, of_model, of_corpus, settings)
        return replace(card, state="running", message="")
    if (
        folder.path.is_dir()
        and not folder.has_card
        and {one.name for one in folder.path.iterdir()} - OWN
    ):
        raise StorageError(
            f"{folder.path} holds other files.",
            "Name a folder that is empty, that is not there yet, or that holds this survey.",
        )
    return SurveyCard(
        model=of_model,
        corpus=of_corpus,
        settings=settings or SurveySettings(),
        versions={
            **{name: version(name) for name in MEASURED_BY},
            "python": platform.python_version(),
        },
        begun=time.time(),
    )


def _require_same(
    folder: SurveyFolder,
    card: SurveyCard,
    of_model: dict[str, str | None],
    of_corpus: dict[str, str | int | None],
    settings: SurveySettings | None,
) -> None:
    exact = ("fingerprint", "dtype")
    if any(card.model[name] != of_model[name] for name in exact):
        raise StorageError(
            f"The survey in {folder.path} is of {_version(card.model)}, and this model is {_version(of_model)}.",
            "Go on with the same version, or survey this one into another folder.",
        )
    for name, value in of_corpus.items():
        before = card.corpus.get(name)
        if before != value:
            raise StorageError(
                f"The survey in {folder.path} was begun with {name} {before!r:.80}, and now it is {value!r:.80}.",
                "Go on with the same corpus, or survey this one into another folder.",
            )
    for one in fields(SurveySettings):
        before = getattr(card.settings, one.name)
        if settings is not None and before != getattr(settings, one.name):
            raise InputError(
                f"The survey in {folder.path} was begun with {one.name} {before!r}, and now it is "
                f"{getattr(settings, one.name)!r}.",
                "Leave it out to go on with it, or survey into another folder.",
            )


def _version(of_model: dict[str, str | None]) -> str:
    revision = f" at {of_model['revision']}" if of_model["revision"] else ""
    weights = (of_model["fingerprint"] or "")[:12]
    return f"{of_model['name']}{revision} in {of_model['dtype']} (weights {weights})"


@contextmanager
def held(folder: SurveyFolder) -> Iterator[None]:
    """Hold a folder while a survey works in it.

    Raises:
        BusyError: another does.
        StorageError: it cannot be written to.
    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.path / LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(
            f"Another process works on the survey in {folder.path}.",
            "Let it end, or stop it there, and go on here.",
        ) from error
    except OSError as error:
        raise StorageError(
            f"The survey cannot be kept in {folder.path}: {error.strerror or error}.",
            "Choose a folder that can be written to.",
        ) from error
    try:
        yield
    finally:
        lock.release()
