"""What predictions of runs rest on, and how they come about layer by layer, kept for whoever asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

from viz.effects import Effects, LogitLens, Target
from viz.effects.captured_pass import CapturedPass, captured_of, with_target
from viz.effects.logit_lens import lens_of
from viz.effects.prediction_effects import effects_of
from viz.errors import BudgetError, GoneError
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.run_cost import MEMORY_SHARE, estimate
from viz.service.limits import Limits
from viz.service.lru_store import BoundedStore
from viz.service.run_result import Request

Progress = Callable[[str, float], None]

# Names of effects that browsers may ask for parts of.
MOST_NAMES = 10_000

# What effects of all runs together may take, as one part in so many of what results may; the same of passes, whose
# predictions are explained one after the other, and of predictions after each layer.
EFFECTS_PART, PASSES_PART, LENSES_PART = 4, 4, 10

# What the lens keeps of a layer, in states of the model's width: the stream before and after its parts.
KEPT_OF_LENS = 4

# What a pass that is differentiated keeps of a layer, in states of the model's width: a Llama's MLP alone is three of
# four times the width. Attention on the kernel adds a few.
KEPT_STATES = 24


class EffectRuns:
    """Shared by all sessions of a process; what it keeps is its owner's alone.

    Args:
        limits: how much is kept, of everybody and of one user.
        user: of a key: whose budget it counts for.
    """

    def __init__(self, limits: Limits, user: Callable[[Any], Hashable]) -> None:
        kept, each = limits.kept_bytes, limits.kept_each_bytes
        self._kept: BoundedStore[Effects] = BoundedStore(
            kept // EFFECTS_PART, _memory_bytes, owner=user, each=each // EFFECTS_PART
        )
        self._names: BoundedStore[tuple[str, Request, Target]] = BoundedStore(
            MOST_NAMES, lambda _: 1
        )
        self._passes: BoundedStore[CapturedPass] = BoundedStore(
            kept // PASSES_PART,
            lambda one: one.trace.memory_bytes,
            owner=user,
            each=each // PASSES_PART,
        )
        self._lenses: BoundedStore[LogitLens] = BoundedStore(
            kept // LENSES_PART, _lens_bytes, owner=user, each=each // LENSES_PART
        )

    def named(self, name: str, request: Request | None = None) -> Effects:
        """Return effects by the name that `effect_name` gave them.

        Args:
            name: of them.
            request: that the browser may see, which they must be of; None where who asks may see any.

        Raises:
            GoneError: they were let go.
        """
        key = self._names.get(name)
        ours = key is not None and request in (None, key[1])
        found = self._kept.get(key) if ours else None
        if found is None:
            raise GoneError(
                "These effects were let go to make room for others.",
                "Choose the prediction again to find them.",
            )
        return found

    def _keep(self, owner: str, request: Request, target: Target, found: Effects) -> None:
        key = _key(owner, request, target)
        self._kept.put(key, found)
        self._names.put(effect_name(owner, request, target), key)

    def kept(self, owner: str, request: Request, target: Target) -> Effects | None:
        """Return what was found out before, if it is still kept."""
        return self._kept.get(_key(owner, request, target))

    def find(
        self,
        owner: str,
        request: Request,
        target: Target,
        prepare: Callable[[], tuple[Model, Prepared]],
        progress: Progress,
    ) -> Effects:
        """Find out what a prediction rests on.

        Args:
            owner: of the run.
            request: of the run.
            target: the prediction.
            prepare: loads the model and prepares its inputs.
            progress: called with a phase and the share done; may raise to cancel.

        Raises:
            BudgetError: the pass that is differentiated would not fit into memory.
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        known = self.kept(owner, request, target)
        if known is not None:
            return known
        captured = self._captured(owner, request, target, prepare, progress)
        found = effects_of(captured, progress)
        self._keep(owner, request, target, found)
        return found

    def _captured(
        self,
        owner: str,
        request: Request,
        target: Target,
        prepare: Callable[[], tuple[Model, Prepared]],
        progress: Progress,
    ) -> CapturedPass:
        """Capture the pass of a request, once for all that is asked of it."""
        before = self._passes.get((owner, request))
        if before is not None:
            _require_room(before.model, before.prepared.longest)
            return with_target(before, target)
        model, prepared = prepare()
        _require_room(model, prepared.longest)
        captured = captured_of(model, prepared, target, progress)
        self._passes.put((owner, request), captured)
        return captured

    def with_every_head(
        self, owner: str, request: Request, target: Target, found: Effects, progress: Progress
    ) -> Effects:
        """Knock out each head exactly, and keep that, too; arguments and errors as in `find`."""
        whole = found.with_every_head(lambda done, of: progress("heads", done / of))
        self._keep(owner, request, target, whole)
        return whole

    def kept_lens(self, owner: str, request: Request) -> LogitLens | None:
        """Return predictions after each layer, if they are still kept."""
        return self._lenses.get((owner, request))

    def lens(
        self,
        owner: str,
        request: Request,
        prepare: Callable[[], tuple[Model, Prepared]],
        progress: Progress,
    ) -> LogitLens:
        """Find out what a run would predict after each layer; arguments as in `find`.

        Raises:
            LoupeError: what was asked cannot be done, for the reason it gives.
        """
        known = self.kept_lens(owner, request)
        if known is not None:
            return known
        model, prepared = prepare()
        _require_room(model, prepared.longest, states=KEPT_OF_LENS)
        captured = captured_of(model, prepared, progress=progress)
        progress("layers", 0.0)
        found = lens_of(captured)
        self._lenses.put((owner, request), found)
        return found


def _lens_bytes(found: LogitLens) -> int:
    tensors = (found.ids, found.probabilities, found.leads)
    return found.trace.memory_bytes + sum(one.numel() * one.element_size() for one in tensors)


def _key(owner: str, request: Request, target: Target) -> tuple[str, Request, Target]:
    return owner, request, target


def effect_name(owner: str, request: Request, target: Target | None) -> str:
    """Name effects for addresses; nobody can guess it, because nobody knows another's session."""
    said = repr((owner, request, target)).encode("utf-8", "replace")
    return hashlib.sha256(said).hexdigest()[:32]


def _memory_bytes(found: Effects) -> int:
    layers = [one for stack in found.gradients.layers.values() for one in stack]
    tensors = [one for layer in layers for one in (layer.output, layer.value, layer.gradient)]
    return found.trace.memory_bytes + sum(one.numel() * one.element_size() for one in tensors)


def _require_room(model: Model, tokens: int, *, states: int = KEPT_STATES) -> None:
    """Make sure that a pass that keeps so many states of each layer fits.

    Raises:
        BudgetError: it does not.
    """
    cost = estimate(model, tokens)
    config = model.module.config
    width = int(getattr(config, "hidden_size", None) or getattr(config, "d_model", 0) or 768)
    kept = states * model.layers * tokens * width * model.dtype.itemsize
    # Logits, their gradient, and both in float32 for what is explained.
    needed = 2 * cost.memory_bytes + kept
    if needed > MEMORY_SHARE * cost.available_bytes:
        raise BudgetError(
            f"To keep what this needs of a pass over {tokens:,} tokens takes about {needed / 1e9:.1f} GB, and "
            f"{cost.available_bytes / 1e9:.1f} GB are free.",
            "Choose a shorter text, or a smaller model.",
        )
