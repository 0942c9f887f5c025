"""What somebody works on in *Step by step*, as one value: written to the URL, and read back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from torch import Tensor

from components.link_parameters import LONGEST_IN_URL
from viz.analysis.matrix_input import read_matrix, written
from viz.analysis.worked_example import MOST_HEADS, textbook_lesson
from viz.errors import LoupeError, StorageError
from viz.service import TextStore

SAMPLE = "the cat sat on the mat"
NAMES = ("X", "W_Q", "W_K", "W_V")

# Neither is written as %.. in an address, so that links stay short: ends of a row and of a matrix.
ROW, MATRIX = "~", "_"

# What can be left out; the temperature is a number of its own.
LEFT_OUT = ("positions", "projections", "scaled", "masked", "several", "output")
TEMPERATURES = (0.1, 5.0)

LONG = {"text": "text_digest", "numbers": "numbers_digest"}

# What each must be.
ALLOWED = {
    "source": "it must be 'text' or 'numbers'",
    "text": "it must be a text",
    "numbers": f"they must be four matrices, with {ROW!r} after a row and {MATRIX!r} after a matrix",
    "heads": f"they must be a whole number from 1 to {MOST_HEADS}",
    "broken": f"it must be some of {', '.join(LEFT_OUT)}, with commas between",
    "temperature": "it must be a number from {:g} to {:g}".format(*TEMPERATURES),
    "head": f"it must be a whole number from 0 to {MOST_HEADS - 1}",
}


def numbers_text(matrices: Mapping[str, Tensor]) -> str:
    """Write X and the three matrices as one line, every number in full."""
    return MATRIX.join(
        ROW.join(" ".join(written(number) for number in row) for row in matrices[name].tolist())
        for name in NAMES
    )


def numbers_of(line: str) -> dict[str, Tensor]:
    """Read what `numbers_text` wrote.

    Raises:
        ValueError: there are not four matrices.
        LoupeError: one of them is none.
    """
    parts = zip(NAMES, line.split(MATRIX), strict=True)
    return {name: read_matrix(name, part.replace(ROW, "\n")) for name, part in parts}


def _textbook() -> str:
    lesson = textbook_lesson()
    given = (lesson.embeddings, lesson.query, lesson.key, lesson.value)
    return numbers_text(dict(zip(NAMES, given, strict=True)))


TEXTBOOK = _textbook()


@dataclass(frozen=True, slots=True)
class Work:
    """Everything of *Step by step* that a link reproduces, but for the open step.

    Attributes:
        source: whether a text or numbers are worked on.
        text: that of a text.
        numbers: those of numbers, as `numbers_text` writes them.
        heads: how many those have.
        broken: what is left out on purpose, of `LEFT_OUT`, with commas between.
        temperature: scores are divided by it.
        head: which one is shown.
    """

    source: Literal["text", "numbers"] = "text"
    text: str = SAMPLE
    numbers: str = TEXTBOOK
    heads: int = 1
    broken: str = ""
    temperature: float = 1.0
    head: int = 0


# What of an address is ours.
PARAMETERS = (*(field.name for field in fields(Work)), *LONG.values())


def to_query(work: Work, texts: TextStore) -> dict[str, str]:
    """Write what is unlike the usual as query parameters; what is long by digest.

    Raises:
        StorageError: something long cannot be kept.
    """
    usual = asdict(Work())
    query = {}
    for name, value in asdict(work).items():
        if value == usual[name]:
            continue
        if name in LONG and len(value) > LONGEST_IN_URL:
            query[LONG[name]] = texts.put(value)
        else:
            query[name] = f"{value:g}" if isinstance(value, float) else str(value)
    return query


def from_query(query: Mapping[str, str], texts: TextStore) -> tuple[Work, list[str]]:
    """Read query parameters; others than `PARAMETERS` are left alone.

    Returns:
        The work, and a sentence for each parameter that could not be used.
    """
    found: dict[str, Any] = {}
    problems: list[str] = []
    for name, usual in asdict(Work()).items():
        try:
            if digest := query.get(LONG.get(name, ""), ""):
                found[name] = _read(name, texts.get(digest))
            elif name in query:
                found[name] = _read(name, query[name])
        except StorageError as error:
            problems.append(str(error))
        except (ValueError, LoupeError):
            shown = "the textbook's" if name == "numbers" else repr(usual)
            is_are = "are" if name in ("numbers", "heads") else "is"
            problems.append(
                f"The link's {name} {query.get(name, '')[:40]!r} {is_are} not valid: {ALLOWED[name]}, "
                f"so {shown} {is_are} used."
            )
    return Work(**found), problems


def _read(name: str, text: str) -> str | int | float:
    """Read one parameter.

    Raises:
        ValueError: it is not valid.
        LoupeError: it holds numbers that are none.
    """
    if name == "source" and text not in ("text", "numbers"):
        raise ValueError(text)
    if name == "numbers":
        return numbers_text(numbers_of(text))
    if name == "broken":
        left = set(text.split(",")) - {""}
        if left - set(LEFT_OUT):
            raise ValueError(text)
        return ",".join(one for one in LEFT_OUT if one in left)
    if name == "temperature":
        return _inside(round(float(text), 1), *TEMPERATURES)
    if name == "heads":
        return int(_inside(int(text), 1, MOST_HEADS))
    if name == "head":
        return int(_inside(int(text), 0, MOST_HEADS - 1))
    return text


def _inside(number: float, least: float, most: float) -> float:
    if not least <= number <= most:
        raise ValueError(number)
    return number
