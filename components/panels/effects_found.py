"""How effects come about, and which of them are on screen."""

from __future__ import annotations

from collections.abc import Callable

from components.explore_session import owner, view, workbench
from components.explore_state import EFFECT
from components.panels.find_on_demand import count, find_on_demand, telling_passes
from components.run_panel import RunPanel, Told
from components.session_state import remember
from viz.effects import Target
from viz.effects.found_effects import FoundEffects
from viz.service import Analysis, Request

# Capture, gradients, shares and knock-outs take about so many times the forward pass.
PASSES = 6

# Where each phase begins and ends, as shares of the whole, and what it is called.
PHASES = {
    "load": (0.0, 0.2, "Loading the model"),
    "forward": (0.2, 0.4, "Running the model"),
    "gradients": (0.4, 0.7, "Differentiating the prediction"),
    "shares": (0.7, 0.8, "Dividing the logit among heads"),
    "heads": (0.8, 1.0, "Knocking heads out"),
}

# Passes of the whole model that each phase takes: the capture, one forward and backward, and one watched.
PASSES_OF = {"forward": 1, "gradients": 2, "shares": 1}

EFFECTS = RunPanel("effects", hint="Try another prediction.")
EVERY_HEAD = RunPanel("effects every head", hint="Look at the estimates instead.")


def shown_effects() -> tuple[Request, Target]:
    """Name the effects on screen, which may be of a prediction from before.

    By what was asked, not by what came of it: that alone tells two texts apart that a third is compared with.
    """
    kept: tuple[Request, Target] = EFFECTS.kept
    return kept


def find_effects(analysis: Analysis, target: Target) -> FoundEffects | None:
    """Find the effects, once; where they cannot be, what was found before for the same run."""
    wanted = (analysis.request, target)
    before = workbench().known_effects(owner(), *wanted)
    heads = sum(record.heads for one in analysis.trace.stacks.values() for record in one.records)
    found = find_on_demand(
        EFFECTS,
        wanted,
        lambda tell: workbench().effects(owner(), *wanted, _counting(tell, heads)),
        kept=lambda: before,
        seconds=PASSES * analysis.seconds,
        verb="Find effects",
        phases=PHASES,
    )
    if found is None:
        return _before(analysis.request)
    found = _with_every_head(analysis, target, found)
    EFFECTS.keep(wanted)
    if before is None and view().sort == EFFECT:
        # The grid waits for its order.
        remember("view chose", True)
    return found


def _counting(tell: Told, heads: int) -> Callable[[str, float], None]:
    """Say beside the share of each phase how many passes are done, and of the last how many heads."""
    passes = telling_passes(tell, PASSES_OF)

    def progress(phase: str, share: float) -> None:
        if phase == "heads":
            tell(phase, share, count(round(share * heads), heads, "heads"))
        else:
            passes(phase, share)

    return progress


def _with_every_head(analysis: Analysis, target: Target, found: FoundEffects) -> FoundEffects:
    """Offer to knock each head out where that would take long."""
    if found.at_position is not None:
        EVERY_HEAD.clear()
        return found
    wanted = (analysis.request, target)
    heads = len(found.heads)
    whole = find_on_demand(
        EVERY_HEAD,
        wanted,
        lambda tell: workbench().every_head(owner(), *wanted, _counting(tell, heads)),
        kept=lambda: None,
        seconds=heads * analysis.seconds,
        verb=f"Knock out all {heads:,} heads",
        phases={"heads": (0.0, 1.0, "Knocking heads out")},
        ask=True,
        hint="Exact, with a pass for each head. Until then heads are shown by estimates.",
    )
    return found if whole is None else whole


def _before(request: Request) -> FoundEffects | None:
    """Return what was found last for a run, if that is still kept."""
    kept = EFFECTS.kept
    if kept is None or kept[0] != request:
        return None
    return workbench().known_effects(owner(), *kept)
