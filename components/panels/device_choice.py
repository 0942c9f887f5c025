"""What a model runs on, and what it computes in: the same two fields wherever a model is chosen."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.explore_session import workbench
from viz.models.device import DTYPES


def devices() -> list[str]:
    """List what a model may be asked to run on."""
    return workbench().devices()


def dtypes() -> list[str]:
    """List what a model may be asked to compute in."""
    return ["auto", *DTYPES]


def device_field(**how: Any) -> str:
    """Ask what the model runs on; options as those of `st.selectbox`."""
    chosen: str = st.selectbox(
        "Device",
        devices(),
        help="What the model runs on; auto takes an accelerator where there is one, spread takes all of them, then "
        "memory, then disk, for a model that none holds alone.",
        **how,
    )
    return chosen


def dtype_field(**how: Any) -> str:
    """Ask what the model computes in; options as those of `st.selectbox`."""
    chosen: str = st.selectbox(
        "Number type",
        dtypes(),
        help="What the model computes in; auto suits the device. The half types take half the memory and round more.",
        **how,
    )
    return chosen
