"""The questions that pages ask of a replica; each gets its site, what progress is told to, and its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from viz.capture import Check
from viz.capture.layers.recorded_layer import Layer
from viz.effects import Effects, Target
from viz.errors import GoneError
from viz.service.background_statistics import Place
from viz.service.effect_runs import effect_name
from viz.service.effect_tile_data import EffectHead
from viz.service.ray.distant_drawing import DrawingState, state_of
from viz.service.ray.distant_effects import EffectsCard, card_of
from viz.service.ray.kept_here import Kept, layer_names
from viz.service.ray.references import EffectsReference, Held, TokenizerReference
from viz.service.ray.replica import Site
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


def analyse(site: Site, tell: Tell, asked: Asked, first: Place | None, patience: float) -> Kept:
    """Run what a page asks for; see `Workbench.analyse`."""
    _receive(site, asked)
    return _run(site, site.workbench.analyse(asked.owner, asked.request, tell, first, patience))


def capture(site: Site, tell: Tell, asked: Asked) -> Kept:
    """Run it without surveying its heads; see `Workbench.capture`."""
    _receive(site, asked)
    return _run(site, site.workbench.capture(asked.owner, asked.request, tell))


def news_of_run(site: Site, _tell: Tell, asked: Asked, known: int) -> Kept | bool:
    """Return a run of which more layers are surveyed than are known; else whether it is kept."""
    kept = site.workbench.captured(asked.owner, asked.request)
    if kept is None or kept.surveyed_layers <= known:
        return kept is not None
    return _run(site, kept)


def check(site: Site, tell: Tell, asked: Asked) -> Check:
    """Compare weights with the model's own; see `Workbench.check`."""
    _receive(site, asked)
    return site.workbench.check(asked.request, tell)


def before(site: Site, _tell: Tell, owner: str, user: str, request: Request | None) -> int:
    """Return how many runs would be before an owner's next one; see `Workbench.before`."""
    site.workbench.visitors.note(owner, user, lambda: True)
    return site.workbench.before(owner, request)


def _run(site: Site, analysis: Analysis) -> Kept:
    # A page asks for parts by this name.
    site.workbench.show(analysis)
    names = layer_names(analysis.trace, Held(site.replica, "run", analysis.token))
    tokenizer = TokenizerReference(site.replica, model_key(analysis.request))
    return Kept(analysis, names | {id(analysis.tokenizer): tokenizer})


def _receive(site: Site, asked: Asked) -> None:
    """Note who asks, and keep what they bring."""
    site.workbench.visitors.note(asked.owner, asked.user, lambda: True)
    if asked.media is not None:
        content, suffix = asked.media
        site.workbench.media.put(content, suffix)


# Heads that are still being drawn.


def drawing(site: Site, _tell: Tell, asked: Asked) -> DrawingState | None:
    """Say how far the drawing of a run is; None where all of it is drawn."""
    found = site.workbench.drawing(asked.owner, asked.request)
    return None if found is None else state_of(found)


def look(site: Site, _tell: Tell, asked: Asked, first: Place | None) -> DrawingState:
    """Let a drawing go on; see `Drawing.look`."""
    found = site.workbench.drawing(asked.owner, asked.request)
    if found is None:
        return DrawingState(1, 1, 1.0, is_done=True, is_going=False, has_failed=False)
    found.look(first)
    return state_of(found)


def rest(site: Site, _tell: Tell, asked: Asked) -> None:
    """Stop a drawing; see `Drawing.rest`."""
    found = site.workbench.drawing(asked.owner, asked.request)
    if found is not None:
        found.rest()


# Layers.


def rows(
    _site: Site, _tell: Tell, layer: Layer, heads: slice, wanted: Tensor
) -> tuple[Tensor, int]:
    """Compute exact rows of weights."""
    return layer.rows(heads, wanted.to(layer.tensors[0].device))


def may_look(_site: Site, _tell: Tell, layer: Layer, wanted: Tensor) -> Tensor:
    """Say which keys rows may look at."""
    return layer.may_look(wanted.to(layer.tensors[0].device))


