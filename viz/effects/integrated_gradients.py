"""What each token's embedding adds to a prediction, all the way from no embedding at all.

Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from viz.effects.captured_pass import CapturedPass
from viz.effects.differentiable_pass import differentiable, differentiable_inputs
from viz.effects.registry_pass import as_captured
from viz.effects.token_embedding import TokenEmbedding, token_embedding
from viz.errors import CaptureError, InputError

# Places between no embedding and the whole one, those of Gauss and Legendre.
STEPS = 32


@dataclass(frozen=True, slots=True)
class IntegratedGradients:
    """Shares of a prediction that add up to its change.

    Attributes:
        tokens: float32 [token], signed.
        change: of the prediction between no embeddings and the whole ones, which exact shares would add up to.
    """

    tokens: Tensor
    change: float

    @property
    def gap(self) -> float:
        """How far the sum of the shares is from the change."""
        return float(self.tokens.sum()) - self.change


def integrated_gradients(
    captured: CapturedPass,
    *,
    steps: int = STEPS,
    progress: Callable[[int, int], None] | None = None,
) -> IntegratedGradients:
    """Integrate the prediction's gradient along the embeddings of all tokens, from 0 to what they are.

    Positions and everything else stay as they are.

    Args:
        captured: the pass.
        steps: how many gradients are taken; more bring the sum of the shares nearer to the change.
        progress: called with how many are done, and of how many; may raise to cancel.

    Raises:
        InputError: the model does not embed its tokens one by one.
        CaptureError: its heads are not at hand, or a gradient is not finite.

    Cost: a pass forward and backward for each step, and one more.
    """
    if steps < 1:
        raise InputError(f"The steps are {steps}.", "Choose 1 or more.")
    model, length = captured.model, len(captured.trace.units)
    embedding = token_embedding(captured)
    places, weights = np.polynomial.legendre.leggauss(steps)
    summed: Tensor | float = 0.0
    for done, (place, weight) in enumerate(zip(places, weights, strict=True), start=1):
        share = float(place + 1) / 2
        found = _embedded_at(captured, embedding, share)
        if found is None or len(found.gradient) != length:
            raise InputError(
                f"{model.name} does not embed its tokens one by one.", "Choose another method."
            )
        if not bool(torch.isfinite(found.gradient).all()):
            raise CaptureError(
                f"Gradients of {model.name} are not finite in {model.dtype}.",
                "Load the model with dtype float32.",
            )
        whole = found.embedded / share
        summed = summed + found.gradient * whole * float(weight / 2)
        if progress is not None:
            progress(done, steps)
    nothing = _embedded_at(captured, embedding, 0.0)
    assert nothing is not None
    assert isinstance(summed, Tensor)
    return IntegratedGradients(summed.sum(dim=-1).cpu(), captured.value - nothing.value)


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A pass in which embeddings are a share of what they are; float32 [token, d]."""

    value: float
    embedded: Tensor
    gradient: Tensor


def _embedded_at(
    captured: CapturedPass, embedding: TokenEmbedding, share: float
) -> _Embedded | None:
    """Differentiate the prediction there; None where tokens are not embedded once, one by one."""
    model, prepared = captured.model, captured.prepared
    with as_captured(captured), differentiable(model.module, embedding, share) as starts:
        result = model.module(**differentiable_inputs(prepared.inputs))
        own = [one.output for one in starts if one.of_tokens]
        if len(own) != 1 or own[0].ndim != 3:
            return None
        value = captured.objective.of(captured.own(result))
        gradient: Tensor | None = torch.autograd.grad(value, own, allow_unused=True)[0]
    if gradient is None:
        return None
    item = prepared.item if len(gradient) > 1 else 0
    return _Embedded(float(value.detach()), own[0].detach()[item].float(), gradient[item].float())
