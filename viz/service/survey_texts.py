"""Texts that a survey of the page may be of: a user's own, those that come with the app, a file, a dataset."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from viz.errors import StorageError, TextError
from viz.survey import Corpus, open_corpus
from viz.survey.texts.corpus_folder import find_local

# A file of a user's own, in bytes: what a browser sends of it is held in memory for a moment.
MOST_BYTES = 25_000_000

# A text that is pasted.
MOST_CHARACTERS = 1_000_000

# Kinds of files that are read.
ENDINGS = (".txt", ".jsonl", ".csv", ".parquet")

# Of those, what has columns.
TABLES = (".jsonl", ".csv", ".parquet")

# What a file may be called on disk, and how long its name may be.
STRANGE = re.compile(r"[^\w.\- ]")
LONGEST_NAME = 80

# Before the name of a dataset, so that it is never taken for a file.
HUB = "hub:"


@dataclass(frozen=True, slots=True)
class SurveyTexts:
    """What a survey reads.

    Attributes:
        title: what its user calls it.
        content: of a file of the user's own, until it is kept beside the survey.
        source: the file's name, the path of a file or a folder, or a dataset as `hub:owner/name`.
        column: that holds the texts, of tables; None for the usual one.
        split: part of a dataset.
        is_own: whether it is a file of the user's own.
    """

    title: str
    source: str
    content: bytes | None = None
    column: str | None = None
    split: str = "train"
    is_own: bool = False


def own_file(name: str, content: bytes, column: str | None = None) -> SurveyTexts:
    """Take a file that somebody gave.

    Raises:
        TextError: it is empty, too large, or of a kind that is not read.
    """
    if Path(name).suffix.lower() not in ENDINGS:
        *first, last = ENDINGS
        raise TextError(
            f"{name:.60} is of no kind that is read.",
            f"Give a file that ends in {', '.join(first)} or {last}.",
        )
    if not content:
        raise TextError(f"{name:.60} is empty.", "Choose another file.")
    if len(content) > MOST_BYTES:
        raise TextError(
            f"{name:.60} has {len(content) / 1e6:,.1f} MB.",
            f"Give a file of at most {MOST_BYTES / 1e6:,.0f} MB.",
        )
    return SurveyTexts(name, _plain_name(name), content, column, is_own=True)


def pasted(text: str) -> SurveyTexts:
    """Take a text that somebody pasted.

    Raises:
        TextError: it is blank, or too long.
    """
    if not text.strip():
        raise TextError("The text is empty.", "Paste some paragraphs.")
    if len(text) > MOST_CHARACTERS:
        raise TextError(
            f"The text has {len(text):,} characters.",
            f"Paste at most {MOST_CHARACTERS:,}, or give a file.",
        )
    content = text.encode("utf-8", "replace")
    return SurveyTexts("your text", "pasted.txt", content, is_own=True)


def text_folders() -> list[Path]:
    """Return the folders that a page may read texts and surveys from, from LOUPE_TEXT_FOLDERS; none by default.

    Nothing of the cache is among them: it holds texts of everyone.
    """
    given = os.environ.get("LOUPE_TEXT_FOLDERS", "")
    return [Path(part).expanduser() for part in given.split(os.pathsep) if part]


def open_texts(texts: SurveyTexts, folder: Path) -> Corpus:
    """Look into what a survey is to read.

    Args:
        texts: which.
        folder: that own files are kept in.

    Raises:
        StorageError: it is not there, may not be read, or cannot be reached.
        TextError: it holds nothing to read, or is no text.
        InputError: it has no such column, split or configuration.
    """
    if texts.is_own:
        return open_corpus(folder / texts.source, column=texts.column, allowed=[folder])
    if texts.source.startswith(HUB):
        return open_corpus(texts.source, column=texts.column, split=texts.split)
    allowed = text_folders()
    if not allowed:
        raise StorageError(
            "This server reads no files of its own.",
            "Upload the file, or let LOUPE_TEXT_FOLDERS name folders that pages may read from.",
        )
    if find_local(texts.source, allowed) is None:
        raise StorageError(f"There is no file or folder {texts.source:.80}.", "Check the name.")
    return open_corpus(texts.source, column=texts.column, allowed=allowed)


def _plain_name(name: str) -> str:
    """Return a name that is a file's on every system, with its ending."""
    path = Path(Path(name.replace("\\", "/")).name)
    stem = STRANGE.sub("_", path.stem).strip(". ")[:LONGEST_NAME] or "texts"
    return f"{stem}{path.suffix.lower()}"
