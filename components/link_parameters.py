"""A dataclass as parameters of an address: short values as they are, long texts by their digest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, TypeVar

from viz.errors import StorageError
from viz.service import TextStore

Seen = TypeVar("Seen", bound=Any)

# Longer texts go into a link by their digest.
LONGEST_IN_URL = 1_500

BOOLEANS = {"0": False, "1": True, "false": False, "true": True}

# Ends the name of a parameter that holds the digest of a long text.
DIGEST = "_digest"

# Names that are unknown: so many are said one by one.
MOST_UNKNOWN = 5

# What parameters with a form of their own must be.
FORMS = {
    "stack": "the name of a stack, such as 'self'",
    "media": "the name of a picture or a sound that is kept here",
    "also": "up to seven heads as layer.head, such as '3.1,4.10'",
    "keep": "bounds of numbers, such as 'entropy:..1,layer:4..8'",
    "open": "names of views, such as 'effects,lens'",
    "rows": "a span, such as '0-40'",
    "columns": "a span, such as '0-40'",
    "heads": "'all', a layer such as '3', or heads as layer.head, such as '3.1,4.10'",
    "span": "a span of rows and one of columns, such as '120-340,0-512'",
    "run": "the name of a training, 24 digits and letters from a to f",
}


def boolean(text: str) -> bool:
    """Read a yes or a no.

    Raises:
        ValueError: it is neither.
    """
    if text.lower() not in BOOLEANS:
        raise ValueError(text)
    return BOOLEANS[text.lower()]


def write(query: dict[str, str], name: str, value: object, texts: TextStore, *, long: bool) -> None:
    """Add a parameter.

    Args:
        query: to add to.
        name: of the parameter.
        value: of a field.
        texts: keeps long ones.
        long: whether it is a text of any length.

    Raises:
        StorageError: a long text cannot be kept.
    """
    if long and isinstance(value, str) and len(value) > LONGEST_IN_URL:
        query[name + DIGEST] = texts.put(value)
    else:
        query[name] = str(int(value)) if isinstance(value, bool) else str(value)


def read(
    start: Seen,
    query: Mapping[str, str],
    texts: TextStore,
    one: Callable[[str, str, type], object],
    allowed: Callable[[str, type], str],
    *,
    long: Collection[str],
    prefix: str = "",
) -> tuple[Seen, list[str]]:
    """Read what parameters say of the fields of a dataclass; others are left alone.

    Args:
        start: what is usual.
        query: the parameters.
        texts: keeps long ones.
        one: reads a field of a name and a type, or raises ValueError.
        allowed: says what a field of a name and a type must be.
        long: fields whose text may stand by its digest.
        prefix: of the parameters' names.

    Returns:
        What they say, and a sentence for each that could not be used.
    """
    problems: list[str] = []
    for field in fields(start):
        name, usual = prefix + field.name, getattr(start, field.name)
        digest = query.get(name + DIGEST, "") if field.name in long else ""
        if not digest and name not in query:
            continue
        try:
            value = texts.get(digest) if digest else one(field.name, query[name], type(usual))
        except StorageError as error:
            problems.append(str(error))
        except ValueError:
            problems.append(
                f"The link's {name} {query[name][:40]!r} is not valid: it must be "
                f"{allowed(field.name, type(usual))}, so {_said(field.name, usual)} is shown."
            )
        else:
            start = replace(start, **{field.name: value})
    return start, problems


def known_names(fields_of: Iterable[str], long: Collection[str]) -> list[str]:
    """Return the parameters that fields are written as; a long text may stand by its digest."""
    return [part for name in fields_of for part in (name, name + DIGEST)[: 1 + (name in long)]]


def unknown(query: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Say which parameters of a link the page does not know, each with the one that may be meant.

    Args:
        query: the parameters.
        known: names of those that the page knows.
    """
    strange = [name for name in query if name not in known]
    said = []
    for name in strange[:MOST_UNKNOWN]:
        near = get_close_matches(name.lower(), [*known], 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        said.append(
            f"The link's parameter {name[:40]!r} is not known here, so it is left out.{meant}"
        )
    more = len(strange) - MOST_UNKNOWN
    if more > 0:
        said.append(f"{more} more of the link's parameters are not known here.")
    return said


def allowed_words(
    name: str,
    kind: type,
    *,
    choices: Sequence[str] = (),
    least: float | None = None,
    most: float | None = None,
) -> str:
    """Say what a parameter must be, as what follows "it must be".

    Args:
        name: of the field.
        kind: its type.
        choices: the only values, where there are such.
        least: of a number.
        most: of a number.
    """
    if choices:
        *first, last = map(repr, choices)
        return f"{', '.join(first)} or {last}" if first else last
    if name in FORMS:
        return FORMS[name]
    if kind is bool:
        return "0 or 1"
    what = "a whole number" if kind is int else "a number" if kind is float else "a text"
    if least is None:
        return what
    return f"{what} of at least {least:g}" if most is None else f"{what} from {least:g} to {most:g}"


# What is shown where nothing is asked for, by the field that says nothing.
NOTHING = {
    **{"rows": "all of it", "columns": "all of it", "span": "all of it", "keep": "every head"},
    "stack": "the main one",
}


def _said(name: str, usual: object) -> str:
    """Write a usual value as a person reads it."""
    if usual == "" and name in NOTHING:
        return NOTHING[name]
    if isinstance(usual, bool):
        return "on" if usual else "off"
    if usual in ("", -1):
        return "none"
    return repr(usual)
