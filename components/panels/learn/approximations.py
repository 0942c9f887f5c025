"""Cheaper attention, tried on any head of a text of the user's: error against cost."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from components.explore_session import is_dark, owner, view, workbench
from components.link_parameters import allowed_words
from components.panels.learn import widget_url_binding as address
from components.panels.learn.learn_url import touched
from components.panels.learn.lesson_input import before
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.run_input import shown
from components.run_panel import RunPanel, in_words, progress_bar
from components.session_state import recall, remember, take, value_of
from viz.analysis.approximation_error import WAYS, Tried, settings_of, try_all
from viz.analysis.exact_head import MOST_TOKENS, Exact, exact_head, singular_values
from viz.errors import LoupeError, StorageError
from viz.figures import cost_figure, matrix_figure, spectrum_figure
from viz.models.catalogue import CATALOGUE, DEFAULT, is_available
from viz.service import Analysis, Request

RUN = RunPanel("learn cheaper")

OWN, EXPLORE = "A text of your own", "The result in Explore"
SAMPLE = (
    "The animal didn't cross the street because it was too tired. The street was wide, and the "
    "animal had walked all day without a rest."
)

# The head whose "it" looks at "animal", which Explore opens with too.
FIRST = (3, 1)

# What a link says of this section: the text, the model, layer.head, the way and its setting.
PARAMETERS = ("sample", "sample_digest", "model", "at", "way", "setting")
AT, SETTING = re.compile(r"\d{1,4}\.\d{1,4}"), re.compile(r"\d{1,9}")

# No link asked for a setting; none at all asks for the usual one.
NO_WISH = -1


def cheaper_panel() -> None:
    """Try every way on the chosen head, and show one beside the exact pattern."""
    st.markdown(
        "Exact attention computes a weight for every pair of tokens. Each of these ways computes "
        "fewer numbers; here they stand in for the exact pattern of a trained head, without training "
        "it anew. What is far from exact here may still do well in a model that is trained with it."
    )
    address.receive("cheaper", PARAMETERS, _show)
    analysis = _analysis()
    if analysis is None:
        return
    where = _head(analysis)
    try:
        exact, tried = _tried(analysis, *where)
    except LoupeError as error:
        st.error(in_words(error))
        _say(where, None)
        return
    if exact.reason:
        st.caption(
            f"Linear and Nystrom attention need queries and keys, and here {literal(exact.reason)}."
        )
    chosen = _choose(exact, tried)
    _say(where, chosen)
    _beside(analysis, where, exact, chosen)
    _charts(exact, tried, chosen)


def _show(query: Mapping[str, str]) -> list[str]:
    """Put what a link says into the widgets; the head and the setting once there is what to choose of."""
    problems: list[str] = []
    try:
        text = address.long("sample", query)
    except StorageError as error:
        problems.append(str(error))
        text = None
    remember("learn tried text", SAMPLE if text is None else text)
    model, way = query.get("model", DEFAULT), query.get("way", next(iter(WAYS)))
    if model not in _models():
        problems.append(
            f"The link's model {model[:40]!r} is not valid: it must be a model on this machine, "
            f"{allowed_words('model', str, choices=_models())}, so {DEFAULT!r} is run."
        )
        model = DEFAULT
    if way not in WAYS:
        problems.append(
            f"The link's way {way[:40]!r} is not valid: it must be {allowed_words('way', str, choices=[*WAYS])}, "
            "so the first is shown."
        )
        way = next(iter(WAYS))
    remember("learn tried model", model)
    remember("learn way", way)
    at, setting = query.get("at", ""), query.get("setting", "")
    if at and not AT.fullmatch(at):
        problems.append(
            f"The link's at {at[:40]!r} is not valid: it must be a layer and a head, such as 3.1, so {'{}.{}'.format(*FIRST)} is shown."
        )
        at = ""
    if setting and not SETTING.fullmatch(setting):
        problems.append(
            f"The link's setting {setting[:40]!r} is not valid: it must be a whole number, so the usual one is shown."
        )
        setting = ""
    layer, head = map(int, at.split(".")) if at else FIRST
    remember("learn wanted head", (layer, head))
    remember("learn asked at", at)
    remember("learn wanted setting", int(setting) if setting else None)
    return problems


def _say(where: tuple[str, int, int], chosen: Tried | None) -> None:
    """Let the address say what is tried; None where the text is too long for it."""
    _, layer, head = where
    way = value_of("learn way") if chosen is None else chosen.way
    usual = {"model": DEFAULT, "at": "{}.{}".format(*FIRST), "way": next(iter(WAYS))}
    seen = {"model": value_of("learn tried model"), "at": f"{layer}.{head}", "way": way}
    query = {name: value for name, value in seen.items() if value != usual[name]}
    try:
        if (text := value_of("learn tried text")) != SAMPLE:
            query |= address.short("sample", text)
    except StorageError as error:
        st.warning(literal(str(error)))
        return
    if chosen is not None and WAYS[way].setting:
        query["setting"] = str(chosen.setting)
    address.send("cheaper", PARAMETERS, query)


def _models() -> list[str]:
    return [
        name for name, entry in CATALOGUE.items() if entry.reads == "text" and is_available(entry)
    ]


def _analysis() -> Analysis | None:
    """Return what is tried on: the result in Explore, or a run of its own."""
    explored = shown()
    if explored is not None:
        source = st.segmented_control(
            "Try it on",
            [OWN, EXPLORE],
            key="learn cheaper source",
            default=OWN,
            on_change=touched,
            required=True,
            persist_state="session",
            label_visibility="collapsed",
        )
        if source == EXPLORE:
            return explored
    with st.form("learn cheaper form", border=False):
        text = st.text_area("Text", key="learn tried text", height=96, persist_state="session")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            model = st.selectbox(
                "Model",
                _models(),
                key="learn tried model",
                persist_state="session",
                format_func=lambda name: CATALOGUE[name].title,
            )
            st.form_submit_button("Run", type="primary", on_click=touched)
    _run(Request(model=model or DEFAULT, text=text))
    kept: Request | None = RUN.kept
    return None if kept is None else workbench().result(owner(), kept)


def _run(request: Request) -> None:
    """Run a request; what cannot be run is said, and the result before stays."""
    line = st.empty()

    def work() -> None:
        with progress_bar(line) as told:
            workbench().analyse(owner(), request, told(0))
        RUN.keep(request)

    RUN.attempt(work)
    RUN.say(line, also=_kept())


def _kept() -> str:
    """Say which text is still tried below."""
    kept: Request | None = RUN.kept
    return "" if kept is None else f" {before(kept.text)}"


def _head(analysis: Analysis) -> tuple[str, int, int]:
    """Choose a stack, a layer and a head."""
    stacks = analysis.trace.stacks
    explored = analysis is shown() and view().stack in stacks
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = next(iter(stacks))
        if len(stacks) > 1:
            name = st.selectbox("Stack", list(stacks), key=f"learn stack {analysis.token}") or name
        stack = stacks[name]
        wanted = take("learn wanted head")
        first = (view().layer, view().head) if explored else FIRST
        layer = _number(
            "Layer", stack.layers - 1, first[0], wanted and wanted[0], f"{analysis.token} {name}"
        )
        heads = stack.heads(layer)
        head = _number(
            "Head", heads - 1, first[1], wanted and wanted[1], f"{analysis.token} {name} {heads}"
        )
    if wanted is not None and value_of("learn asked at") and wanted != (layer, head):
        address.complain(
            "cheaper",
            f"The link's at {value_of('learn asked at')!r} is not valid: layers go from 0 to "
            f"{stack.layers - 1}, heads from 0 to {heads - 1}, so {layer}.{head} is shown.",
        )
    return name, layer, head


def _number(label: str, most: int, first: int, wanted: int | None, of: str) -> int:
    """Choose a number from 0: what a link asks for, what was chosen, or the first."""
    key = f"learn tried {label} {of}"
    number = recall(key, first) if wanted is None else wanted
    remember(key, min(number, most))
    chosen: int = st.number_input(
        label, 0, most, key=key, width=140, persist_state="session", on_change=touched
    )
    return chosen


def _tried(analysis: Analysis, name: str, layer: int, head: int) -> tuple[Exact, list[Tried]]:
    """Try all ways on a head, once."""
    key = (analysis.token, name, layer, head)
    kept = recall("learn tried")
    if kept is None or kept[0] != key:
        with st.spinner(
            f"Trying {len(WAYS)} ways; a pattern of {MOST_TOKENS} tokens takes seconds"
        ):
            exact = exact_head(analysis.trace.stacks[name], layer, head)
            kept = (key, exact, try_all(exact))
        # One at a time: a pattern of 512 tokens and its factors take 8 MB.
        remember("learn tried", kept)
    return kept[1], kept[2]


def _choose(exact: Exact, tried: list[Tried]) -> Tried:
    """Choose a way and its setting."""
    fitting = [name for name, way in WAYS.items() if way.fits(exact)]
    if value_of("learn way") not in fitting:
        remember("learn way", fitting[0])
    name = st.segmented_control(
        "Way",
        fitting,
        key="learn way",
        required=True,
        wrap=True,
        persist_state="session",
        label_visibility="collapsed",
        on_change=touched,
    )
    way = WAYS[name if name in fitting else fitting[0]]
    st.markdown(way.says)
    mine = {one.setting: one for one in tried if one.way == way.name}
    asked = take("learn wanted setting", NO_WISH)
    is_asked = asked not in (NO_WISH, None)
    if not way.setting:
        if is_asked:
            address.complain(
                "cheaper", f"The link's setting {asked} is not used: {way.name} has none."
            )
        return next(iter(mine.values()))
    options = settings_of(exact)
    key = f"learn setting {way.name} {options[-1]}"
    wanted = recall(key) if asked == NO_WISH else asked
    remember(key, wanted if wanted in options else options[min(2, len(options) - 1)])
    if is_asked and wanted not in options:
        address.complain(
            "cheaper",
            f"The link's setting {asked} is not valid: {way.name} is tried at "
            f"{', '.join(map(str, options))}, so {value_of(key)} is shown.",
        )
    setting = st.select_slider(
        way.setting.capitalize(), options, key=key, persist_state="session", on_change=touched
    )
    return mine[setting]


def _beside(analysis: Analysis, where: tuple[str, int, int], exact: Exact, chosen: Tried) -> None:
    """Show the exact pattern, what stands in for it, and what lies between."""
    stack = analysis.trace.stacks[where[0]]
    weights = WAYS[chosen.way].attend(exact, chosen.setting)
    apart = weights - exact.weights
    largest = float(exact.weights.max()) or 1.0
    scale = st.segmented_control(
        "Colour scale",
        ["linear", "log"],
        key="learn scale",
        default="linear",
        on_change=touched,
        required=True,
        persist_state="session",
        help="The logarithm shows small weights beside a large one.",
        format_func=lambda name: f"{name} colour scale",
        label_visibility="collapsed",
    )
    pictures = (
        ("Exact", exact.weights, "weights", largest),
        (f"With {chosen.way}", weights, "weights", largest),
        (
            "Difference: blue too little, red too much",
            apart,
            "difference",
            float(apart.abs().max()) or 1.0,
        ),
    )
    for place, (title, values, kind, most) in zip(st.columns(3), pictures, strict=True):
        with place:
            st.markdown(f"**{title}**")
            st.plotly_chart(
                matrix_figure(
                    values.numpy(),
                    stack.queries.labels,
                    stack.keys.labels,
                    kind=kind,  # type: ignore[arg-type]
                    largest=most,
                    dark=is_dark(),
                    scale="log" if scale == "log" else "linear",
                ),
                key=f"learn beside {title.split()[0]}",
                config=PLOTLY,
            )
    st.markdown(
        f"**{chosen.cost:.2f} x** the multiplications of exact attention; **{chosen.misplaced:.1%}** of "
        f"a row's weight lies elsewhere; the error of the pattern is **{chosen.error:.3g}** "
        "(Frobenius, of its size)."
    )


def _charts(exact: Exact, tried: list[Tried], chosen: Tried) -> None:
    """Draw error against cost, and the singular values."""
    st.subheader("Error against cost", anchor=False)
    st.caption("Left is cheaper, down is nearer. The circle is what is shown above.")
    st.plotly_chart(
        cost_figure(tried, chosen=chosen, dark=is_dark()), key="learn cost", config=PLOTLY
    )
    with st.expander("The same as a table"):
        st.dataframe(
            pd.DataFrame(
                [(one.way, one.setting, one.cost, one.misplaced, one.error) for one in tried],
                columns=["way", "setting", "cost", "weight elsewhere", "error"],
            ),
            hide_index=True,
        )
    values, errors = singular_values(exact)
    st.subheader("How low its rank is", anchor=False)
    st.caption(
        "The fewer singular values are large, the better a matrix of low rank stands in for the "
        "pattern: no matrix of rank k comes nearer than the curve on the right."
    )
    rank = chosen.setting if chosen.way == "low rank" else None
    st.plotly_chart(
        spectrum_figure(values.numpy(), errors.numpy(), rank=rank, dark=is_dark()),
        key="learn spectrum",
        config=PLOTLY,
    )
