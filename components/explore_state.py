"""What a person sees, as one value: kept in the session, written to the URL, read back from it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from components import link_parameters as parameters
from viz.effects import TokenMethod, WeightKind
from viz.figures import SEQUENTIAL, Display
from viz.models.catalogue import DEFAULT
from viz.models.hub_address import pasted
from viz.patterns import LAYER, STATISTICS, Bounds
from viz.service import TextStore

SAMPLE = "The animal didn't cross the street because it was too tired."

# More largest weights of a row than this are as good as all.
MOST_TOP_K = 512


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a link reproduces.

    Attributes mirror `viz.service.Request` and `viz.figures.Display`; `token` is pinned, -1 is none;
    `media` names a picture or a sound that is kept here; `also` are heads selected beside the first,
    as "layer.head" with commas between; `rows` and `columns` are a span of a long text as
    "start-stop", empty for all; `statistic` is the number that is shown of every head;
    heads are sorted by `sort`, a statistic or `layer`, and those that are kept are within the bounds of
    `keep`, as "entropy:..1,layer:4..8"; `overlays` shows small heads of a picture over it; `predict` and
    `against` are the ids of the tokens, or the numbers of the classes, that are explained, -1 for the most probable, by
    their `measure`; `similar` is the text that a text is compared with where a model says neither; `effect` is the
    number that is shown of what each head does to them, `weighed` of each weight, and `attribution` of each token; `small` is what the small
    patterns of all heads show;
    `open` names the views that are open, with commas between.
    """

    model: str = DEFAULT
    revision: str = ""
    local: bool = False
    device: str = "auto"
    dtype: str = "auto"
    text: str = SAMPLE
    pair: str = ""
    media: str = ""
    stack: str = "self"
    layer: int = 0
    head: int = 0
    also: str = ""
    token: int = -1
    direction: Literal["looks at", "looked at by"] = "looks at"
    words: bool = False
    hide_special: bool = False
    without_sink: bool = False
    scale: Literal["linear", "log"] = "linear"
    threshold: float = 0.0
    top_k: int = 0
    palette: str = "cividis"
    rows: str = ""
    columns: str = ""
    statistic: str = "entropy"
    sort: str = "layer"
    descending: bool = False
    keep: str = ""
    overlays: bool = True
    predict: int = -1
    against: int = -1
    measure: Literal["difference", "logit", "log_probability"] = "difference"
    similar: str = ""
    effect: Literal["at_position", "share", "first_order"] = "at_position"
    weighed: str = "weight_gradient"
    attribution: str = "gradient_times_input"
    small: Literal["weight", "weight_gradient"] = "weight"
    open: str = ""

    @property
    def chosen(self) -> tuple[tuple[int, int], ...]:
        """All heads that are selected, (layer, head), the first first."""
        others = (tuple(map(int, one.split("."))) for one in self.also.split(",") if one)
        return tuple(dict.fromkeys([(self.layer, self.head), *((a, b) for a, b in others)]))

    @property
    def kept(self) -> dict[str, Bounds]:
        """What the heads on screen are within, both bounds included, by `layer` or statistic."""
        return _read_bounds(self.keep)

    @property
    def display(self) -> Display:
        """The display choices alone."""
        return Display(
            words=self.words,
            hide_special=self.hide_special,
            without_sink=self.without_sink,
            scale=self.scale,
            threshold=self.threshold,
            top_k=self.top_k or None,
            palette=self.palette,
        )


# The parts of a view that a run answers, and that belong to the text on screen.
ASKED = (
    *("model", "revision", "local", "device", "dtype", "text", "pair", "media"),
    *("token", "rows", "columns", "predict", "against", "measure", "similar"),
)

# What a first visit sees: the head whose "it" looks at "animal", with "it" pinned.
OPENING = View(layer=3, head=1, token=10)

# Always written, because a link without any parameters is a first visit.
WRITTEN = ("layer", "head")

STACK = re.compile(r"[a-z0-9_]{1,40}")
MEDIA = re.compile(r"[0-9a-f]{40}\.[a-z0-9]{2,4}")
ALSO = re.compile(r"\d{1,4}\.\d{1,4}(,\d{1,4}\.\d{1,4}){0,6}")
OPEN = re.compile(r"[a-z0-9_]{1,30}(,[a-z0-9_]{1,30}){0,9}")
SPANS = ("rows", "columns")
SPAN = re.compile(r"\d{1,9}-\d{1,9}")

NUMBER = r"((?:\d{1,9}(?:\.\d{1,9})?(?:e[+-]?\d{1,3})?)?)"
KEPT = re.compile(rf"([a-z]{{1,20}}):{NUMBER}\.\.{NUMBER}")

