"""A dataclass as parameters of an address: short values as they are, long texts by their digest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from viz.errors import StorageError
from viz.service import TextStore

Seen = TypeVar("Seen", bound=Any)

# Longer texts go into a link by their digest.
LONGEST_IN_URL = 1_500

BOOLEANS = {"0": False, "1": True, "false": False, "true": True}


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
        query[f"{name}_digest"] = texts.put(value)
    else:
        query[name] = str(int(value)) if isinstance(value, bool) else str(value)


def read(
    start: Seen,
    query: Mapping[str, str],
    texts: TextStore,
    one: Callable[[str, str, type], object],
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
        long: fields whose text may stand by its digest.
        prefix: of the parameters' names.

    Returns:
        What they say, and a sentence for each that could not be used.
    """
    problems: list[str] = []
    for field in fields(start):
        name, usual = prefix + field.name, getattr(start, field.name)
        digest = query.get(f"{name}_digest", "") if field.name in long else ""
        if not digest and name not in query:
            continue
        try:
            value = texts.get(digest) if digest else one(field.name, query[name], type(usual))
        except StorageError as error:
            problems.append(str(error))
        except ValueError:
            problems.append(
                f"The link's {name} {query[name][:40]!r} is not possible, so {_said(field.name, usual)} is shown."
            )
        else:
            start = replace(start, **{field.name: value})
    return start, problems


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
