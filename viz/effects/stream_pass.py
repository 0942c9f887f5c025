"""A pass whose residual stream is watched, from its sums to the logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from viz.capture.tiers.registry import observe
from viz.effects.attention_calls import CallNames
from viz.effects.captured_pass import CapturedPass
from viz.effects.differentiable_pass import differentiable, differentiable_inputs
from viz.effects.head_states import StateKeeper
from viz.effects.registry_pass import as_captured, require_same
from viz.effects.residual_stream import Maker, StreamTracer, Term, makers_of, terms_of, traced
from viz.errors import ModelRefusedError
from viz.inputs.input_copies import copies
from viz.models import Model
from viz.models.model_outputs import first_output

# How far what is read off the stream may be from the logits, as a share of their size: float32 and the half types.
APART = {torch.float32: 1e-4, torch.float64: 1e-4}
HALF_APART = 0.05


@dataclass(frozen=True, slots=True)
class StreamPass:
    """What a watched pass left.

    Attributes:
        hidden: what the unembedding was handed, [batch, position, d_model].
        unembedding: the part.
        raw: what it returned for the input, [position, vocabulary].
        output: the model's, which may cap or scale that.
        kept: what the heads put out.
        item: which of the batch of `hidden`.
    """

    hidden: Tensor
    unembedding: nn.Module
    raw: Tensor
    output: Tensor
    kept: StateKeeper
    item: int

    def final_norm(self, model: Model) -> Maker | None:
        """Return the norm between the stream and the unembedding; None where that reads the stream itself.

        Raises:
            ModelRefusedError: what it reads is neither.
        """
        if terms_of(self.hidden):
            return None
        norms = [
            one for one in makers_of(self.hidden) if one.source is not None and terms_of(one.source)
        ]
        if not norms:
            raise no_stream(model, "what its unembedding reads is no norm of a sum")
        return norms[-1]

    def terms(self, model: Model) -> tuple[Term, ...]:
        """List what the stream is a sum of at its end; errors as in `final_norm`."""
        norm = self.final_norm(model)
        return terms_of(self.hidden if norm is None or norm.source is None else norm.source)


def watch_stream(
    captured: CapturedPass,
    *,
    with_gradients: bool = True,
    states: Callable[[Tensor, tuple[Term, ...]], None] | None = None,
) -> StreamPass:
    """Run a model once more, and watch its residual stream.

    Args:
        captured: the pass.
        with_gradients: whether what is added can be differentiated.
        states: is handed each sum and each of its terms, [batch, position, d_model], and what it is a sum of.

    Raises:
        CaptureError: the model's heads are not apart, or not at hand.
        ModelRefusedError: its logits are not made by one part.
        VerificationError: the pass returns something else than the capture.
    """
    model, prepared = captured.model, captured.prepared
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    kept = StateKeeper(
        CallNames(model.module), prepared.item, prepared.batch, keep_whole=with_gradients
    )
    tracer = StreamTracer(
        prepared.item, captured.objective.position or 0, len(captured.output), states
    )
    grad = differentiable(model.module) if with_gradients else nullcontext()
    with (
        nullcontext() if with_gradients else torch.no_grad(),
        as_captured(captured),
        grad,
        observe(kept),
        traced(model.module, tracer),
        _watched(model, seen),
    ):
        inputs = differentiable_inputs if with_gradients else copies
        result = model.module(**inputs(prepared.inputs))
    output = captured.own(result)
    require_same(output, captured.trace, "when its residual stream is watched")
    kept.require_apart()
    seen = seen or _by_result(first_output(result))
    if len(seen) != 1 or seen[0][1].ndim != 3 or seen[0][1].shape[1] != len(output):
        raise no_stream(
            model, "what turns its last states into logits is not one part, called once"
        )
    part, hidden, raw = seen[0]
    item = prepared.item if len(hidden) > 1 else 0
    return StreamPass(hidden, part, raw[item], output, kept, item)


def allowed_apart(logits: Tensor) -> float:
    """Return how far what is read off the stream may be from logits, as a share of their size."""
    return APART.get(logits.dtype, HALF_APART)


def no_stream(model: Model, why: str) -> ModelRefusedError:
    """Say that a model has no residual stream from its embedding to its logits."""
    return ModelRefusedError(
        f"The logits of {model.name} cannot be divided among its parts, because {why}.",
        "Knock heads out instead, or look at gradients; both work for it.",
    )


@contextmanager
def _watched(model: Model, seen: list[tuple[nn.Module, Tensor, Tensor]]) -> Iterator[None]:
    """Note each call of the unembedding: the part, what it was handed, and what it returned."""
    part = _unembedding(model)
    if part is None:
        yield
        return
    handle = part.register_forward_hook(
        lambda part, args, output: seen.append((part, args[0], output))
    )
    try:
        yield
    finally:
        handle.remove()


def _unembedding(model: Model) -> nn.Module | None:
    """Ask a model for its unembedding; None where it does not know."""
    find = getattr(model.module, "get_output_embeddings", None)
    found = find() if callable(find) else None
    return found if isinstance(found, nn.Module) and found is not model.module else None


def _by_result(logits: Tensor) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """Take the part that returned the logits for the unembedding: what it was handed, and its result."""
    for maker in makers_of(logits):
        if maker.given is not None and not any(maker.part.children()):
            return [(maker.part, maker.given, maker.result)]
    return []
