"""A survey of the page on disk: what was asked, the texts of its user, and what was measured.

asked.json      the model, the texts, the settings, how it stands
texts/          the file that its user gave
survey/         the survey itself, see `viz.survey.survey_folder`
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from viz.errors import GoneError, StorageError
from viz.models.folders import cache_folder
from viz.models.named_folder import find_named, new_name
from viz.models.whole_file import write_whole
from viz.service.run_result import Request
from viz.service.survey_texts import SurveyTexts, open_texts
from viz.survey import Corpus, SurveySettings
from viz.survey.survey_folder import SurveyFolder

State = Literal["waiting", "running", "paused", "stopped", "done", "failed"]

ASKED, TEXTS, MEASURED = "asked.json", "texts", "survey"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a survey is of, and how it stands.

    Attributes:
        model: its name, an id, or a folder inside the allowed ones.
        texts: what it reads, without content.
        settings: how it is read, and what is measured.
        revision: of the model; None for the newest.
        local: whether `model` names a folder.
        device: what it runs on, `auto` or a device's name.
        dtype: what it computes in, `auto` or a dtype's name.
        state: see `State`; on disk `running` of all that have not ended.
        message: why it failed, for its user.
        begun: when, in seconds since 1970.
        browser: digest of the name of the browser that began it, which may throw it away; empty where it has none.
    """

    model: str
    texts: SurveyTexts
    settings: SurveySettings
    revision: str | None = None
    local: bool = False
    device: str = "auto"
    dtype: str = "auto"
    state: State = "running"
    message: str = ""
    begun: float = 0.0
    browser: str = ""

    @property
    def request(self) -> Request:
        """By which the model is loaded, as other pages load it."""
        return Request(
            *(self.model, ""),
            revision=self.revision,
            local=self.local,
            device=self.device,
            dtype=self.dtype,
        )


class KeptSurvey:
    """One survey's folder.

    Args:
        path: of the folder, which is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, asked: Asked, root: Path) -> KeptSurvey:
        """Make a folder of a new name; a file of the user's own goes into it.

        Raises:
            StorageError: it cannot be made.
        """
        path = root / new_name()
        try:
            (path / TEXTS).mkdir(parents=True, mode=0o700)
            if asked.texts.content is not None:
                (path / TEXTS / asked.texts.source).write_bytes(asked.texts.content)
        except OSError as error:
            raise not_kept(root, error) from error
        kept = cls(path)
        texts = replace(asked.texts, content=None)
        kept.write(replace(asked, texts=texts, begun=time.time()))
        return kept

    @classmethod
    def open(cls, name: str, root: Path) -> KeptSurvey:
        """Find a survey by its name.

        Raises:
            GoneError: there is none of that name.
        """
        path = find_named(root, name, ASKED)
        if path is None:
            raise GoneError("There is no survey of that name.", "Start one on the Heads page.")
        return cls(path)

    @property
    def name(self) -> str:
        """Its unguessable name."""
        return self.path.name

    @property
    def measured(self) -> SurveyFolder:
        """What was measured."""
        return SurveyFolder(self.path / MEASURED)

    @property
    def has_tables(self) -> bool:
        """Whether there is anything to be looked at."""
        return (self.path / MEASURED / "windows.parquet").is_file()

    def corpus(self) -> Corpus:
        """Open what it reads; errors as in `open_texts`."""
        return open_texts(self.asked().texts, self.path / TEXTS)

    def asked(self) -> Asked:
        """Read what it is of.

        Raises:
            StorageError: that cannot be read.
        """
        try:
            told = json.loads((self.path / ASKED).read_text(encoding="utf-8"))
            return Asked(
                **{
                    **told,
                    "texts": SurveyTexts(**told["texts"]),
                    "settings": SurveySettings(**told["settings"]),
                }
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError(
                "What this survey is of cannot be read.", "Start it anew."
            ) from error

    def write(self, asked: Asked) -> None:
        """Write what it is of, in one piece.

        Raises:
            StorageError: that cannot be written.
        """
        content = json.dumps(asdict(asked), indent=2).encode()
        try:
            write_whole(self.path / ASKED, content, makes_folders=False)
        except OSError as error:
            raise not_kept(self.path, error) from error

    def change(self, **fields: Any) -> Asked:
        """Change some of that.

        Raises:
            StorageError: it cannot be read, or cannot be written.
        """
        asked = replace(self.asked(), **fields)
        self.write(asked)
        return asked


def surveys_root() -> Path:
    """Return where surveys of pages are kept."""
    return cache_folder() / "surveys"


def not_kept(folder: Path, error: OSError) -> StorageError:
    """Say that a survey's folder cannot be written to."""
    return StorageError(
        f"The survey cannot be kept in {folder}: {error.strerror or error}.",
        "Free some space, or let LOUPE_CACHE name a folder that can be written to.",
    )
