"""How a training was set up, in words."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from viz.training.bundled_data import TEXTS
from viz.training.tasks import TASKS
from viz.training.tasks.language import DEFAULT_TEXT
from viz.training.training_folder import About

POSITIONS = {
    "none": "none",
    "sinusoidal": "sinusoidal",
    "learned": "learned",
    "rotary": "rotary (RoPE)",
    "alibi": "ALiBi",
}


def model_words(layers: int, heads: int, width: int) -> str:
    """Say what a model is made of."""
    many = "1 layer" if layers == 1 else f"{layers} layers"
    each = "1 head" if heads == 1 else f"{heads} heads"
    return f"{many} of {each}, width {width}"


def settings_words(about: About) -> str:
    """Say all that a person may choose of a training."""
    made, trained = about.options, about.settings
    positions = (
        "no positions" if made.positions == "none" else f"{POSITIONS[made.positions]} positions"
    )
    text = f"; text: {text_title(about)}" if TASKS[about.task].takes_text else ""
    return (
        f"{model_words(made.layers, made.heads, made.d_model)}, {positions}; {trained.steps:,} steps at "
        f"learning rate {trained.learning_rate:g}, batch {trained.batch_size:,}, seed {trained.seed}, "
        f"checkpoints every {trained.keep_every:,}{text}"
    )


def text_title(about: About) -> str:
    """Say which text a training learns from."""
    return about.text_name or TEXTS[DEFAULT_TEXT]


def begun_words(about: About) -> str:
    """Say when a training was begun, by the clock of whoever asks; empty where nobody noted it."""
    if about.begun is None:
        return ""
    try:
        zone = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    at = datetime.fromtimestamp(about.begun, zone)
    return f"begun {at.day} {at:%b, %H:%M}"
