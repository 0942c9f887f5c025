"""Minimal pairs of the first side's text: read from what somebody wrote, and run one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamlit.delta_generator import DeltaGenerator

from components.compare_state import CompareView, SideView
from components.explore_session import owner, workbench
from components.panels.compare.memory_budget import require_room
from components.run_panel import RunPanel, progress_bar
from viz.compare import Variants, edited, filled, from_csv
from viz.compare.text_template import read_template
from viz.errors import BudgetError, LoupeError, TextError
from viz.service import Analysis, Request

RUN = RunPanel("compare edits", "Try other edits.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What makes minimal pairs; it names what is on screen, too."""

    side: SideView
    edits: str
    edits_as: str
    every: bool
    template: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A base and its variants that have been run, in the same order."""

    variants: Variants
    base: Analysis
    others: tuple[Analysis, ...]


def asked(seen: CompareView) -> Asked:
    """Say what makes the pairs; which head is looked at changes no run."""
    side = replace(seen.first, heads="0.0", stack="")
    return Asked(side, seen.edits, seen.edits_as, seen.every, seen.template)


def read(wanted: Asked) -> Variants:
    """Read what somebody wrote into a base text and its variants.

    Raises:
        LoupeError: it cannot be read so, for the reason it gives.
    """
    if wanted.edits_as == "template":
        return filled(wanted.edits, every=wanted.every)
    if wanted.edits_as == "csv":
        content = wanted.edits.encode("utf-8", "surrogatepass")
        return read_table(content, wanted.side.text, wanted.template)
    return edited(wanted.side.text, wanted.edits.split("\n"))


def read_table(content: bytes, base: str, template: str = "") -> Variants:
    """Read the variants of a base text, or of a template's, from a CSV.

    Raises:
        StorageError: the file is too large, or no table of text.
        TextError: it has no column of texts, its columns are not the template's slots, it has no row or too
            many, or a text is empty.
    """
    if template.strip():
        if not read_template(template).slots:
            raise TextError("The template has no slot.", 'Write one as in "The {animal} slept."')
        return from_csv(content, template)
    # A text without slots is a template of itself, once its braces are no slots.
    return from_csv(content, base.replace("{", "{{").replace("}", "}}"))


def tried(seen: CompareView, slot: DeltaGenerator) -> Tried | None:
    """Return the base's and the variants' runs, made where they are missing; else the earlier ones."""
    wanted = asked(seen)

    def work() -> Tried | None:
        variants = read(wanted)
        requests = _requests(wanted, variants)
        missing = _missing(requests)
        if missing and RUN.is_stopped(wanted):
            slot.caption(
                f"Stopped with {len(missing):,} of {len(requests):,} texts to go; Run goes on."
            )
            return None
        if missing:
            _run(wanted, variants, requests, missing, slot)
        found = _found(wanted, variants)
        if found is None:
            raise BudgetError(
                "All runs together are more than what is kept at a time.", "Leave some edits out."
            )
        RUN.keep(wanted)
        return found

    return RUN.attempt(work) or before()


def before() -> Tried | None:
    """Return the pairs that were drawn last, if they are still kept."""
    drawn: Asked | None = RUN.kept
    return None if drawn is None else _found(drawn, read(drawn))


def _requests(wanted: Asked, variants: Variants) -> list[Request]:
    return [replace(wanted.side, text=variant.text).request for variant in variants]


def _missing(requests: Sequence[Request]) -> list[int]:
    return [
        number
        for number, request in enumerate(requests)
        if workbench().captured(owner(), request) is None
    ]


def _found(wanted: Asked, variants: Variants) -> Tried | None:
    runs = [workbench().captured(owner(), request) for request in _requests(wanted, variants)]
    there = tuple(run for run in runs if run is not None)
    return Tried(variants, there[0], there[1:]) if len(there) == len(runs) else None


def _run(
    wanted: Asked,
    variants: Variants,
    requests: Sequence[Request],
    missing: Sequence[int],
    slot: DeltaGenerator,
) -> None:
    with progress_bar(
        slot, len(missing), key="compare edits cancel", on_cancel=lambda: RUN.stop(wanted)
    ) as told:
        for done, number in enumerate(missing):
            try:
                analysis = workbench().capture(owner(), requests[number], told(done))
            except LoupeError as error:
                title = variants.every[number].title
                raise LoupeError(f"“{title}” cannot be run: {error.message}", error.hint) from error
            require_room(
                analysis.trace.memory_bytes,
                len(requests),
                "texts of this length",
                "Leave some out, or shorten the base text.",
            )
