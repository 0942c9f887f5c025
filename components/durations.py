"""Times as a person says them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Say a time in the unit that suits it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
