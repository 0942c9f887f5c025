"""A list of models on the first side's text: read from what somebody wrote, and run one after the other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamlit.delta_generator import DeltaGenerator

from components.compare_state import CompareView, SideView
from components.explore_session import owner, workbench
from components.panels.compare.memory_budget import require_room
from components.run_panel import RunPanel, defect, progress_bar
from components.session_state import forget, recall_or_begin
from viz.errors import BudgetError, LoupeError
from viz.models.folders import model_roots
from viz.models.model_list import Listed, read_models, short_names
from viz.service import Analysis, Request

log = logging.getLogger(__name__)

RUN = RunPanel("compare models", "Leave the model out.")

# What could not be run, and why: that is found slowly, and once. Run tries it again.
FAILED = "compare models failed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the list is run on; it names what is on screen, too."""

    side: SideView
    models: str


@dataclass(frozen=True, slots=True)
class Run:
    """A model of the list that has been run.

    Attributes:
        place: in the list, the base's being 0.
        name: short, and like no other's.
        model: which it is.
        analysis: what came of it.
    """

    place: int
    name: str
    model: Listed
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Tried:
    """The models of a list.

    Attributes:
        side: that they are run for.
        runs: of those that could be run, the base's first.
        failed: names of those that could not, and why.
    """

    side: SideView
    runs: tuple[Run, ...]
    failed: tuple[tuple[str, LoupeError], ...]


def asked(seen: CompareView) -> Asked:
    """Say what is to be run; which head is looked at changes no run."""
    return Asked(replace(seen.first, heads="0.0", stack=""), seen.models)


def reading(side: SideView, model: Listed) -> SideView:
    """Let another model read what a side reads."""
    return replace(side, model=model.model, revision=model.revision, local=model.local)


def tried(seen: CompareView, slot: DeltaGenerator) -> Tried | None:
    """Return the runs of the models, made where they are missing; the earlier ones where that fails."""
    wanted = asked(seen)

    def work() -> Tried | None:
        models = read_models(wanted.models, model_roots())
        requests = [reading(wanted.side, model).request for model in models]
        failed = _failed()
        missing = [
            number
            for number, request in enumerate(requests)
            if request not in failed and workbench().captured(owner(), request) is None
        ]
        if missing and RUN.is_stopped(wanted):
            slot.caption(f"Stopped with {len(missing)} of {len(models)} models to go; Run goes on.")
            # What was run before Cancel is worth seeing.
            return _found(wanted, models, requests)
        if missing:
            _run(wanted, short_names(models), requests, missing, slot)
        base = failed.get(requests[0])
        if base is not None:
            raise LoupeError(
                f"The base {models[0].line} cannot be run: {base.message}", base.hint
            ) from base
        found = _found(wanted, models, requests)
        if found is None:
            raise BudgetError(
                "All runs together are more than what is kept at a time.", "Leave some models out."
            )
        RUN.keep((wanted, models))
        return found

    return RUN.attempt(work) or before()


def before() -> Tried | None:
    """Return the models that were drawn last, as far as they are still kept."""
    drawn: tuple[Asked, tuple[Listed, ...]] | None = RUN.kept
    if drawn is None:
        return None
    wanted, models = drawn
    return _found(wanted, models, [reading(wanted.side, model).request for model in models])


def go_on() -> None:
    """Let what was stopped go on, and what failed be tried again."""
    RUN.go_on()
    forget(FAILED)


def _failed() -> dict[Request, LoupeError]:
    failed: dict[Request, LoupeError] = recall_or_begin(FAILED, {})
    return failed


def _found(wanted: Asked, models: Sequence[Listed], requests: Sequence[Request]) -> Tried | None:
    """Gather the runs that are kept; none where the base's is not."""
    failed = _failed()
    names = short_names(models)
    kept = [workbench().captured(owner(), request) for request in requests]
    runs = tuple(
        Run(number, names[number], models[number], analysis)
        for number, analysis in enumerate(kept)
        if analysis is not None
    )
    if kept[0] is None:
        return None
    lost = tuple(
        (name, failed[request])
        for name, request in zip(names, requests, strict=True)
        if request in failed
    )
    return Tried(wanted.side, runs, lost)


def _run(
    wanted: Asked,
    names: Sequence[str],
    requests: Sequence[Request],
    missing: Sequence[int],
    slot: DeltaGenerator,
) -> None:
    """Run models one after the other; what goes wrong with one is noted, and the next one's turn comes.

    Raises:
        BudgetError: all of them are more than is kept.
    """
    failed = _failed()
    with progress_bar(
        slot,
        len(missing),
        names=[names[number] for number in missing],
        key="compare models cancel",
        on_cancel=lambda: RUN.stop(wanted),
    ) as told:
        for done, number in enumerate(missing):
            if number > 0:
                base = workbench().captured(owner(), requests[0])
                if base is None:
                    # Nothing could be compared with it.
                    return
                require_room(
                    base.trace.memory_bytes,
                    len(requests),
                    "models like the base",
                    "Leave some out, or shorten the first text.",
                )
            try:
                workbench().capture(owner(), requests[number], told(done))
            except LoupeError as error:
                failed[requests[number]] = error
            except Exception:
                log.exception("A model of the list failed")
                failed[requests[number]] = defect(RUN.hint)
    for number in missing:
        request = requests[number]
        if request not in failed and workbench().captured(owner(), request) is None:
            failed[request] = BudgetError(
                "Beside the other runs it is more than what is kept at a time.", "Leave some out."
            )
