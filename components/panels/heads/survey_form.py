"""What to survey, and how."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from components.panels.device_choice import device_field, dtype_field
from components.panels.heads.grammar_choice import grammar_choice
from components.panels.heads.heads_url import show
from components.panels.heads.model_choice import ChosenModel, model_panel
from components.panels.heads.session_surveys import OWN, surveys
from components.panels.heads.survey_labels import HELP
from components.panels.heads.text_choice import FIRST, sample_texts, text_panel
from components.panels.session_works import this_browser
from components.run_panel import RunPanel
from viz.models.catalogue import DEFAULT
from viz.service.survey_jobs import USUAL_LENGTH
from viz.service.survey_kept import Asked
from viz.service.survey_texts import SurveyTexts
from viz.survey import SurveySettings
from viz.survey.texts.windows import LEAST_LENGTH

START = RunPanel("heads start", hint="Choose other texts, or another model.")

# How many tokens a page reads: fewer say little, and more are for a terminal.
LEAST_TOKENS, USUAL_TOKENS, MOST_TOKENS = 100, 20_000, 1_000_000

# Longer windows are for a terminal, too.
MOST_LENGTH = 8_192

# What the example reads: about a minute's work of a small machine.
EXAMPLE = SurveySettings(length=128, tokens=5_000)

READING = {False: "One by one", True: "Packed"}


def form_panel() -> None:
    """Ask for a model, texts and how they are read, and start."""
    model = model_panel()
    texts = text_panel()
    tokens = st.number_input(
        "Tokens",
        LEAST_TOKENS,
        MOST_TOKENS,
        USUAL_TOKENS,
        step=1_000,
        key="heads tokens",
        help=HELP["tokens"],
        persist_state="session",
    )
    with st.expander("Windows and device"):
        length = st.number_input(
            "Window length",
            LEAST_LENGTH,
            MOST_LENGTH,
            None,
            key="heads length",
            placeholder=f"{USUAL_LENGTH}, or less",
            help=HELP["length"],
            persist_state="session",
        )
        packed = st.segmented_control(
            "Texts in windows",
            list(READING),
            default=False,
            key="heads packed",
            required=True,
            format_func=lambda one: READING[one],
            help=HELP["packed"],
            persist_state="session",
        )
        probes = st.checkbox(
            "Also on inputs of their own",
            True,
            key="heads probes",
            help=HELP["probes"],
            persist_state="session",
        )
        grammar = grammar_choice()
        device = device_field(key="heads device", persist_state="session")
        dtype = dtype_field(key="heads dtype", persist_state="session")
    settings = SurveySettings(
        length=None if length is None else int(length),
        packed=bool(packed),
        tokens=int(tokens),
        probes=probes,
        loss_windows=SurveySettings().loss_windows if probes else 0,
        grammar=grammar,
    )
    ready = texts is not None and model.is_there
    if st.button("Start", type="primary", width="stretch", disabled=not ready) and texts:
        _start(replace(model, device=device, dtype=dtype), texts, settings)
    START.say()


def example_button() -> None:
    """Offer a survey that takes about a minute."""
    st.button(
        "Survey all-MiniLM-L6-v2 on presidents' addresses",
        on_click=_example,
        help=f"{EXAMPLE.tokens:,} tokens; a minute at most.",
    )


def _example() -> None:
    START.attempt(lambda: _begin(ChosenModel(DEFAULT), sample_texts(FIRST), EXAMPLE))


def _start(model: ChosenModel, texts: SurveyTexts, settings: SurveySettings) -> None:
    """Begin; what does not fit is said, and what was on screen stays."""
    with st.spinner("Looking into the texts"):
        name = START.attempt(lambda: _begin(model, texts, settings))
    if name is not None:
        st.rerun()


def _begin(model: ChosenModel, texts: SurveyTexts, settings: SurveySettings) -> str:
    asked = Asked(
        *(model.name.strip(), texts, settings),
        revision=model.revision,
        local=model.local,
        device=model.device,
        dtype=model.dtype,
        browser=this_browser(),
    )
    name = surveys().start(asked)
    OWN.began(name)
    show(name)
    return name