CHOICES = {
    "direction": ("looks at", "looked at by"),
    "scale": ("linear", "log"),
    "palette": SEQUENTIAL,
    "effect": ("at_position", "share", "first_order"),
    "small": ("weight", "weight_gradient"),
    "measure": ("difference", "logit", "log_probability"),
    "weighed": get_args(WeightKind),
    "attribution": get_args(TokenMethod),
}
BOUNDS = {
    **{"layer": 1e6, "head": 1e6, "token": 1e9, "top_k": MOST_TOP_K, "threshold": 1.0},
    **{"predict": 1e9, "against": 1e9},
}
LEAST = {"token": -1, "predict": -1, "against": -1}
LONG = ("text", "pair", "similar")

# Every parameter of a link to Explore.
KNOWN = parameters.known_names((field.name for field in fields(View)), LONG)

# Larger bounds only keep numbers from growing without end, and are not worth a word.
WORTH_SAYING = 1e6


# Heads are sorted by what they do to the prediction, the largest effect of the chosen method first.
EFFECT = "effect"


def orders() -> tuple[str, ...]:
    """Name what heads are sorted and kept by."""
    return LAYER, *STATISTICS.names


def choices() -> dict[str, tuple[str, ...]]:
    """Name the values of fields that have a few, statistics that were added among them."""
    return {**CHOICES, "statistic": STATISTICS.names, "sort": (*orders(), EFFECT)}


def to_query(view: View, texts: TextStore) -> dict[str, str]:
    """Write a view as query parameters, leaving out most that is usual; long texts by digest."""
    usual = View()
    query: dict[str, str] = {}
    for name, value in asdict(view).items():
        if value != getattr(usual, name) or name in WRITTEN:
            parameters.write(query, name, value, texts, long=name in LONG)
    return query


def from_query(query: Mapping[str, str], texts: TextStore) -> tuple[View, list[str]]:
    """Read a view out of query parameters; without any, what a first visit sees.

    Returns:
        The view, and a sentence for each parameter that could not be used.
    """
    strange = parameters.unknown(query, KNOWN)
    if not any(name in KNOWN for name in query):
        return OPENING, strange
    view, problems = parameters.read(View(), query, texts, _read, _allowed, long=LONG)
    problems = [*problems, *strange]
    model, revision, local = pasted(view.model, view.revision, local=view.local)
    return replace(view, model=model, revision=revision, local=local), problems


def written_bounds(kept: Mapping[str, Bounds]) -> str:
    """Write bounds as `View.keep` holds them; a bound that is infinite is left out."""
    return ",".join(
        f"{name}:{_written_bound(low)}..{_written_bound(high)}"
        for name, (low, high) in kept.items()
        if math.isfinite(low) or math.isfinite(high)
    )


def _written_bound(bound: float) -> str:
    return f"{bound:.6g}" if math.isfinite(bound) else ""


def _read_bounds(text: str) -> dict[str, Bounds]:
    """Read bounds that `written_bounds` wrote, or a person."""
    kept: dict[str, Bounds] = {}
    for one in text.split(",") if text else []:
        found = KEPT.fullmatch(one)
        if found is None or found[1] not in orders() or found[1] in kept:
            raise ValueError(text)
        low = float(found[2]) if found[2] else -math.inf
        high = float(found[3]) if found[3] else math.inf
        if low > high:
            raise ValueError(text)
        kept[found[1]] = (low, high)
    return kept


def _allowed(name: str, kind: type) -> str:
    """Say what a parameter must be."""
    most = BOUNDS.get(name, math.inf)
    return parameters.allowed_words(
        name,
        kind,
        choices=choices().get(name, ()),
        least=LEAST.get(name, 0) if name in BOUNDS else None,
        most=most if most < WORTH_SAYING else None,
    )


def _read(name: str, text: str, kind: type) -> Any:
    """Read one parameter as the type of its usual value."""
    if name in choices() and text not in choices()[name]:
        raise ValueError(text)
    if name == "stack" and not STACK.fullmatch(text):
        raise ValueError(text)
    if name == "media" and not MEDIA.fullmatch(text):
        raise ValueError(text)
    if name == "also" and not ALSO.fullmatch(text):
        raise ValueError(text)
    if name == "open" and not OPEN.fullmatch(text):
        raise ValueError(text)
    if name == "keep":
        _read_bounds(text)
    if name in SPANS and not SPAN.fullmatch(text):
        raise ValueError(text)
    if kind is bool:
        return parameters.boolean(text)
    value = kind(text)
    if name in BOUNDS and not LEAST.get(name, 0) <= value <= BOUNDS[name]:
        raise ValueError(text)
    return value
