"""The unseen example that patterns are drawn of, as what it is."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from components.panels.plain_text import literal
from viz.training.task import Loaded, Probe

# Pixels a side of a small picture on the page.
SIDE = 96

# Characters of a text that are shown.
MOST = 200


def example_panel(loaded: Loaded) -> None:
    """Show the example under its pattern, and what is to be known of the data."""
    probe = loaded.probes[0]
    text = text_of(probe, loaded)
    if text is not None:
        words = literal(text[:MOST] + ("…" if len(text) > MOST else ""))
        written = "" if probe.target is None else f" → {literal(probe.target[:MOST])}"
        st.caption(f"The unseen example: {words}{written}")
    elif not isinstance(probe.given, str) and "pixel_values" in probe.given:
        st.caption("The unseen example; its patches are counted from the top left, row by row.")
        st.image(picture_of(probe).resize((SIDE, SIDE), Image.Resampling.NEAREST))
    for note in loaded.notes:
        st.caption(literal(note))


def text_of(probe: Probe, loaded: Loaded) -> str | None:
    """Return the example as a text that is cut into the same tokens again; None where it is none."""
    if isinstance(probe.given, str):
        return probe.given
    ids, tokenizer = probe.given.get("input_ids"), loaded.tokenizer
    if ids is None or tokenizer is None:
        return None
    text = str(tokenizer.decode(ids[0]))
    return text if tokenizer(text)["input_ids"] == ids[0].tolist() else None


def picture_of(probe: Probe) -> Image.Image:
    """Return the example of a task of pictures."""
    pixels = dict(probe.given)["pixel_values"][0, 0].numpy()  # type: ignore[arg-type]
    return Image.fromarray(np.round(pixels * 255).astype(np.uint8))
