"""What a survey is of, and how far it came: the card of its folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from viz.errors import InputError, StorageError
from viz.models.whole_file import write_whole

CARD = "card.json"

# Of the layout of the folder; a survey of another is refused.
FORMAT = 2

State = Literal["running", "paused", "stopped", "done", "failed"]


@dataclass(frozen=True, slots=True)
class SurveySettings:
    """How a corpus is read and what is measured.

    Attributes:
        length: tokens of a window at most; None for 512, or what the model reads if less.
        packed: whether short texts share a window.
        tokens: no window is begun once so many were read; all texts are if None.
        seed: of what is drawn by chance.
        probes: whether heads are measured on repeated sequences, on needles and by their parameters, too.
        loss_windows: on how many windows the effect on the loss is estimated; none if 0.
        exact_heads: of how many heads, whose estimates lead, it is found exactly.
        grammar: spaCy pipeline that tells parts of speech and dependency relations, such as en_core_web_sm; None for none.
    """

    length: int | None = None
    packed: bool = False
    tokens: int | None = None
    seed: int = 0
    probes: bool = True
    loss_windows: int = 8
    exact_heads: int = 8
    grammar: str | None = None


@dataclass(frozen=True, slots=True)
class SurveyCard:
    """What a survey is of.

    Attributes:
        model: its name, revision, kind, dtype, and the fingerprint of its weights.
        corpus: its source, column and split.
        settings: how it is read.
        state: how the survey stands.
        message: why it failed, for its user.
        windows: how many were read.
        tokens: in them.
        texts: of the corpus that were read.
        skipped: rows that were blank.
        dropped: rests of texts that were too short.
        refused: windows on which the model's attention could not be shown.
        digest: of the texts; empty until all were read.
        not_measured: scores that this model cannot be given, and why.
        grammar: the pipeline that read along, its version and spaCy's, and what it does not tell; empty of none.
        versions: of what measured.
        begun: when, in seconds since 1970.
        seconds: that it worked.
        format: of the folder.
    """

    model: dict[str, str | None]
    corpus: dict[str, Any]
    settings: SurveySettings
    state: State = "running"
    message: str = ""
    windows: int = 0
    tokens: int = 0
    texts: int = 0
    skipped: int = 0
    dropped: int = 0
    refused: int = 0
    digest: str = ""
    not_measured: dict[str, str] = field(default_factory=dict)
    grammar: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    begun: float = 0.0
    seconds: float = 0.0
    format: int = FORMAT


def write_card(folder: Path, card: SurveyCard) -> None:
    """Write a card in one piece, with a check by which an edit is noticed.

    Raises:
        StorageError: the folder cannot be written to.
    """
    told = asdict(card)
    content = json.dumps({**told, "check": _check(told)}, indent=2)
    try:
        write_whole(folder / CARD, content.encode())
    except OSError as error:
        raise StorageError(
            f"The survey's card cannot be written to {folder}: {error.strerror or error}.",
            "Free some space, or choose a folder that can be written to.",
        ) from error


def read_card(folder: Path) -> SurveyCard:
    """Read what a survey is of.

    Raises:
        InputError: the folder holds no survey.
        StorageError: its card was edited, or is of another version.
    """
    path = folder / CARD
    if not path.is_file():
        raise InputError(
            f"{folder} holds no survey.", "Name a folder that `loupe survey` has written."
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        found = told.pop("check", None)
        if told.get("format") != FORMAT:
            raise StorageError(
                f"The survey in {folder} is of format {told.get('format')!r:.20}, and this version reads {FORMAT}.",
                "Survey the corpus again, into another folder.",
            )
        card = SurveyCard(**{**told, "settings": SurveySettings(**told["settings"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"The card of the survey in {folder} cannot be read.",
            "Bring back the card as it was written, or survey the corpus into another folder.",
        ) from error
    if found != _check(told):
        raise StorageError(
            f"The card of the survey in {folder} was edited.",
            "Bring back the card as it was written, or survey the corpus into another folder.",
        )
    return card


def _check(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
