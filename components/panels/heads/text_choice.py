"""What a survey reads: texts that come with the app, a file, what is pasted, a dataset, or a path of the server."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from components.panels.heads.survey_labels import HELP
from components.run_panel import in_words
from viz.errors import LoupeError
from viz.service.survey_texts import (
    ENDINGS,
    HUB,
    MOST_BYTES,
    MOST_CHARACTERS,
    TABLES,
    SurveyTexts,
    own_file,
    pasted,
    text_folders,
)
from viz.training.bundled_data import TEXTS, text_of

# Which of the texts that come with the app is offered first.
FIRST = "addresses"

OWN = {
    "pasted": "A text that you paste",
    "file": "A file of your own",
    "dataset": "A dataset on Hugging Face",
}
PATH = {"path": "A file or folder of this server"}


def sample_texts(name: str) -> SurveyTexts:
    """Return one of the texts that come with the app.

    Raises:
        StorageError: it is not there, or damaged.
    """
    content = text_of(name).encode()
    return SurveyTexts(TEXTS[name], f"{name}.txt", content, is_own=True)


def text_panel() -> SurveyTexts | None:
    """Ask for texts; None where there are none yet."""
    titles = {FIRST: TEXTS[FIRST], **TEXTS, **OWN, **(PATH if text_folders() else {})}
    chosen = st.selectbox(
        "Texts",
        list(titles),
        key="heads texts",
        format_func=lambda name: titles[name],
        help=HELP["texts"],
        persist_state="session",
    )
    try:
        if chosen in TEXTS:
            return sample_texts(chosen)
        asks = {"pasted": _pasted, "file": _file, "dataset": _dataset, "path": _path}
        return asks[chosen]()
    except LoupeError as error:
        st.error(in_words(error))
        return None


def _pasted() -> SurveyTexts | None:
    text = st.text_area(
        "Your text",
        key="heads pasted",
        height=160,
        max_chars=MOST_CHARACTERS,
        help=f"Up to {MOST_CHARACTERS:,} characters. It is kept with the survey, and deleted with it.",
        persist_state="session",
    )
    return pasted(text) if text else None


def _file() -> SurveyTexts | None:
    given = st.file_uploader(
        "Texts in UTF-8",
        [ending.removeprefix(".") for ending in ENDINGS],
        key="heads file",
        help=f"Up to {MOST_BYTES / 1e6:,.0f} MB: plain text, a JSON object on every line, a table with a header, or "
        "Parquet. It is kept with the survey, and deleted with it.",
    )
    if given is None:
        return None
    column = _column() if Path(given.name).suffix.lower() in TABLES else None
    return own_file(given.name, given.getvalue(), column)


def _dataset() -> SurveyTexts | None:
    name = st.text_input(
        "Dataset",
        key="heads dataset",
        placeholder="owner/name, or owner/name:configuration",
        persist_state="session",
    )
    split = st.text_input("Split", "train", key="heads split", persist_state="session")
    column = _column()
    name = (name or "").strip().removeprefix(HUB)
    if not name:
        return None
    return SurveyTexts(name, f"{HUB}{name}", None, column, (split or "").strip() or "train")


def _path() -> SurveyTexts | None:
    folders = ", ".join(str(one) for one in text_folders())
    path = st.text_input(
        "File or folder", key="heads path", help=f"Inside {folders}.", persist_state="session"
    )
    column = _column()
    path = (path or "").strip()
    return SurveyTexts(Path(path).name, path, None, column) if path else None


def _column() -> str | None:
    given = st.text_input(
        "Column",
        key="heads column",
        placeholder="text",
        help=HELP["column"],
        persist_state="session",
    )
    return (given or "").strip() or None
