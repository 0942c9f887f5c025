"""Matrices that people type or paste, read with one clear sentence where something is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from viz.errors import ShapeError

# A matrix larger than this is no longer read cell by cell.
MOST_ROWS, MOST_COLUMNS = 10, 12

# Larger numbers say nothing that smaller ones do not, and their products run over.
LARGEST = 1e6

# Rows end at line breaks, semicolons, and where a list closes before the next opens.
ROW_END = re.compile(r"[\n;]|\]\s*,?\s*(?=\[)")
CELL_END = re.compile(r"[\s,|\t]+")

# A comma between two marks, and blanks between others: the comma may part numbers or stand in one.
GLUED, APART = re.compile(r"[^\s,|],[^\s,|]"), re.compile(r"[^\s|][\s|]+[^\s|]")

# What pages and word processors write for a minus: the sign itself, dashes, small and wide hyphens.
MINUS = dict.fromkeys(map(ord, "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d"), "-")

# As numbers are written; `float` alone would read 1_5 as 15.
WRITTEN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_matrix(name: str, text: str) -> Tensor:
    """Read a matrix: a row a line, numbers with spaces or commas; nested lists are read too.

    Args:
        name: what it is called in messages.
        text: as pasted.

    Returns:
        Shape [row, column], float64.

    Raises:
        ShapeError: it is empty, uneven or too large, holds what is no finite number, or a comma of
            which nobody can tell whether it is a decimal one.
    """
    lines = [
        line.translate(str.maketrans("", "", "[]()")).strip(" ,\t") for line in ROW_END.split(text)
    ]
    for line in lines:
        if GLUED.search(line) and APART.search(line):
            raise ShapeError(
                f"In {line!r:.40} of {name} a comma may part two numbers or stand inside one.",
                "Write decimals with a point, as 1.5, and part numbers by blanks.",
            )
    return matrix_of(
        name, [[cell for cell in CELL_END.split(line) if cell] for line in lines if line]
    )


def matrix_of(name: str, rows: Sequence[Sequence[object]]) -> Tensor:
    """Make a matrix of rows of cells, each a number or what somebody took for one.

    Raises:
        ShapeError: it is empty, uneven or too large, or holds what is no finite number.
    """
    if not rows or not rows[0]:
        raise ShapeError(f"{name} is empty.", "Give it a row with a number at least.")
    widths = sorted({len(row) for row in rows})
    if len(widths) > 1:
        raise ShapeError(
            f"{name} has rows of {widths[0]} and of {widths[-1]} numbers.",
            "Give all rows as many.",
        )
    if len(rows) > MOST_ROWS or widths[0] > MOST_COLUMNS:
        raise ShapeError(
            f"{name} has {len(rows)} rows and {widths[0]} columns.",
            f"Give {MOST_ROWS} rows and {MOST_COLUMNS} columns at most, so that each cell can be read.",
        )
    numbers = [
        [_number(name, cell, row, column) for column, cell in enumerate(cells, 1)]
        for row, cells in enumerate(rows, 1)
    ]
    return torch.tensor(numbers, dtype=torch.float64)


def _number(name: str, cell: object, row: int, column: int) -> float:
    where = f"row {row}, column {column} of {name}"
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        raise ShapeError(f"There is no number in {where}.", "Type one; 0 is a number too.")
    if isinstance(cell, str):
        written = cell.strip().translate(MINUS)
        if WRITTEN.fullmatch(written) is None:
            point = written.replace(",", ".") if DECIMAL_COMMA.fullmatch(written) else ""
            raise ShapeError(
                f"{cell!r:.40} in {where} is not a number.",
                f"Write it with a point, as {point:.20}." if point else "Type one, as 0.5.",
            )
        number = float(written)
    elif isinstance(cell, (int, float)):
        number = float(cell)
    else:
        raise ShapeError(f"{cell!r:.40} in {where} is not a number.", "Type one, as 0.5.")
    if math.isnan(number):
        raise ShapeError(f"There is no number in {where}.", "Type one; 0 is a number too.")
    if abs(number) > LARGEST:
        raise ShapeError(
            f"{number:g} in {where} is too large.", f"Keep numbers within {LARGEST:,.0f}."
        )
    return number


def written(number: float) -> str:
    """Write a number as somebody would type it: 2 and not 2.0, and read as the same again."""
    return repr(float(number) + 0.0).removesuffix(".0")
