"""What two sides of a comparison show, as one value: kept in the session, written to the URL and read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from components import link_parameters as parameters
from components.explore_state import MEDIA, SAMPLE, STACK
from viz.analysis import opening_stack
from viz.capture.stack import Stack
from viz.compare.compared_side import Head
from viz.models.catalogue import DEFAULT
from viz.models.hub_address import pasted
from viz.service import Request, TextStore

# Heads of a side: all, a layer's, one, or several.
HEADS = re.compile(r"all|\d{1,4}|\d{1,4}\.\d{1,4}(,\d{1,4}\.\d{1,4}){0,63}")

# The rows and the columns of a part of a pattern, as 120-340,0-512; empty for the whole.
SPAN = re.compile(r"(?:\d{1,9}-\d{1,9},\d{1,9}-\d{1,9})?")

# The name of a training, or none.
RUN = re.compile(r"(?:[0-9a-f]{24})?")

MODES = ("difference", "overlay", "flicker")
PARTS = ("rows", "changed", "heads", "edits", "steps")
EDITS_AS = ("edits", "template", "csv")
ALONG = ("training", "models")
OTHER = "other_"

# Heads that a sentence names.
MOST_SAID = 3
ALL = "all"


@dataclass(frozen=True, slots=True)
class SideView:
    """What one side shows.

    Attributes:
        model: a catalogue name, a hub id, or a folder.
        revision: of a hub model.
        local: whether `model` is a folder.
        text: that it reads.
        pair: a second text, or what an encoder-decoder writes.
        media: a picture or a sound that is kept here, by its name; empty for none.
        stack: by name; where it is empty the one that is seen first.
        heads: `all`, a layer as `3`, a head as `3.1`, or several with commas between.
    """

    model: str = DEFAULT
    revision: str = ""
    local: bool = False
    text: str = SAMPLE
    pair: str = ""
    media: str = ""
    stack: str = ""
    heads: str = "0.0"

    @property
    def request(self) -> Request:
        """What has to be run for it."""
        return Request(
            model=self.model,
            text=self.text,
            pair=self.pair if self.pair.strip() else None,
            revision=self.revision or None,
            local=self.local,
            media=self.media,
        )


@dataclass(frozen=True, slots=True)
class CompareView:
    """Everything that a link reproduces.

    Attributes:
        first: the first side.
        second: the second side; in a link only what differs from the first.
        aggregate: makes one pattern of several heads.
        words: whether words are compared where units are parts of them.
        how: whether units belong together by text or by position.
        pairing: phrases that belong together, one pair a line, as "animal = Tier".
        mode: what the third panel shows.
        row: the common row that is chosen, -1 for none.
        span: the common rows and columns that are looked at closer, as `120-340,0-512`; empty for all.
        part: what stands below the patterns.
        edits: what makes minimal pairs of the first text, as `edits_as` says.
        edits_as: whether `edits` is a list of edits, a template with slots, or a table.
        every: take every combination of a template's choices.
        template: whose slots the columns of a table fill; "" where it has whole texts.
        along: whether the checkpoints of a training are followed, or a list of models.
        run: the training whose checkpoints are compared.
        models: those of the list, one a line, the base first.
        step: what stands beside the first, -1 for the last: a checkpoint of the training by its step, or a
            model by its place in the list, the base's being 0.
    """

    first: SideView = field(default_factory=SideView)
    second: SideView = field(default_factory=SideView)
    aggregate: Literal["mean", "max"] = "mean"
    words: bool = False
    how: Literal["text", "position"] = "text"
    pairing: str = ""
    mode: Literal["difference", "overlay", "flicker"] = "difference"
    row: int = -1
    span: str = ""
    part: Literal["rows", "changed", "heads", "edits", "steps"] = "rows"
    edits: str = ""
    edits_as: Literal["edits", "template", "csv"] = "edits"
    every: bool = False
    template: str = ""
    along: Literal["training", "models"] = "training"
    run: str = ""
    models: str = ""
    step: int = -1

    @property
    def sides(self) -> tuple[SideView, SideView]:
        """Both sides."""
        return self.first, self.second

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The phrases that belong together; a line without a sign between is paired with nothing."""
        lines = (line.split("=", 1) for line in self.pairing.splitlines() if line.strip())
        return tuple((line[0].strip(), line[1].strip() if len(line) > 1 else "") for line in lines)


# What a first visit sees: one word changes, and with it where "it" looks.
OPENING = CompareView(
    first=SideView(heads="3.1"),
    second=SideView(text=SAMPLE.replace("tired", "wide"), heads="3.1"),
)

CHOICES = {
    "aggregate": ("mean", "max"),
    "how": ("text", "position"),
    "mode": MODES,
    "part": PARTS,
    "edits_as": EDITS_AS,
    "along": ALONG,
}
LONG = ("text", "pair", "pairing", "edits", "template", "models")

SIDE = parameters.known_names((one.name for one in fields(SideView)), LONG)
OWN = parameters.known_names((one.name for one in fields(CompareView)), LONG)

# Every parameter of a link to Compare; none names a side as a whole.
KNOWN = [
    *SIDE,
    *(OTHER + name for name in SIDE),
    *(one for one in OWN if one not in ("first", "second")),
]


