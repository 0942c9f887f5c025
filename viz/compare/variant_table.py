"""Variants from a table: a CSV with a column of texts, or with one for each slot of a template."""

from __future__ import annotations

import csv
import io

from viz.compare.minimal_pairs import Variant, Variants, collected, require_few, shortened, title_of
from viz.compare.text_template import Template, read_template
from viz.errors import StorageError, TextError
from viz.inputs.units import counted

MOST_BYTES = 1_000_000

DELIMITERS = ",;\t|"

# The unit separator, which no table has.
NO_DELIMITER = "\x1f"

# The column of whole texts, and that of titles, which need not be there.
TEXT, TITLE = "text", "title"

Rows = list[tuple[int, dict[str, str]]]


def from_csv(content: bytes, template: str | None = None) -> Variants:
    """Read variants from a CSV.

    With a template its columns are named by the slots, each by its first choice: of "The {animal} slept" it
    is `animal`; each slot has a column, and each column is a slot's. Without one, or where no column is a
    slot's, the column `text` has whole texts, and the template's base or else the first of them is the
    base. A column `title` names them.

    Args:
        content: of the file, UTF-8 with or without a byte order mark; its delimiter is found out.
        template: whose slots the columns fill.

    Raises:
        StorageError: the file is too large, or no table of text.
        TextError: it has no such column or one too many, no row or too many, or a text is empty.
    """
    names, rows = _read(content)
    read = read_template(template) if template and template.strip() else None
    # Without a template one of the rows is the base.
    require_few(len(rows) + (read is not None))
    if read and any(slot[0] in names for slot in read.slots):
        _require_slots(read, names)
        variants = [_filled(read, row, line) for line, row in rows]
        return collected(read.base, variants)
    if TEXT not in names:
        wanted = " or ".join(repr(slot[0]) for slot in read.slots) if read else ""
        raise TextError(
            f"The CSV has no column {TEXT!r}{f' nor {wanted}' if wanted else ''}; "
            f"it has {_quoted(names)}.",
            "Name its columns in its first line.",
        )
    base = read.base if read else rows[0][1][TEXT]
    given = rows if read else rows[1:]
    return collected(
        base, (Variant(_title(row) or title_of(base, row[TEXT]), row[TEXT]) for _, row in given)
    )


def _filled(template: Template, row: dict[str, str], line: int) -> Variant:
    made = template.named(row)
    title = _title(row) or (made.title if made.title != "base" else f"line {line}")
    return Variant(title, made.text)


def _require_slots(template: Template, names: list[str]) -> None:
    """Make sure that slots and columns are the same, so that nothing in a table is ignored."""
    slots = list(dict.fromkeys(slot[0] for slot in template.slots))
    without = next((slot for slot in slots if slot not in names), None)
    if without is not None:
        raise TextError(
            f"The template's slot {without[:40]!r} has no column in the CSV; it has {_quoted(names)}.",
            "Name a column by it, or write the text without a slot there.",
        )
    beside = next((name for name in names if name and name not in (*slots, TITLE)), None)
    if beside is not None:
        raise TextError(
            f"The CSV's column {beside[:40]!r} is no slot of the template, which has {_quoted(slots)}.",
            "Take the column out, or write a slot of that name into the template.",
        )


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:8])


def _title(row: dict[str, str]) -> str:
    return shortened(row.get(TITLE, "").strip())


def _read(content: bytes) -> tuple[list[str], Rows]:
    """Read the names of the columns, and each row with the line that it ends on."""
    if len(content) > MOST_BYTES:
        raise StorageError(
            f"The CSV has {len(content):,} bytes; {MOST_BYTES:,} are read.", "Shorten it."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StorageError(
            f"The file is no text in UTF-8: byte {error.start} does not belong there.",
            "Save it as CSV UTF-8.",
        ) from error
    if "\0" in text:
        raise StorageError("The file is no text: it has a zero byte.", "Save it as CSV UTF-8.")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        table = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise StorageError(
            f"The CSV cannot be read at line {lines.line_num}: {error}.",
            "Put a text with quotes, delimiters or line ends in double quotes, and double its own.",
        ) from error
    if len(table) < 2:
        raise TextError(
            "The CSV has no row below the names of its columns.",
            f"Name the column {TEXT!r} in the first line, and put a text in each line below.",
        )
    names = [name.strip() for name in table[0][1]]
    names = [name.casefold() if name.casefold() in (TEXT, TITLE) else name for name in names]
    _require_once(names)
    return names, [(line, _row(names, row, line)) for line, row in table[1:]]


def _row(names: list[str], row: list[str], line: int) -> dict[str, str]:
    if len(row) != len(names):
        raise TextError(
            f"The row that ends at line {line} of the CSV has {counted(len(row), 'cell')}, and there are "
            f"{len(names)} columns.",
            "Put a text with a delimiter in it in double quotes.",
        )
    return dict(zip(names, row, strict=True))


def _require_once(names: list[str]) -> None:
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise TextError(f"The CSV has two columns {twice[:40]!r}.", "Name each by itself.")


def _delimiter(text: str) -> str:
    """Find the delimiter in the line of names; texts have commas of their own.

    A table of one column needs none, and its texts may have commas without being quoted.
    """
    header = next((line for line in text.splitlines() if line.strip()), "")
    found = max(DELIMITERS, key=header.count)
    return found if found in header else NO_DELIMITER
