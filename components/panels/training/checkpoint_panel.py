"""A checkpoint of a training: which one, which head, where that looks, and how far it is from solved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from components.explore_session import is_dark
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.training.checkpoint_scores import curves_of, score_panel, words_panel
from components.panels.training.downloads import files_panel
from components.panels.training.session_trainings import notes, trainings
from components.panels.training.train_url import Parts, choose, complain, linked, settle
from components.panels.training.training_labels import HELP
from components.panels.training.unseen_example import example_panel
from components.run_panel import in_words
from components.session_state import forget, recall, remember
from viz.errors import LoupeError
from viz.figures import Display, apply, pattern_figure
from viz.service.checkpoint_cache import Look
from viz.training.training_folder import About
from viz.training.training_log import Line
from viz.training.training_loop import GROWN

BEST = "best"
NEWEST = "newest"

# What a unit is called that has only a number.
COUNTED = "position "

# Height of a pattern in pixels, and the tokens from which on it is taller.
HEIGHT, TALLER, MANY = 470, 620, 64


def checkpoint_panel(name: str) -> None:
    """Let a checkpoint and a head be chosen, and draw the pattern, its score and the curves."""
    settle()
    try:
        about, folder = trainings().about(name), trainings().folder(name)
        loaded = trainings().examples.of(folder)
    except LoupeError as error:
        st.warning(in_words(error))
        return
    trials = notes(name, "trials")
    steps = folder.steps()
    if about.state == "running" and steps and steps[-1] not in {line["step"] for line in trials}:
        steps.pop()  # it is being tried, and its numbers come in a moment
    if not steps:
        if about.state == "running":
            st.caption("The first checkpoint comes in a moment.")
        return
    asked = linked(name)
    left, right = st.columns(2, gap="medium")
    scored = loaded.probes[0].stack
    with left:
        step = _step(name, steps, usual_step(about, trials, steps), asked, scored)
    try:
        look = trainings().checkpoints.look(folder, step)
    except LoupeError as error:
        st.error(literal(f"Step {step:,}: {error.message} {error.hint}"))
        look = None
    at = None
    if look is not None:
        with right:
            at = _head(name, look, scored, asked)
        probes = len(loaded.probes)
        with st.container(key="train_scores"):
            score_panel(about, folder, trials, step, look, at, scored=scored, probes=probes)
    pattern, curves = st.columns([1.5, 1], gap="medium")
    with pattern:
        if look is not None and at is not None:
            _pattern(look, at)
            example_panel(loaded)
    with curves:
        words_panel(about, folder)
        st.plotly_chart(
            curves_of(about, folder, notes(name, "log"), trials, step, dark=is_dark()),
            key=f"train {name} curves",
            config=PLOTLY,
        )
    if at is not None:
        files_panel(folder, about, loaded, step, at)


def usual_step(about: About, trials: list[Line], steps: list[int]) -> int:
    """Choose the checkpoint to follow: the newest, and of a lost training the last good one."""
    if about.diverged is None:
        return steps[-1]
    known = {int(line["step"]): line["loss"] for line in trials}
    bound = GROWN * known.get(0, math.inf)
    good = [step for step in steps if math.isfinite(known.get(step, math.nan))]
    return max((step for step in good if known[step] <= bound), default=steps[0])


def _step(name: str, steps: list[int], usual: int, asked: Parts | None, scored: str) -> int:
    """Let a checkpoint be chosen; the newest is followed until somebody chooses another.

    The last place of the slider has a name of its own. Were it the newest step, each checkpoint would
    move the slider, and a browser that tells where it stood before would count as somebody who chose.
    """
    is_followed = usual == steps[-1]
    places = [*map(str, steps[:-1]), NEWEST if is_followed else str(steps[-1])]
    key = f"train {name} step"
    stands = NEWEST if is_followed else str(usual)
    if asked is not None:
        wanted = asked.get("step", "")
        if is_followed and wanted == str(steps[-1]):
            wanted = NEWEST
        shown = "the newest" if is_followed else f"step {usual:,}"
        problem = f"The link's step {wanted[:40]!r} is not valid: no such step is kept, so {shown} is shown."
        _set(key, wanted, [stands, *places], problem)
    if len(steps) == 1:
        return steps[0]
    if recall(key, places[-1]) not in places:
        forget(key)
    chosen: str = st.select_slider(
        "Checkpoint after step",
        places,
        value=stands,
        key=key,
        help="The arrow keys move it too. At its right end it follows a training that goes on.",
        persist_state="session",
        on_change=_chosen,
        args=(name, scored),
    )
    return usual if chosen == NEWEST else int(chosen)


def _chosen(name: str, scored: str) -> None:
    """Let the address say which step and which head somebody chose."""
    step = recall(f"train {name} step", NEWEST)
    stack = recall(f"train {name} stack", scored)
    head = recall(f"train {name} head {stack}", BEST)
    if stack != scored:
        head = stack if head == BEST else f"{stack}.{head}"
    choose(name, step="" if step == NEWEST else step, head="" if head == BEST else head)


def _set(key: str, value: str, options: Sequence[str], problem: str) -> None:
    """Let a control stand where a link says, or as usual, the first of the options.

    It is told so in both cases: a browser that is told nothing lets it stand where it stood.
    """
    remember(key, value if value in options else options[0])
    if value and value not in options:
        complain(problem)


def _head(name: str, look: Look, scored: str, asked: Parts | None) -> tuple[str, int, int]:
    """Let a head be chosen; the one that scores best is shown until somebody does."""
    stacks = list(look.trace.stacks)
    place, which = st.columns([1, 2]) if len(stacks) > 1 else (None, st.container())
    wanted = "" if asked is None else asked.get("head", "")
    problem = f"The link's head {wanted[:40]!r} is not valid: there is no such head, so the usual one is shown."
    in_stack, _, rest = wanted.partition(".")
    if in_stack in stacks:
        wanted = rest
    else:
        in_stack = scored
    if asked is not None:
        _set(f"train {name} stack", in_stack, stacks, problem)
    chosen_stack = scored
    if place is not None:
        chosen_stack = place.selectbox(
            "Stack",
            stacks,
            index=stacks.index(scored),
            key=f"train {name} stack",
            help=HELP["stack"],
            persist_state="session",
            on_change=_chosen,
            args=(name, scored),
        )
    stack = look.trace.stacks[chosen_stack]
    heads = [
        f"{layer}.{head}" for layer in range(stack.layers) for head in range(stack.heads(layer))
    ]
    best = look.scores.best if chosen_stack == scored and look.is_scored else None
    words = {one: "layer {}, head {}".format(*one.split(".")) for one in heads}
    if best is not None:
        # Without its number, which changes: a browser knows an entry by its words.
        words[BEST] = "the one that scores best"
    key, options = (
        f"train {name} head {chosen_stack}",
        [BEST, *heads] if best is not None else heads,
    )
    if asked is not None:
        _set(key, wanted, options, problem)
    chosen = which.selectbox(
        "Head",
        options,
        key=key,
        format_func=lambda one: words[one],
        help=HELP["head"],
        persist_state="session",
        on_change=_chosen,
        args=(name, scored),
    )
    if chosen == BEST and best is not None:
        return chosen_stack, best.layer, best.head
    layer, head = map(int, chosen.split("."))
    return chosen_stack, layer, head


def _pattern(look: Look, at: tuple[str, int, int]) -> None:
    """Draw where the head looks in the example."""
    name, layer, head = at
    stack = look.trace.stacks[name]
    display = Display()
    weights = stack.weights(layer, head).cpu().numpy()
    attended = stack.attended(layer, head).cpu().numpy()
    shown = apply(weights, stack.queries, stack.keys, display, attended=attended)
    if all(label.startswith(COUNTED) for label in shown.key_labels):
        # Steps of a series have no names; their numbers stand beside the labels anyway.
        blank = ("",) * len(shown.key_labels)
        shown = replace(shown, query_labels=blank, key_labels=blank)
    height = TALLER if max(weights.shape) > MANY else HEIGHT
    st.plotly_chart(
        pattern_figure(shown, display=display, dark=is_dark(), height=height),
        key="train pattern",
        config=PLOTLY,
    )