def to_query(view: CompareView, texts: TextStore) -> dict[str, str]:
    """Write a view as query parameters; of the second side what differs; long texts by digest."""
    usual = CompareView()
    # The heads are always written, because a link without parameters is a first visit.
    query = _written("", view.first, usual.first, texts, always=("heads",))
    query |= _written(OTHER, view.second, view.first, texts)
    return query | _written("", view, usual, texts)


def from_query(query: Mapping[str, str], texts: TextStore) -> tuple[CompareView, list[str]]:
    """Read a view out of query parameters; without any, what a first visit sees.

    Returns:
        The view, and a sentence for each parameter that could not be used.
    """
    strange = parameters.unknown(query, KNOWN)
    if not any(name in KNOWN for name in query):
        return OPENING, strange
    first, problems = parameters.read(SideView(), query, texts, _read, _allowed, long=LONG)
    second, more = parameters.read(first, query, texts, _read, _allowed, long=LONG, prefix=OTHER)
    view, rest = parameters.read(
        CompareView(first=_plain(first), second=_plain(second)),
        _own(query),
        texts,
        _read,
        _allowed,
        long=LONG,
    )
    return view, [*problems, *more, *rest, *strange]


def _written(
    prefix: str,
    shown: SideView | CompareView,
    usual: SideView | CompareView,
    texts: TextStore,
    always: tuple[str, ...] = (),
) -> dict[str, str]:
    """Write what is unlike the usual; sides are written by themselves."""
    query: dict[str, str] = {}
    for one in fields(shown):
        value = getattr(shown, one.name)
        unlike = value != getattr(usual, one.name) or one.name in always
        if unlike and not isinstance(value, SideView):
            parameters.write(query, prefix + one.name, value, texts, long=one.name in LONG)
    return query


def _plain(side: SideView) -> SideView:
    """Read the address of a model's page as what it names."""
    model, revision, local = pasted(side.model, side.revision, local=side.local)
    return replace(side, model=model, revision=revision, local=local)


def _own(query: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would name a side as a whole, which no parameter does."""
    return {name: value for name, value in query.items() if name not in ("first", "second")}


def _allowed(name: str, kind: type) -> str:
    """Say what a parameter must be."""
    return parameters.allowed_words(
        name, kind, choices=CHOICES.get(name, ()), least=-1 if kind is int else None
    )


def _read(name: str, text: str, kind: type) -> Any:
    """Read one parameter as the type of its usual value."""
    if name in CHOICES and text not in CHOICES[name]:
        raise ValueError(text)
    if name == "heads" and not HEADS.fullmatch(text):
        raise ValueError(text)
    if name == "stack" and text and not STACK.fullmatch(text):
        raise ValueError(text)
    if name == "media" and text and not MEDIA.fullmatch(text):
        raise ValueError(text)
    if kind is bool:
        return parameters.boolean(text)
    if name == "span" and not SPAN.fullmatch(text):
        raise ValueError(text)
    value = kind(text)
    if name == "run" and not RUN.fullmatch(text):
        raise ValueError(text)
    if name in ("row", "step") and not -1 <= value <= 10**9:
        raise ValueError(text)
    return value


def chosen_heads(side: SideView, stacks: Mapping[str, Stack]) -> tuple[Stack, tuple[Head, ...]]:
    """Return a side's stack and heads; those that a trace does not have move to the nearest it has."""
    stack = stacks[side.stack] if side.stack in stacks else opening_stack(stacks)
    if side.heads == ALL:
        layers = range(stack.layers)
    elif "." not in side.heads:
        layers = range(nearest := min(int(side.heads), stack.layers - 1), nearest + 1)
    else:
        named = (tuple(map(int, one.split("."))) for one in side.heads.split(","))
        return stack, tuple(dict.fromkeys(_inside(stack, *one) for one in named))
    return stack, tuple((layer, head) for layer in layers for head in range(stack.heads(layer)))


def missing_heads(side: SideView, stacks: Mapping[str, Stack]) -> str:
    """Say which stack, layer or heads of a side a trace does not have; "" where it has them all."""
    stack, heads = chosen_heads(side, stacks)
    missing, shown = [], []
    if side.stack and side.stack not in stacks:
        missing.append(f"stack {side.stack!r}")
        shown.append(f"stack {stack.name!r}")
    if side.heads != ALL and "." not in side.heads:
        if int(side.heads) != heads[0][0]:
            missing.append(f"layer {side.heads}")
            shown.append(f"layer {heads[0][0]}")
    elif side.heads != ALL:
        for one in side.heads.split(","):
            layer, head = map(int, one.split("."))
            nearest = _inside(stack, layer, head)
            if nearest != (layer, head):
                missing.append(f"layer {layer} head {head}")
                shown.append("layer {} head {}".format(*nearest))
    if not missing:
        return ""
    more = len(missing) - MOST_SAID
    beside = f" and {more} more" if more > 0 else ""
    return (
        f"The model has no {', '.join(missing[:MOST_SAID])}{beside}, "
        f"so {', '.join(dict.fromkeys(shown[:MOST_SAID]))} is shown."
    )


def _inside(stack: Stack, layer: int, head: int) -> Head:
    """Return the nearest head that a stack has."""
    layer = min(layer, stack.layers - 1)
    return layer, min(head, stack.heads(layer) - 1)


def written_heads(heads: tuple[Head, ...]) -> str:
    """Write heads as `SideView.heads` holds them."""
    return ",".join(f"{layer}.{head}" for layer, head in heads)
