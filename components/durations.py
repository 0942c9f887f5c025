"""Times as a person says them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def duration(seconds: float) -> str:
    """Say a time in the unit that suits it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def begun_words(begun: float | None) -> str:
    """Say when something was begun, by the clock of whoever asks; empty where nobody noted it.

    Args:
        begun: in seconds since 1970.
    """
    if begun is None:
        return ""
    try:
        zone = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    at = datetime.fromtimestamp(begun, zone)
    return f"begun {at.day} {at:%b, %H:%M}"