def whole(_site: Site, _tell: Tell, layer: Layer) -> Layer:
    """Return all of a layer, on its way to the CPU."""
    return layer


# Tiles.


def tiles(
    site: Site,
    tell: Tell,
    method: str,
    head: Head,
    args: tuple[Any, ...],
    options: dict[str, Any],
    is_cancellable: bool,
) -> Any:
    """Compute what a browser asks for of a head's weights, by a method of `Tiles`."""
    more = {"going": tell} if is_cancellable else {}
    return getattr(site.workbench.tiles, method)(head, *args, **options, **more)


def effect_tiles(
    site: Site,
    tell: Tell,
    method: str,
    asked: EffectHead,
    args: tuple[Any, ...],
    is_cancellable: bool,
) -> Any:
    """Compute what a browser asks for of what weights do, by a method of `EffectTiles`."""
    more = {"going": tell} if is_cancellable else {}
    return getattr(site.workbench.effect_tiles, method)(asked, *args, **more)


def units(site: Site, _tell: Tell, token: str, stack: str) -> Any:
    """Lay out the texts of both axes; see `Tiles.units`."""
    return site.workbench.tiles.units(token, stack)


# Effects.


def effects(site: Site, tell: Tell, asked: Asked, target: Target) -> Kept:
    """Find out what a prediction rests on; see `Workbench.effects`."""
    _receive(site, asked)
    found = site.workbench.effects(asked.owner, asked.request, target, tell)
    return _effects(site, asked, target, found)


def every_head(site: Site, tell: Tell, asked: Asked, target: Target) -> Kept:
    """Knock each head out; see `Workbench.every_head`."""
    _receive(site, asked)
    found = site.workbench.every_head(asked.owner, asked.request, target, tell)
    return _effects(site, asked, target, found)


def has_effects(site: Site, _tell: Tell, asked: Asked, target: Target) -> bool:
    """Whether effects are kept."""
    return site.workbench.known_effects(asked.owner, asked.request, target) is not None


def of_effects(
    site: Site,
    tell: Tell,
    found: Effects,
    reference: EffectsReference,
    question: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
    is_told: bool,
) -> Kept:
    """Call a function with effects."""
    more = {"progress": tell} if is_told else {}
    with site.workbench.turn(reference.held.name, tell):
        answer = question(found, *args, **options, **more)
    return Kept(answer, layer_names(found.trace, reference.held))


def _effects(site: Site, asked: Asked, target: Target, found: Effects) -> Kept:
    held = Held(site.replica, "effects", effect_name(asked.owner, asked.request, target))
    card: tuple[EffectsReference, EffectsCard] = (EffectsReference(held), card_of(found))
    return Kept(card, layer_names(found.trace, held))


def logit_lens(site: Site, tell: Tell, asked: Asked) -> Kept:
    """Find out what would be predicted after each layer; see `Workbench.logit_lens`."""
    _receive(site, asked)
    found = site.workbench.logit_lens(asked.owner, asked.request, tell)
    held = Held(site.replica, "lens", effect_name(asked.owner, asked.request, None))
    return Kept(found, layer_names(found.trace, held))


# Models.


def of_loaded(
    site: Site, _tell: Tell, request: Request, question: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    """Call a function with a model that is loaded already; None where it is not."""
    model = site.workbench.loaded(request)
    return None if model is None else question(model, *args)


def of_model(
    site: Site, tell: Tell, request: Request, question: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    """Call a function with a model, loaded for that."""
    return question(site.workbench.model(request, tell), *args)


def devices(site: Site, _tell: Tell) -> list[str]:
    """Name what models may be asked to run on where a replica is."""
    return site.workbench.devices()


def tokenizer(site: Site, _tell: Tell, key: tuple[str | None, ...]) -> object:
    """Return the tokenizer of a model that is loaded.

    Raises:
        GoneError: it is not any more.
    """
    model = site.workbench.loaded_by(key)
    if model is None:
        raise GoneError("The model was let go to make room for another.", "Press Run again.")
    return model.tokenizer
