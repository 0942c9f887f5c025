"""The questions that pages ask of a replica; each gets its state, what progress is told to, and its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

from torch import Tensor

from viz.capture import Check
from viz.capture.layers.recorded_layer import Layer
from viz.effects import Effects, Target
from viz.service.background_statistics import Place
from viz.service.effect_runs import effect_name
from viz.service.effect_tile_data import EffectHead
from viz.service.ray.distant_drawing import DrawingState, state_of
from viz.service.ray.distant_effects import sent_of
from viz.service.ray.named_answer import NamedAnswer, layer_names
from viz.service.ray.references import EffectsReference, HeldResult, TokenizerReference
from viz.service.ray.replica import ReplicaState
from viz.service.ray.replica_jobs import Tell
from viz.service.run_request import model_key
from viz.service.run_result import Analysis, Request
from viz.service.tile_data import Head

# A picture or a sound: its content, and what its name ends in.
Media = tuple[bytes, str] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what.

    Attributes:
        owner: the unguessable name of the page.
        user: whose it is, in 43 letters that nobody can guess; pages of one user share a budget.
        request: what is run.
        media: the picture or the sound that it names, where it may not be kept in the replica.
    """

    owner: str
    user: str
    request: Request
    media: Media = None


# Runs.


def analyse(
    state: ReplicaState, tell: Tell, asked: Asked, first: Place | None, patience: float
) -> NamedAnswer:
    """Run what a page asks for; see `Workbench.analyse`."""
    _receive(state, asked)
    return _run(state, state.workbench.analyse(asked.owner, asked.request, tell, first, patience))


def capture(state: ReplicaState, tell: Tell, asked: Asked) -> NamedAnswer:
    """Run it without surveying its heads; see `Workbench.capture`."""
    _receive(state, asked)
    return _run(state, state.workbench.capture(asked.owner, asked.request, tell))


def news_of_run(state: ReplicaState, _tell: Tell, asked: Asked, known: int) -> NamedAnswer | bool:
    """Return a run of which more layers are surveyed than are known; else whether it is kept."""
    kept = state.workbench.captured(asked.owner, asked.request)
    if kept is None or kept.surveyed_layers <= known:
        return kept is not None
    return _run(state, kept)


def check(state: ReplicaState, tell: Tell, asked: Asked) -> Check:
    """Compare weights with the model's own; see `Workbench.check`."""
    _receive(state, asked)
    return state.workbench.check(asked.request, tell)


def before(state: ReplicaState, _tell: Tell, owner: str, user: str, request: Request | None) -> int:
    """Return how many runs would be before an owner's next one; see `Workbench.before`."""
    _note_user(state, owner, user)
    return state.workbench.before(owner, request)


def _run(state: ReplicaState, analysis: Analysis) -> NamedAnswer:
    # A page asks for parts by this name.
    state.workbench.show(analysis)
    held = HeldResult(state.replica, "run", analysis.token)
    tokenizer = TokenizerReference(held, model_key(analysis.request))
    return NamedAnswer(
        analysis, layer_names(analysis.trace, held) | {id(analysis.tokenizer): tokenizer}
    )


def _receive(state: ReplicaState, asked: Asked) -> None:
    """Note who asks, and keep what they bring."""
    _note_user(state, asked.owner, asked.user)
    if asked.media is not None:
        content, suffix = asked.media
        state.workbench.media.put(content, suffix)


def _note_user(state: ReplicaState, owner: str, user: str) -> None:
    """Note whose a page is, so that what it runs counts for their budget.

    Whether a page is open, and who may see what, is for the process that serves pages to know.
    """
    state.workbench.visitors.note(owner, user, lambda: True)


# Heads that are still being drawn.


def drawing(state: ReplicaState, _tell: Tell, asked: Asked) -> DrawingState | None:
    """Say how far the drawing of a run is; None where all of it is drawn."""
    found = state.workbench.drawing(asked.owner, asked.request)
    return None if found is None else state_of(found)


def look(state: ReplicaState, _tell: Tell, asked: Asked, first: Place | None) -> DrawingState:
    """Let a drawing go on; see `Drawing.look`."""
    found = state.workbench.drawing(asked.owner, asked.request)
    if found is None:
        return DrawingState(1, 1, 1.0, is_done=True, is_going=False, has_failed=False)
    found.look(first)
    return state_of(found)


def rest(state: ReplicaState, _tell: Tell, asked: Asked) -> None:
    """Stop a drawing; see `Drawing.rest`."""
    found = state.workbench.drawing(asked.owner, asked.request)
    if found is not None:
        found.rest()


