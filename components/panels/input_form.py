"""Ask: a text, a model, Run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import streamlit as st

from components.explore_session import acted, owner, request_of, view, workbench
from components.explore_state import View
from components.panels.device_choice import device_field, devices, dtype_field, dtypes
from components.panels.run_input import RUN
from components.panels.upload import attach_panel, attached
from components.session_state import (
    chosen,
    forget,
    key_showing,
    recall,
    remember,
    remembers,
    value_of,
)
from viz.errors import LoupeError
from viz.models.catalogue import CATALOGUE, DEFAULT, find_entry, is_available
from viz.models.fetch import fetch
from viz.models.folders import model_roots
from viz.models.hub_address import is_address, pasted
from viz.models.model import Sense, one_of
from viz.service import Request, model_questions
from viz.service.limits import limits_of
from viz.service.model_questions import senses, takes_pairs

INPUTS = ("text", "pair", "media", "model", "other", "revision", "device", "dtype")
SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
EVERYTHING: frozenset[Sense] = frozenset({"text", "image", "sound"})
HUB, FOLDER = "hugging face", "folder"
OTHER = {HUB: "Hugging Face id …", FOLDER: "Local folder …"}


def request_panel() -> bool:
    """Draw the inputs and return whether Run was pressed."""
    seen = view()
    _seed(seen.text, seen.pair, choice_of(seen.model, seen.local), seen)
    reads, with_pair = _reads(), _takes_pairs()
    remember("drawn", (reads, with_pair))
    first, *second = st.columns([3, 1]) if with_pair else [st.container()]
    if "text" in reads:
        first.text_area(
            "Text",
            key="text",
            height=96,
            placeholder="Paste a text …",
            label_visibility="collapsed",
        )
    if reads != {"text"}:
        with first:
            attach_panel(reads)
    for place in second:
        place.text_area(
            "Second text",
            key="pair",
            height=96,
            placeholder=_second_words(),
            label_visibility="collapsed",
        )
    with st.container(key="request_row"):
        model, settings, samples, run = st.columns([3, 1.2, 1.2, 1], vertical_alignment="bottom")
    with model:
        _model_picker()
    with settings.popover("Settings", width="stretch"):
        _settings()
    example = samples.menu_button(
        "Examples", list(_samples()), key="example", width="stretch", on_click=_take_sample
    )
    pressed = run.button(
        "Run", type="primary", width="stretch", disabled=not _fetched(), on_click=acted
    )
    _model_details()
    return pressed or (example is not None and _fetched())


def is_outdated() -> bool:
    """Whether a model that was loaded meanwhile reads something else than was asked for."""
    return bool(value_of("drawn") != (_reads(), _takes_pairs()))


def asked() -> View:
    """Return the view that the inputs ask for; it is seen once it has been run."""
    choice = value_of("model")
    name, revision, local = choice, "", False
    if choice in OTHER:
        name, revision, local = _other(choice)
    return replace(
        view(),
        text=value_of("text"),
        pair=value_of("pair"),
        media=attached(_reads()),
        model=name,
        local=local,
        revision=revision,
        device=value_of("device"),
        dtype=value_of("dtype"),
        token=-1,
        rows="",
        columns="",
    )


def _other(choice: str) -> tuple[str, str, bool]:
    """Read which model the picker does not know: its id or folder, its revision, and whether it is a folder."""
    revision = value_of("revision") if choice == HUB else ""
    return pasted(value_of("other"), revision, local=choice == FOLDER)


def _read_address() -> None:
    """Let the inputs say which id and which revision the address of a model's page names."""
    if not is_address(value_of("other")):
        return
    name, revision, _ = _other(value_of("model"))
    remember("other", name)
    remember("revision", revision)
    remember("model", HUB)


def is_changed() -> bool:
    """Whether the inputs ask for something other than what is on screen."""
    shown = recall("shown")
    return shown is not None and remembers("text") and shown != request_of(asked())


def forget_inputs() -> None:
    """Let the inputs be filled from the link again."""
    for name in INPUTS:
        forget(name)


def _seed(text: str, pair: str, choice: str, seen: object) -> None:
    """Fill the inputs from the link once; afterwards they belong to the user."""
    if remembers("text"):
        for name in INPUTS:
            # Widgets that are not drawn in a run would lose their value.
            remember(name, value_of(name))
        return
    current = view()
    remember("text", text)
    remember("pair", pair)
    remember("media", current.media)
    remember("model", choice)
    remember("other", current.model if choice in OTHER else "")
    remember("revision", current.revision)
    remember("device", current.device if current.device in devices() else "auto")
    remember("dtype", current.dtype if current.dtype in dtypes() else "auto")


def choice_of(model: str, local: bool) -> str:
    """Return the picker's entry for a model: its name in the catalogue, a hub id, or a folder."""
    if local:
        return FOLDER
    entry = find_entry(model)
    return HUB if entry is None else entry.name


def _model_picker() -> None:
    st.selectbox(
        "Model",
        [*CATALOGUE, *OTHER],
        key="model",
        format_func=model_title,
        help="What reads the text. Those that are not on this machine are fetched once, on request; "
        "weights are read from safetensors only, and a model's own code is never run.",
    )


def _model_details() -> None:
    """Ask which model where the picker cannot know, or say what the chosen one is."""
    if value_of("model") == HUB:
        name, revision = st.columns([2, 1])
        name.text_input(
            "Hugging Face id",
            key="other",
            placeholder="owner/name, or the address of its page",
            on_change=_read_address,
        )
        revision.text_input("Revision", key="revision", placeholder="main")
    elif value_of("model") == FOLDER:
        st.text_input(
            "Folder", key="other", help=f"Inside {model_roots()[0]}.", on_change=_read_address
        )
    elif not _fetched():
        entry = CATALOGUE[value_of("model")]
        st.button(f"Fetch {entry.title} ({entry.download_mb} MB)", on_click=_fetch)


