"""The tables of a survey as files."""

from __future__ import annotations

from functools import partial

import streamlit as st

from components.panels.heads.survey_tables import Shown


def files_panel(shown: Shown) -> None:
    """Offer every table as CSV."""
    with st.popover("Download", help="Every table of this survey, as CSV"):
        for name, row in shown.survey.tables.items():
            st.download_button(
                f"{name}.csv",
                partial(_csv, shown, name),
                f"{name}.csv",
                "text/csv",
                key=f"heads file {name}",
                help=f"A row is {row}.",
                on_click="ignore",
                width="stretch",
            )


def _csv(shown: Shown, name: str) -> bytes:
    return shown.survey.table(name).to_csv(index=False).encode("utf-8", "replace")
