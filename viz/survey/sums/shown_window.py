"""A window that examples are in: its text, and where their tokens stand in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from viz.capture.trace import Trace
from viz.inputs.units import Units
from viz.survey.texts.windows import Window

# Of a token that stands in no place of the window's text, such as what an encoder-decoder writes.
OUTSIDE = -1


class TokenEnd(NamedTuple):
    """One end of an example: a query or a key of a stack."""

    stack: str
    end: str
    number: int


class TokenPlace(NamedTuple):
    """A token as it is shown, and its first and last character + 1; the same one where it stands for no text."""

    label: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """A window, and where the tokens of its examples stand; of no others, because texts are many."""

    window: Window
    places: dict[TokenEnd, TokenPlace]

    def only(self, wanted: set[TokenEnd]) -> ShownWindow:
        """Let go of the places of other tokens."""
        return replace(self, places={end: one for end, one in self.places.items() if end in wanted})

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        window = self.window
        return {
            "window": [window.number, window.text, window.source, window.start, window.tokens],
            "places": [[*end, *place] for end, place in self.places.items()],
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> ShownWindow:
        """Read back what `to_json` wrote."""
        places = {TokenEnd(*one[:3]): TokenPlace(*one[3:]) for one in told["places"]}
        return cls(Window(*told["window"]), places)


def shown_window(window: Window, trace: Trace, ends: Iterable[TokenEnd]) -> ShownWindow:
    """Note where some tokens of a pass over a window stand."""
    places = {}
    for one in ends:
        stack = trace.stacks[one.stack]
        units = stack.queries if one.end == "query" else stack.keys
        in_text = units is trace.units or units == trace.units
        places[one] = _place(units, one.number, in_text=in_text)
    return ShownWindow(window, places)


def _place(units: Units, at: int, *, in_text: bool) -> TokenPlace:
    label = units.labels[at]
    if not in_text:
        return TokenPlace(label, OUTSIDE, OUTSIDE)
    span = units.spans[at]
    if span is None:
        # What stands for no text stands where the text before it ends.
        before = next((one[1] for one in reversed(units.spans[:at]) if one is not None), 0)
        span = before, before
    return TokenPlace(label, *span)
