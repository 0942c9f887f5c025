"""Rows of the files that a corpus is made of: plain text, JSON by the line, CSV and Parquet."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from viz.errors import InputError, TextError
from viz.models.argument_checks import kind_of_value
from viz.survey.texts.corpus_decoding import LONGEST_TEXT, blocks, lines, parts, unreadable

# The column that is read where none is named.
USUAL_COLUMN = "text"

# How many columns a message lists.
LISTED = 20

DELIMITERS = ",;\t"

# Rows of a Parquet file that are held at a time, and what is read of it at once.
BATCH_ROWS = 32
BUFFER_BYTES = 1 << 20


class Row(NamedTuple):
    """One row: where it stands, for its user to find, and its text; None where there is none."""

    place: str
    text: str | None


def rows_of(path: Path, name: str, column: str | None) -> Iterator[Row]:
    """Read the texts of a file one by one, whatever its kind.

    Args:
        path: of the file; its ending tells its kind.
        name: as its user knows it.
        column: that holds the texts; `text` if None, or the only one of strings.

    Raises:
        StorageError: it cannot be read.
        TextError: it is damaged, no text, or a row is too long.
        InputError: it has no such column.
    """
    return KINDS[path.suffix.lower()](path, name, column)


def holds_text(path: Path, name: str, column: str | None) -> bool:
    """Look into a file until the first text that is not blank, so that what is wrong with it is said at once.

    Raises:
        LoupeError: see `rows_of`.
    """
    if path.suffix.lower() == ".txt" and column is None:
        return any(block.strip() for block in blocks(path, name))
    return any(row.text and row.text.strip() for row in rows_of(path, name, column))


def choose_column(columns: Mapping[str, bool], column: str | None, name: str) -> str:
    """Choose the column to read.

    Args:
        columns: by their names, whether each holds strings.
        column: that was asked for; `text` if None, or the only one of strings.
        name: of what has these columns.

    Raises:
        InputError: there is no such column, it holds no texts, or several could be meant.
    """
    listed = ", ".join(f"{one:.40}" for one in itertools.islice(columns, LISTED))
    listed += ", ..." if len(columns) > LISTED else ""
    strings = [one for one, holds_strings in columns.items() if holds_strings]
    if column is None:
        usual = [USUAL_COLUMN] if columns.get(USUAL_COLUMN) else strings
        if len(usual) == 1:
            return usual[0]
        raise InputError(
            f"{name} has several columns of text: {', '.join(one[:40] for one in strings[:LISTED])}."
            if strings
            else f"None of the columns of {name} holds text; they are {listed or 'none'}.",
            "Name the column to read (--column)." if strings else "Choose another file.",
        )
    if column not in columns:
        raise InputError(
            f"{name} has no column {column!r:.60}; its columns are {listed or 'none'}.",
            "Name one of these (--column).",
        )
    if not columns[column]:
        raise InputError(
            f"The column {column!r:.60} of {name} holds no text.",
            f"Name one of {', '.join(strings[:LISTED])}." if strings else "Choose another file.",
        )
    return column


def text_of_value(value: object, place: str) -> str | None:
    """Return the text that a row holds, or None.

    Raises:
        TextError: it holds something else.
    """
    if value is None or isinstance(value, str):
        return value
    raise TextError(f"{place} holds {kind_of_value(value)}, no text.", "Choose another column.")


def columns_of_row(row: Mapping[str, Any]) -> dict[str, bool]:
    """Tell of a first row which of its columns may hold strings."""
    return {name: value is None or isinstance(value, str) for name, value in row.items()}


def _text_rows(path: Path, name: str, column: str | None) -> Iterator[Row]:
    """Read one long text in parts, named by the line that they begin in; the first by its file."""
    if column is not None:
        raise InputError(f"{name} is plain text and has no columns.", "Leave the column empty.")
    for line, part in parts(path, name):
        yield Row(name if line == 1 else f"{name}:{line}", part)


def _json_rows(path: Path, name: str, column: str | None) -> Iterator[Row]:
    """Read a JSON object, or a bare string, from every line that is not blank."""
    chosen: str | None = None
    for number, line in enumerate(lines(path, name), 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TextError(
                f"Line {number:,} of {name} is no JSON: {getattr(error, 'msg', '') or _reason(error)}.",
                "Put one JSON object on every line, or repair this one.",
            ) from error
        if isinstance(value, dict):
            chosen = chosen or choose_column(columns_of_row(value), column, name)
            yield Row(place, text_of_value(value.get(chosen), place))
        elif column is None and (value is None or isinstance(value, str)):
            yield Row(place, value)
        else:
            wanted = "a string or an object" if column is None else "an object"
            raise TextError(
                f"Line {number:,} of {name} holds {kind_of_value(value)}, not {wanted}.",
                "Put one JSON object on every line.",
            )


def _csv_rows(path: Path, name: str, column: str | None) -> Iterator[Row]:
    """Read the rows under a header, split at what stands most often in it of comma, semicolon and tab."""
    first = next((line for line in lines(path, name) if line.strip()), "")
    feed = _CsvLines(path, name)
    # Python keeps one limit for all; ours is kept by the feed.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * LONGEST_TEXT))
    reader = csv.reader(feed, delimiter=max(DELIMITERS, key=first.count), strict=True)
    header: list[str] | None = None
    try:
        for fields in reader:
            begins = feed.begin_row()
            if not fields:
                continue
            if header is None:
                header = fields
                at = header.index(choose_column(dict.fromkeys(header, True), column, name))
            elif len(fields) == len(header):
                yield Row(f"{name}:{begins}", fields[at])
            else:
                raise TextError(
                    f"Line {begins:,} of {name} has {len(fields):,} fields; its header has {len(header):,}.",
                    "Put texts that hold separators into quotation marks.",
                )
    except csv.Error as error:
        raise TextError(
            f"The row in line {feed.row:,} of {name} is no CSV: {_reason(error)}.",
            "Close every quotation mark, and double those within a text.",
        ) from error


class _CsvLines:
    """Lines for a reader of CSV, which a quotation mark that is never closed does not fill the memory with.

    Attributes:
        row: the line that the row began in that is being read, from 1.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._lines = lines(path, name)
        self._name = name
        self._number = 0
        self._characters = 0
        self.row = 1

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._number += 1
        self._characters += len(line) + 1
        if self._characters > LONGEST_TEXT:
            raise TextError(
                f"The row in line {self.row:,} of {self._name} goes on for more than {LONGEST_TEXT:,} characters.",
                "Close every quotation mark, or cut the text into several rows.",
            )
        return f"{line}\n"

    def begin_row(self) -> int:
        """Count from here; return the line that the row before began in."""
        began, self.row, self._characters = self.row, self._number + 1, 0
        return began


def _parquet_rows(path: Path, name: str, column: str | None) -> Iterator[Row]:
    """Read one column, a few rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES) as file:
            columns = {field.name: _is_text(field.type) for field in file.schema_arrow}
            chosen = choose_column(columns, column, name)
            number = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[chosen]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    yield Row(f"{name}:{number}", value)
    except (PermissionError, FileNotFoundError) as error:
        raise unreadable(name, error) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TextError(
            f"{name} could not be read as Parquet: {_reason(error)}.", "Write or fetch it again."
        ) from error


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _reason(error: Exception) -> str:
    """Return the first line of what a library said, short and without its full stop."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return said[:200].rstrip(".")


# What reads a file of each ending.
KINDS: dict[str, Callable[[Path, str, str | None], Iterator[Row]]] = {
    ".txt": _text_rows,
    ".jsonl": _json_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}
