"""Ask: a text, a model, Run."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from components.session import change, request_of, view, workbench
from viz.errors import LoupeError
from viz.models.catalogue import CATALOGUE, find_entry, is_available
from viz.models.device import DTYPES, available_devices
from viz.models.fetch import fetch
from viz.models.folders import model_roots
from viz.models.limits import estimate
from viz.models.prepare import check_text, count_tokens

SAMPLES = Path(__file__).parents[2] / "assets" / "samples" / "samples.json"
HUB, FOLDER = "hugging face", "folder"
OTHER = {HUB: "Hugging Face id …", FOLDER: "Local folder …"}


def request_panel() -> bool:
    """Draw the inputs and return whether Run was pressed."""
    seen = view()
    _seed(seen.text, seen.pair, _choice_of(seen.model, seen.local), seen)
    _take_sample()
    st.text_area(
        "Text", key="text", height=90, placeholder="Paste a text …", label_visibility="collapsed"
    )
    model, settings, samples, run = st.columns([3, 1.2, 1.2, 1], vertical_alignment="bottom")
    with model:
        _model_picker()
    with settings.popover("Settings", width="stretch"):
        _settings()
    with samples.popover("Examples", width="stretch"):
        for title in _samples():
            st.button(title, key=f"sample {title}", on_click=_choose_sample, args=(title,))
    pressed = run.button("Run", type="primary", width="stretch", disabled=not _fetched())
    return pressed


def take_request() -> None:
    """Make what the inputs say the view that is to be seen."""
    choice = st.session_state.model
    other = choice in OTHER
    change(
        text=st.session_state.text,
        pair=st.session_state.pair,
        model=st.session_state.other.strip() if other else choice,
        local=choice == FOLDER,
        revision=st.session_state.revision.strip() if choice == HUB else "",
        device=st.session_state.device,
        dtype=st.session_state.dtype,
        token=-1,
    )


def _seed(text: str, pair: str, choice: str, seen: object) -> None:
    """Fill the inputs from the link once; afterwards they belong to the user."""
    if "text" in st.session_state:
        for name in ("text", "pair", "model", "other", "revision", "device", "dtype"):
            # Widgets that are not drawn in a run would lose their value.
            st.session_state[name] = st.session_state[name]
        return
    current = view()
    devices = ["auto", *available_devices()]
    st.session_state.text = text
    st.session_state.pair = pair
    st.session_state.model = choice
    st.session_state.other = current.model if choice in OTHER else ""
    st.session_state.revision = current.revision
    st.session_state.device = current.device if current.device in devices else "auto"
    st.session_state.dtype = current.dtype if current.dtype in DTYPES else "auto"


def _choice_of(model: str, local: bool) -> str:
    if local:
        return FOLDER
    entry = find_entry(model)
    return HUB if entry is None else entry.name


def _model_picker() -> None:
    st.selectbox(
        "Model",
        [*CATALOGUE, *OTHER],
        key="model",
        format_func=_model_title,
        help="Weights are read from safetensors only; a model's own code is never run.",
    )
    if st.session_state.model == HUB:
        name, revision = st.columns([2, 1])
        name.text_input("Hugging Face id", key="other", placeholder="owner/name")
        revision.text_input("Revision", key="revision", placeholder="main")
    elif st.session_state.model == FOLDER:
        st.text_input("Folder", key="other", help=f"Inside {model_roots()[0]}.")
    else:
        entry = CATALOGUE[st.session_state.model]
        st.caption(f"{entry.description}; {entry.layers} x {entry.heads} heads; {entry.licence}")
        if not is_available(entry):
            st.button(f"Fetch {entry.title} ({entry.download_mb} MB)", on_click=_fetch)


def _model_title(choice: str) -> str:
    if choice in OTHER:
        return OTHER[choice]
    entry = CATALOGUE[choice]
    cost = "on this machine" if is_available(entry) else f"{entry.download_mb} MB to fetch"
    kinds = {"causal": "language model", "masked": "masked model", "encoder": "encoder"}
    return f"{entry.title}, {kinds[entry.kind]}, {cost}"


def _fetch() -> None:
    entry = CATALOGUE[st.session_state.model]
    try:
        with st.spinner(f"Fetching {entry.title}, {entry.download_mb} MB"):
            fetch(entry)
    except LoupeError as error:
        st.session_state.failure = error


def _fetched() -> bool:
    choice = st.session_state.model
    return choice in OTHER or is_available(CATALOGUE[choice])


def _settings() -> None:
    st.selectbox("Device", ["auto", *available_devices()], key="device")
    st.selectbox("Number type", ["auto", *DTYPES], key="dtype")
    st.text_area(
        "Second text", key="pair", height=80, help="For models that read pairs of sentences."
    )


def _samples() -> dict[str, str]:
    samples: dict[str, str] = json.loads(SAMPLES.read_text())
    return samples


def _choose_sample(title: str) -> None:
    st.session_state.sample = title


def _take_sample() -> None:
    title = st.session_state.pop("sample", None)
    if title is not None:
        st.session_state.text = _samples()[title]


def foreseen() -> str:
    """State tokens, memory and time before any work, once the model is known."""
    asked = request_of(view())
    model = workbench().loaded(asked)
    if (
        model is None
        or model.tokenizer is None
        or st.session_state.model != _choice_of(asked.model, asked.local)
    ):
        return "Press Run to load the model and look."
    try:
        check_text(st.session_state.text)
        tokens = count_tokens(model, st.session_state.text, st.session_state.pair or None)
    except LoupeError:
        return "Type or paste a text, then press Run."
    cost = estimate(model, tokens)
    limit = "any number of" if cost.limit is None else f"{cost.limit:,}"
    if cost.limit is not None and tokens > cost.limit:
        return f"{tokens:,} of {limit} tokens: {tokens - cost.limit:,} over"
    seconds = "under a second" if cost.seconds < 1 else f"about {cost.seconds:.0f} s"
    how = " (every weight of every head is held)" if model.tier == "eager" else ""
    return (
        f"{tokens:,} of {limit} tokens; about {max(1, cost.memory_bytes // 1_000_000):,} MB and "
        f"{seconds} on {model.device}{how}"
    )
