"""How a text lies on the page: where its words start and its lines break."""

from __future__ import annotations

from typing import Any

from viz.models import Units


def text_layout(units: Units) -> dict[str, list[Any]]:
    """Lay a text out for a browser.

    Args:
        units: what an axis counts.

    Returns:
        Lists of one entry a unit: `labels`, whether it is `special`, whether it `starts` a word, and
        whether a line `breaks` after it.
    """
    before = (None, *units.words[:-1])
    return {
        "labels": list(units.labels),
        "special": list(units.special),
        "starts": [word != last for word, last in zip(units.words, before, strict=True)],
        "breaks": ["\n" in text for text in units.texts],
    }