# Layers.


def rows(
    _state: ReplicaState, _tell: Tell, layer: Layer, heads: slice, wanted: Tensor
) -> tuple[Tensor, int]:
    """Compute exact rows of weights."""
    return layer.rows(heads, wanted.to(layer.tensors[0].device))


def may_look(_state: ReplicaState, _tell: Tell, layer: Layer, wanted: Tensor) -> Tensor:
    """Say which keys rows may look at."""
    return layer.may_look(wanted.to(layer.tensors[0].device))


def whole(_state: ReplicaState, _tell: Tell, layer: Layer) -> Layer:
    """Return all of a layer, on its way to the CPU."""
    return layer


# Tiles.


def tiles(
    state: ReplicaState,
    tell: Tell,
    source: Literal["tiles", "effect_tiles"],
    method: str,
    asked: Head | EffectHead,
    args: tuple[Any, ...],
    options: dict[str, Any],
    is_cancellable: bool,
) -> Any:
    """Compute what a browser asks for of a head, by a method of `Tiles` or `EffectTiles`."""
    more = {"going": tell} if is_cancellable else {}
    return getattr(getattr(state.workbench, source), method)(asked, *args, **options, **more)


def units(state: ReplicaState, _tell: Tell, token: str, stack: str) -> Any:
    """Lay out the texts of both axes; see `Tiles.units`."""
    return state.workbench.tiles.units(token, stack)


# Effects.


def effects(state: ReplicaState, tell: Tell, asked: Asked, target: Target) -> NamedAnswer:
    """Find out what a prediction rests on; see `Workbench.effects`."""
    _receive(state, asked)
    found = state.workbench.effects(asked.owner, asked.request, target, tell)
    return _effects(state, asked, target, found)


def every_head(state: ReplicaState, tell: Tell, asked: Asked, target: Target) -> NamedAnswer:
    """Knock each head out; see `Workbench.every_head`."""
    _receive(state, asked)
    found = state.workbench.every_head(asked.owner, asked.request, target, tell)
    return _effects(state, asked, target, found)


def has_effects(state: ReplicaState, _tell: Tell, asked: Asked, target: Target) -> bool:
    """Whether effects are kept."""
    return state.workbench.known_effects(asked.owner, asked.request, target) is not None


def of_effects(
    state: ReplicaState,
    tell: Tell,
    asked: Asked,
    found: Effects,
    reference: EffectsReference,
    question: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
    is_told: bool,
) -> NamedAnswer:
    """Call a function with effects."""
    more = {"progress": tell} if is_told else {}
    _receive(state, asked)
    with state.workbench.turn(asked.owner, tell, asked.request):
        answer = question(found, *args, **options, **more)
    return NamedAnswer(answer, layer_names(found.trace, reference.held))


def _effects(state: ReplicaState, asked: Asked, target: Target, found: Effects) -> NamedAnswer:
    held = HeldResult(state.replica, "effects", effect_name(asked.owner, asked.request, target))
    sent = (EffectsReference(held), sent_of(found))
    return NamedAnswer(sent, layer_names(found.trace, held))


def logit_lens(state: ReplicaState, tell: Tell, asked: Asked) -> dict[str, Any]:
    """Find out what would be predicted after each layer, all of it but the trace; see `Workbench.logit_lens`."""
    _receive(state, asked)
    found = state.workbench.logit_lens(asked.owner, asked.request, tell)
    return {one.name: getattr(found, one.name) for one in fields(found) if one.name != "trace"}


# Models.


def of_loaded(
    state: ReplicaState,
    _tell: Tell,
    request: Request,
    question: Callable[..., Any],
    args: tuple[Any, ...],
) -> Any:
    """Call a function with a model that is loaded already; None where it is not."""
    return state.workbench.of_loaded(request, question, *args)


def of_model(
    state: ReplicaState,
    tell: Tell,
    request: Request,
    question: Callable[..., Any],
    args: tuple[Any, ...],
) -> Any:
    """Call a function with a model, loaded for that."""
    return state.workbench.of_model(request, tell, question, *args)


def devices(state: ReplicaState, _tell: Tell) -> list[str]:
    """Name what models may be asked to run on where a replica is."""
    return state.workbench.devices()


def tokenizer(state: ReplicaState, _tell: Tell, run: HeldResult) -> object:
    """Return the tokenizer of a run's model.

    Raises:
        GoneError: the run is not kept any more.
    """
    return state.held(run).tokenizer
