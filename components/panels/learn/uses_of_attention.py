"""Where attention is used: each with a live example here, or the page that has one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from components.explore_session import page_link, workbench
from components.panels.learn.learn_url import touched
from components.panels.learn.widget_url_binding import text_fields
from components.run_panel import RunPanel, in_words
from viz.analysis.sentence_similarity import central, closeness
from viz.errors import LoupeError, TextTooLongError
from viz.models.catalogue import CATALOGUE, DEFAULT, is_available
from viz.service import Request

RUN = RunPanel("learn uses")

SAMPLES = Path(__file__).parents[3] / "assets" / "samples"

# What Explore shows of each sample first: see `viz.analysis.first_view`.
OPENS = {
    "dinov2": {"stack": "self", "layer": "8", "head": "3", "token": "95"},
    "whisper": {"stack": "cross", "layer": "3", "head": "3", "token": "3"},
}

REVIEW = "I laughed from the first minute to the last, and I would see it again."
CLASSES = "This is praise, I enjoyed it.\nThis is a complaint, I was disappointed."
QUESTION = "Why did the animal stay where it was?"
PASSAGES = (
    "The street had been paved in the spring.\n"
    "It was too tired to walk any further.\n"
    "Cars passed by in both directions."
)
ARTICLE = (
    "A storm crossed the coast during the night.\n"
    "Trees fell on roads and trains stood still until noon.\n"
    "A baker in the old town sold out of bread before eight.\n"
    "Nobody was hurt, and most roads are open again."
)
# What is typed here, by its parameter of the address.
USUAL = {
    "review": REVIEW,
    "classes": CLASSES,
    "article": ARTICLE,
    "question": QUESTION,
    "passages": PASSAGES,
}
BARS = {"closeness": st.column_config.ProgressColumn(format="%.2f", min_value=0.0, max_value=1.0)}


def uses_panel() -> None:
    """Say what looks at what in each use, and show it."""
    st.markdown(
        "The same few lines of attention are used in all of these; what differs is what a token is, and "
        "what attends to what."
    )
    st.caption(
        f"The live examples run {CATALOGUE[DEFAULT].title}, a sentence encoder, on this machine."
    )
    say = text_fields("uses", USUAL)
    for title, sentence, draw in USES:
        with st.container(border=True):
            st.markdown(f"**{title}.** {sentence}")
            draw()
    say()


def _classification() -> None:
    text = st.text_input("A review", key="learn review", persist_state="session", on_change=touched)
    classes = st.text_area(
        "Classes, a sentence for each",
        key="learn classes",
        height=80,
        persist_state="session",
        on_change=touched,
    )
    _compare(text, classes, closeness, text, _lines(classes))
    _explore(text)
    page_link("Train", "Train a small model on the sentiment of posts →", task="sentiment")


def _translation() -> None:
    st.markdown(
        "Words that are written attend to words that were read (cross-attention), mostly at those which "
        "they translate. The same as a task small enough to train here: writing a sequence backwards."
    )
    page_link("Train", "Train an encoder-decoder to reverse →", task="reverse")
    _fetched(
        "whisper", "Whisper is an encoder-decoder too: it translates sound into words.", "voice.ogg"
    )


def _summary() -> None:
    text = st.text_area(
        "Sentences, one a line",
        key="learn article",
        height=128,
        persist_state="session",
        on_change=touched,
    )
    _compare(text, text, central, _lines(text))
    _explore(" ".join(_lines(text)))


def _answers() -> None:
    question = st.text_input(
        "A question", key="learn question", persist_state="session", on_change=touched
    )
    passages = st.text_area(
        "Where the answer may stand, a sentence a line",
        key="learn passages",
        height=104,
        persist_state="session",
        on_change=touched,
    )
    _compare(question, passages, closeness, question, _lines(passages))
    _explore(question, pair=" ".join(_lines(passages)))


def _images() -> None:
    _fetched(
        "dinov2", "DINOv2 looks at a picture: click a patch to see what it looks at.", "cat.jpg"
    )
    page_link("Train", "Train a small model on handwritten digits →", task="digits")


def _speech() -> None:
    _fetched("whisper", "Whisper hears a voice, and its words follow the sound.", "voice.ogg")


def _series() -> None:
    page_link("Train", "Train a model to forecast a series →", task="forecasting")
    st.caption("A solved one looks back by whole periods: a stripe beside the diagonal.")


def _recommendation() -> None:
    page_link("Train", "Train a model to recommend the next item →", task="sessions")
    st.caption(
        "Items of a session are its tokens; the last ones attend to those that go with them."
    )


USES: tuple[tuple[str, str, Callable[[], None]], ...] = (
    (
        "Text classification",
        "Every word attends to every other; the mean of all is compared with each class.",
        _classification,
    ),
    ("Translation", "What is written attends to what was read.", _translation),
    (
        "Summarising",
        "Sentences whose meaning is nearest to that of the whole text sum it up.",
        _summary,
    ),
    (
        "Question answering",
        "The words of a question attend to the words of a text; here the sentence that is nearest is "
        "found.",
        _answers,
    ),
    (
        "Images",
        "A token is a patch of the picture, and patches of one thing attend to each other.",
        _images,
    ),
    ("Speech", "A token is a frame of sound, some hundredths of a second.", _speech),
    ("Series", "A token is a step in time, and looks only back.", _series),
    (
        "Recommendation",
        "A token is an item that somebody chose, and attends to those before.",
        _recommendation,
    ),
)


def _compare(text: str, others: str, measure: Callable[..., list[float]], *lines: object) -> None:
    """Show how close each line is, the closest first.

    Args:
        text: that a model is asked for.
        others: what is compared, line by line.
        measure: called with the model and `lines`.
        lines: what it measures.
    """

    def work() -> list[float]:
        try:
            request = Request(model=DEFAULT, text=text)
            return workbench().of_model(request, lambda _phase, _share: None, measure, *lines)
        except TextTooLongError as error:
            # One model is used here, so that the usual hint, to choose another, leads nowhere.
            raise LoupeError(error.message, f"Shorten it to {error.limit:,} tokens.") from error

    found = RUN.attempt(work)
    RUN.say()
    if found is None:
        return
    table = pd.DataFrame({"sentence": _lines(others), "closeness": found})
    st.dataframe(
        table.sort_values("closeness", ascending=False), hide_index=True, column_config=BARS
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _explore(text: str, **more: str) -> None:
    if text.strip():
        page_link(
            "Explore",
            "See where every head looks →",
            model=DEFAULT,
            text=text,
            layer="3",
            head="1",
            **more,
        )


def _fetched(model: str, words: str, file: str) -> None:
    """Lead to a sample in Explore, where its model is fetched first if it is not here."""
    entry = CATALOGUE[model]
    sample = SAMPLES / file
    try:
        media = workbench().media.put(sample.read_bytes(), sample.suffix)
    except LoupeError as error:
        st.error(in_words(error))
        return
    cost = "" if is_available(entry) else f" It is fetched first, {entry.download_mb} MB."
    st.caption(words + cost)
    # What Explore opens it with; else it would write the address anew, and Back lead nowhere.
    page_link(
        "Explore",
        f"Open {entry.title} in Explore →",
        model=model,
        text="",
        media=media,
        **OPENS[model],
    )