def model_title(choice: str) -> str:
    """Say what a picker's entry is, and of one that is not on this machine what it costs to fetch it.

    It has to fit into a line of a telephone.
    """
    if choice in OTHER:
        return OTHER[choice]
    entry = CATALOGUE[choice]
    cost = "" if is_available(entry) else f", {entry.download_mb} MB to fetch"
    kinds = {
        "causal": "language model",
        "masked": "masked model",
        "encoder": "encoder",
        "seq2seq": "encoder-decoder",
        "other": "encoder",
    }
    of = "" if entry.reads == "text" else f" of {entry.reads}s"
    return f"{entry.title}, {kinds[entry.kind]}{of}{cost}"


def _fetch() -> None:
    entry = CATALOGUE[value_of("model")]
    try:
        with st.spinner(f"Fetching {entry.title}, {entry.download_mb} MB"):
            fetch(entry)
    except LoupeError as error:
        RUN.fail(error)


def _fetched() -> bool:
    choice = value_of("model")
    return choice in OTHER or is_available(CATALOGUE[choice])


def _takes_pairs() -> bool:
    """Whether to ask for a second text: the model in use reads pairs, or one is there already."""
    if value_of("pair"):
        return True
    if value_of("model") in CATALOGUE:
        return CATALOGUE[value_of("model")].takes_pairs
    return bool(workbench().of_loaded(request_of(asked()), takes_pairs))


def _second_words() -> str:
    """Say what the second text is to the chosen model."""
    entry = CATALOGUE.get(value_of("model"))
    written, pair = "What it writes; empty: its own words", "Second text of a pair; may stay empty"
    if entry is None:
        return f"{pair}. For an encoder-decoder, what it writes"
    return written if entry.kind == "seq2seq" else pair


def _reads() -> frozenset[Sense]:
    """What to ask for: what the model in use reads, or texts where nothing is known yet."""
    if value_of("model") in CATALOGUE:
        return frozenset({CATALOGUE[value_of("model")].reads})
    name, revision, local = _other(value_of("model"))
    request = Request(
        model=name,
        text="",
        revision=revision or None,
        device=value_of("device"),
        dtype=value_of("dtype"),
        local=local,
    )
    return workbench().of_loaded(request, senses) or EVERYTHING


def _settings() -> None:
    device_field(
        key=key_showing("device choice", value_of("device")),
        on_change=lambda: remember("device", chosen("device choice")),
    )
    dtype_field(
        key=key_showing("dtype choice", value_of("dtype")),
        on_change=lambda: remember("dtype", chosen("dtype choice")),
    )


def _samples() -> dict[str, dict[str, str]]:
    samples: dict[str, dict[str, str]] = json.loads((SAMPLES / "samples.json").read_text())
    return samples


def _take_sample() -> None:
    acted()
    title = value_of("example")
    if title is None:
        return
    sample = _samples()[title]
    remember("pair", "")
    if "file" in sample:
        file = SAMPLES / sample["file"]
        try:
            remember("media", workbench().media.put(file.read_bytes(), file.suffix))
        except LoupeError as error:
            RUN.fail(error)
        remember("model", sample["model"])
        return
    remember("text", sample["text"])
    if _reads() == {"text"}:
        return
    # A text is no example for a model that reads none.
    if "text" not in _reads():
        remember("model", DEFAULT)


def foreseen() -> str:
    """Say what the chosen model is, and what the text will cost, before any work."""
    entry = CATALOGUE.get(value_of("model"))
    known = f"{entry.layers} x {entry.heads} heads, {entry.licence}. " if entry else ""
    before = "; below is from before" if _is_shown() else ""
    waiting = f". Press Run to see it{before}" if is_changed() else ""
    return f"{known}{_cost()}{_before()}{waiting}."


def _is_shown() -> bool:
    """Whether a result of before is on the page."""
    request: Request | None = recall("shown")
    return request is not None and workbench().so_far(owner(), request) is not None


def _before() -> str:
    """Say how many runs of others, or of one's other pages, come first; nothing where none do."""
    before = workbench().before(owner(), request_of(asked()))
    return f"; {before:,} before you" if before else ""


def _cost() -> str:
    """State tokens, memory and time, once the model is known."""
    request = request_of(asked())
    run = workbench().of_loaded(request, model_questions.foreseen, request)
    if run is None:
        return "The model is loaded when you press Run"
    if request.media:
        return f"On {run.device}"
    if "text" not in run.reads:
        return f"Give {one_of(run.reads)}"
    if not run.has_tokenizer:
        return "It has no tokenizer, so that it reads no texts"
    if run.cost is None:
        return "Type or paste a text"
    cost, tokens = run.cost, run.cost.tokens
    limits = [one for one in (cost.limit, limits_of().tokens) if one is not None]
    most = min(limits, default=None)
    limit = "any number of" if most is None else f"{most:,}"
    if most is not None and tokens > most:
        return f"{tokens:,} of {limit} tokens: {tokens - most:,} over"
    seconds = "under a second" if cost.seconds < 1 else f"about {cost.seconds:.0f} s"
    how = " (every weight of every head is held)" if run.holds_weights else ""
    return (
        f"{tokens:,} of {limit} tokens; about {max(1, cost.memory_bytes // 1_000_000):,} MB and "
        f"{seconds} on {run.device}{how}"
    )
