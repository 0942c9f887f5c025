"""Ways of looking at the selected heads that are drawn once somebody opens them, each an expander on Explore.

A new one is a file that adds a `HeadView` here, and its name in the line of `components/panels/views_panel.py` (or, in
another package, an entry point of the group `attention_loupe`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viz.registry import Registry
from viz.service import Analysis


@dataclass(frozen=True, slots=True)
class HeadView:
    """A way of looking at the selected heads.

    Attributes:
        name: of the view.
        title: of its expander.
        draw: draws it, of what is on screen; `components.explore_session.view()` says which heads are selected.
        fits: whether it means anything for what is on screen.
    """

    name: str
    title: str
    draw: Callable[[Analysis], None]
    fits: Callable[[Analysis], bool] = lambda _analysis: True


HEAD_VIEWS: Registry[HeadView] = Registry("view")
