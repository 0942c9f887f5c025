"""What the numbers of a head are called, by what the axes of its stack count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from viz.capture.layers.heard_layer import heard_in_all, on_padding
from viz.capture.stack import Stack
from viz.inputs.frame_times import times_of
from viz.patterns import STATISTICS
from viz.service import Analysis

# A sound whose loudest sample is below this, of 1, is all but silent (-60 dB).
FAINT = 1e-3

# Seconds that times of frames, which are written with two digits, may be off.
ROUNDED = 0.05


@dataclass(frozen=True, slots=True)
class Words:
    """How a statistic is spoken of.

    Attributes:
        field: of `viz.patterns.Statistics`.
        name: in a list of statistics, with its unit.
        beside: before a number, and over a column.
        unit: of the number, or empty.
        meaning: one line for who does not know it.
        palette: of its heatmap; None for the one that is chosen for patterns.
    """

    field: str
    name: str
    beside: str
    unit: str
    meaning: str
    palette: str | None = None

    @property
    def short(self) -> str:
        """What a line begins with."""
        return self.beside[:1].upper() + self.beside[1:]


def statistics_of(stack: Stack) -> dict[str, Words]:
    """Name the statistics that mean something for a stack; across two texts there is no distance."""
    unit = stack.keys.kind
    # A class token before the patches is none of them.
    named = unit != "token" and stack.keys.special[:1] == (True,)
    first = stack.keys.labels[0] if named else f"first {unit}"
    words = {
        "unit": unit,
        "units": plural(unit),
        "first": first,
        "the_first": first if named else f"the {first}",
    }
    return {
        name: Words(
            field=one.field,
            name=one.title.format(**words),
            beside=one.short.format(**words),
            unit=one.unit.format(**words),
            meaning=one.meaning.format(**words),
            palette=one.palette,
        )
        for name, one in STATISTICS.items()
        if stack.aligned or not one.needs_alignment
    }


def left_out(stack: Stack) -> str:
    """Say why a stack has no distance; empty where it has."""
    if stack.aligned:
        return ""
    looking, seen = plural(stack.queries.kind), plural(stack.keys.kind)
    whose = (
        f"{looking} attend to {seen}"
        if looking != seen
        else f"the {seen} are those of another text"
    )
    return f"No distance, current or previous {stack.keys.kind}: {whose}."


def size_of(stack: Stack) -> str:
    """Say how many rows and columns a pattern has, and of what."""
    rows, columns = f"{len(stack.queries):,}", f"{len(stack.keys):,}"
    looking, seen = stack.queries.kind, stack.keys.kind
    if looking == seen:
        return f"{rows} x {columns} {plural(seen)}"
    return f"{rows} {plural(looking)} x {columns} {plural(seen)}"


def plural(kind: str) -> str:
    """Return the plural of what a unit is."""
    return f"{kind}es" if kind.endswith("ch") else f"{kind}s"


def hardly_heard(analysis: Analysis) -> str:
    """Say that a model heard or read nothing to write down, or that there is hardly anything to hear."""
    silent = not (analysis.written or "").strip()
    if analysis.loudness is None:
        return "It writes nothing." if silent else ""
    loudest = float(analysis.loudness[0].max(initial=0))
    faint = f"its loudest sample is {loudest:.2g} of 1" if loudest < FAINT else ""
    if silent:
        why = f": {faint}" if faint else ""
        return f"Nothing was heard: the model writes no words for this sound{why}. Give one with speech in it."
    return (
        f"The sound is all but silent, {faint}: what the model writes may be made up."
        if faint
        else ""
    )


def padding_words(
    stack: Stack, layer: int, head: int, seconds: float, query: int | None = None
) -> str:
    """Say how much weight lies on the silence that fills a sound up; empty where none was left out.

    Args:
        stack: of the sound, without that silence.
        layer: of the head.
        head: in its layer.
        seconds: how long the sound is.
        query: whose weight is meant; all queries' mean by default.
    """
    whole = heard_in_all(stack)
    if whole is None:
        return ""
    lost = on_padding(stack, layer, head)
    share = float(lost.mean() if query is None else lost[query])
    whose = "of this head's weight, on average over its rows," if query is None else "of the weight"
    return (
        f"The sound ends at {seconds:.1f} s; {percent(share)} {whose} lies on the silence that fills it up "
        f"to the model's {whole:.0f} s, which is left out here."
    )


def percent(share: float) -> str:
    """Write a share of 1 in percent, small ones to a digit that tells them from nothing."""
    if share == 0 or share >= 0.0995:
        return f"{share:.0%}"
    return "under 0.1%" if share < 0.001 else f"{share:.1%}"


def unheard(stacks: Iterable[Stack], seconds: float) -> str:
    """Say how much of a sound the model hears, if it does not hear all of it; else nothing.

    Args:
        stacks: of one trace; those whose keys are frames tell.
        seconds: how long the sound is.
    """
    frames = [times for stack in stacks if (times := times_of(stack.keys)) is not None]
    heard = max((float(2 * times[-1] - times[-2]) for times in frames if len(times) > 1), default=0)
    if not 0 < heard < seconds - ROUNDED:
        return ""
    return f"The model hears the first {heard:.0f} s of {seconds:.0f}; the rest is left out."
