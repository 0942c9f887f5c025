"""Rows of a dataset on Hugging Face, streamed; neither code nor files of this machine are read for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from viz.errors import InputError, LoupeError, StorageError
from viz.models.hub import PATIENCE
from viz.survey.texts.corpus_files import Row, choose_column, columns_of_row, text_of_value

# owner/name, or a name alone where Hugging Face knows whose it is; then a configuration.
NAME = re.compile(r"[A-Za-z0-9][\w.\-]*(/[\w.\-]+)?(:[\w.\- ]+)?")

REMOTE = "hf://datasets/"

# What the library says there is to choose from.
CHOICES = re.compile(r"[Aa]vailable[^\[]*\[([^\]]*)\]")

# How many choices a message lists.
LISTED = 20


def hub_rows(source: str, split: str, column: str | None) -> Iterator[Row]:
    """Stream the texts of a dataset.

    Args:
        source: its name, `owner/name` or `owner/name:configuration`.
        split: part of it to read.
        column: that holds the texts; see `choose_column`.

    Raises:
        StorageError: there is none of that name, it may not be read, or cannot be reached.
        InputError: it has no such configuration, split or column, or several and none was named.
    """
    try:
        yield from rows_of_dataset(_stream(source, split), source, column)
    except LoupeError:
        raise
    except Exception as error:  # whatever the libraries between here and the hub raise
        raise explain(error, source) from error


def rows_of_dataset(
    dataset: Iterable[Mapping[str, Any]], name: str, column: str | None
) -> Iterator[Row]:
    """Read the texts of a streamed dataset, named by their row, from 1.

    Raises:
        InputError: it has no such column.
        TextError: a row holds something else than a text.
    """
    chosen: str | None = None
    for number, row in enumerate(dataset, 1):
        chosen = chosen or choose_column(columns_of_row(row), column, name)
        place = f"{name}:{number}"
        yield Row(place, text_of_value(row.get(chosen), place))


def require_remote(files: Iterable[str], name: str) -> None:
    """Make sure that a dataset names no files but those on Hugging Face: it could name any of this machine's.

    Raises:
        StorageError: it does.
    """
    for file in files:
        if not file.rpartition("::")[2].startswith(REMOTE):
            raise StorageError(
                f"{name} names a file outside Hugging Face: {file:.80}.", "Choose another dataset."
            )


def _stream(source: str, split: str) -> Iterable[Mapping[str, Any]]:
    # Takes a second to import, which only those wait for who read a dataset.
    from datasets import disable_progress_bars, load_dataset_builder

    disable_progress_bars()
    name, _, configuration = source.partition(":")
    # Asked first, because it answers at once where the hub cannot be reached.
    found = HfApi().dataset_info(name, timeout=PATIENCE)
    if "/" not in found.id:
        # The library would take some names without an owner, such as csv, for files of this machine.
        raise _missing(name)
    builder = load_dataset_builder(REMOTE + found.id, configuration or None)
    require_remote(
        (file for files in (builder.config.data_files or {}).values() for file in files), name
    )
    dataset: Any = builder.as_streaming_dataset(split=split)
    # Where it holds pictures or sounds, nobody looks at them here.
    return dataset.decode(False) if dataset.features else dataset  # type: ignore[no-any-return]


def _missing(name: str) -> StorageError:
    return StorageError(
        f"There is no file or folder {name}, and Hugging Face has no dataset of that name, or it is private.",
        "Check the spelling; for a private dataset set HF_TOKEN.",
    )


def explain(error: Exception, source: str) -> LoupeError:
    """Turn what a library raised for a dataset into an error of ours."""
    name, _, configuration = source.partition(":")
    said = str(error)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, GatedRepoError) or "gated dataset" in said:
        return StorageError(
            f"{name} is gated on Hugging Face.",
            "Accept its terms there and set HF_TOKEN, or choose another dataset.",
        )
    if (
        isinstance(error, (RepositoryNotFoundError, HFValidationError))
        or "DatasetNotFoundError" in kinds
    ):
        return _missing(name)
    if isinstance(error, OfflineModeIsEnabled) or kinds & {"TransportError", "ConnectionError"}:
        return StorageError(
            f"{name} is no file or folder on this machine, and Hugging Face cannot be reached.",
            "Check the name, or connect to the network.",
        )
    listed = CHOICES.search(said)
    choices = ", ".join(re.findall(r"'([^']*)'", listed[1] if listed else "")[:LISTED])
    if "Config name is missing" in said:
        return InputError(
            f"{name} has several configurations: {choices}.", f"Name one, as in {name}:name."
        )
    if "BuilderConfig" in said and "not found" in said:
        return InputError(
            f"{name} has no configuration {configuration!r}.", f"Choose one of {choices}."
        )
    if "Bad split" in said:
        return InputError(f"{name} has no such split.", f"Choose one of {choices}.")
    if "scripts are no longer supported" in said:
        return StorageError(
            f"{name} is made by code of its own, which is never run here.",
            "Choose a dataset of files.",
        )
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{name} holds no files of texts or tables.", "Choose another dataset.")
    reason = (said.strip().splitlines() or [type(error).__name__])[0]
    return StorageError(
        f"{name} could not be read: {reason[:200].rstrip('.')}.", "Try again later."
    )
