"""How charts behave that are looked at and clicked, and not edited."""

from __future__ import annotations

PLOTLY = {"displayModeBar": False, "showTips": False}
