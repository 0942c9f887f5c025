"""The text around an example, with the token that looks and the one that it looks at."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

# Characters around both tokens, and how many between them are shown from either end.
AROUND, BETWEEN = 90, 110

# Where the text is cut between words, as far as a word may reach.
SPACE, LONGEST_WORD = re.compile(r"\s+"), 20

# Keeps a line where the text has several.
BREAK = " ⏎ "


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token stands.

    Attributes:
        label: of the token.
        start: its first character, -1 where it stands outside the text.
        stop: its last character + 1; `start` where it stands for no text.
    """

    label: str
    start: int
    stop: int


def example_html(text: str, query: Place, key: Place, weight: float) -> str:
    """Write the text around an example: the query outlined, the key filled, and a line along the text from one to the other.

    Every character of the text is escaped; what is returned holds no markup but its own.

    Args:
        text: of the window.
        query: the token that looks.
        key: the token that it looks at.
        weight: of the edge, by which the line is drawn thicker.
    """
    if query.start < 0 or key.start < 0:
        return _apart(text, query, key)
    if query.start == key.start and query.stop == key.stop and query.label == key.label:
        around = _mark("loupe-query loupe-key", text, key)
        return _line(_before(text, key.start), around, _after(text, key.stop))
    first, last = sorted((query, key), key=lambda one: (one.start, one.stop))
    marks = [
        _mark("loupe-query" if one is query else "loupe-key", text, one) for one in (first, last)
    ]
    between = text[first.stop : max(first.stop, last.start)]
    if len(between) > 2 * BETWEEN:
        between = f"{between[:BETWEEN]} … {between[-BETWEEN:]}"
    inside = f"{marks[0]}{_edge(between, weight)}{marks[1]}"
    return _line(_before(text, first.start), inside, _after(text, last.stop))


def _apart(text: str, query: Place, key: Place) -> str:
    """Write an example one end of which stands in another text than the one that is read."""
    outside = [one for one in (query, key) if one.start < 0]
    named = " ".join(
        _mark("loupe-query" if one is query else "loupe-key", text, one) for one in outside
    )
    inside = next((one for one in (key, query) if one.start >= 0), None)
    if inside is None:
        return _line("", named, "")
    mark = _mark("loupe-query" if inside is query else "loupe-key", text, inside)
    start, stop = _before(text, inside.start), _after(text, inside.stop)
    return _line("", f"{named} · {start}{mark}{stop}", "")


def _line(before: str, inside: str, after: str) -> str:
    return f'<div dir="auto" class="loupe-example">{before}{inside}{after}</div>'


def _edge(between: str, weight: float) -> str:
    """Draw a line along what lies between both tokens; between neighbours it would be a speck."""
    if not between.strip():
        return _escaped(between)
    width = 1 + 3 * min(1.0, max(0.0, weight))
    return f'<span class="loupe-edge" style="border-bottom-width:{width:.1f}px">{_escaped(between)}</span>'


def _before(text: str, place: int) -> str:
    start = max(0, place - AROUND)
    if start:
        # From a word's beginning, where one begins soon.
        found = SPACE.search(text, start, min(place, start + LONGEST_WORD))
        start = found.end() if found else start
    return _escaped(("… " if start else "") + text[start:place])


def _after(text: str, place: int) -> str:
    stop = min(len(text), place + AROUND)
    if stop < len(text):
        found = [*SPACE.finditer(text, max(place, stop - LONGEST_WORD), stop)]
        stop = found[-1].start() if found else stop
    return _escaped(text[place:stop] + ("\N{NO-BREAK SPACE}…" if stop < len(text) else ""))


def _mark(kind: str, text: str, place: Place) -> str:
    told = text[place.start : place.stop] if place.start >= 0 else ""
    bare = told.strip()
    if not bare:
        # It stands for no text, or for a space or a line break, of which its label says which.
        return f'<span class="{kind}">{_escaped(place.label)}</span>'
    left, right = told[: told.index(bare)], told[told.index(bare) + len(bare) :]
    return f'{_escaped(left)}<span class="{kind}">{_escaped(bare)}</span>{_escaped(right)}'


def _escaped(text: str) -> str:
    return html.escape(text.replace("\r\n", "\n").replace("\n", BREAK))
