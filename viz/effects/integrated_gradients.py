"""What each token's embedding adds to a prediction, all the way from no embedding at all.

Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from viz.capture.batch_item import output_of_item
from viz.effects.captured_pass import CapturedPass
from viz.effects.differentiable_pass import differentiable, differentiable_inputs
from viz.effects.registry_pass import as_captured
from viz.errors import CaptureError, InputError
from viz.models.model_outputs import first_output

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

    Cost: a pass forward and backward for each step, and one forward.
    """
    if steps < 1:
        raise InputError(f"The steps are {steps}.", "Choose 1 or more.")
    model, length = captured.model, len(captured.trace.units)
    find = getattr(model.module, "get_input_embeddings", None)
    embedding = find() if callable(find) else None
    places, weights = np.polynomial.legendre.leggauss(steps)
    whole: Tensor | None = None
    summed: Tensor | None = None
    for done, (place, weight) in enumerate(zip(places, weights, strict=True), start=1):
        share = (place + 1) / 2
        gradient, output = _gradient_at(captured, embedding, float(share))
        if gradient is None or output is None or output.shape[-2] != length:
            raise InputError(
                f"{model.name} does not embed its tokens one by one.", "Choose another method."
            )
        if not bool(torch.isfinite(gradient).all()):
            raise CaptureError(
                f"Gradients of {model.name} are not finite in {model.dtype}.",
                "Load the model with dtype float32.",
            )
        whole = output / share
        found = gradient * (weight / 2)
        summed = found if summed is None else summed + found
        if progress is not None:
            progress(done, steps)
    assert whole is not None
    assert summed is not None
    tokens = (summed * whole).sum(dim=-1).cpu()
    return IntegratedGradients(tokens, captured.value - _value_without(captured, embedding))


def _gradient_at(
    captured: CapturedPass, embedding: nn.Module | None, share: float
) -> tuple[Tensor | None, Tensor | None]:
    """Differentiate where embeddings are a share of what they are; gradient and embeddings, float32 [token, d]."""
    model, prepared = captured.model, captured.prepared
    scaled = {} if embedding is None else {embedding: share}
    with as_captured(model), differentiable(model.module, scaled) as starts:
        result = model.module(**differentiable_inputs(prepared.inputs))
        output = output_of_item(
            first_output(result), item=prepared.item, batch=prepared.batch, axis=prepared.axis
        )
        own = [one for one in starts if one.part is embedding]
        if len(own) != 1 or own[0].output.ndim != 3:
            return None, None
        gradient: Tensor | None = torch.autograd.grad(
            captured.objective.of(output), [own[0].output], allow_unused=True
        )[0]
    if gradient is None:
        return None, None
    item = prepared.item if len(gradient) > 1 else 0
    return gradient[item].float(), own[0].output.detach()[item].float()


@torch.no_grad()
def _value_without(captured: CapturedPass, embedding: nn.Module | None) -> float:
    """Read the prediction off a pass without embeddings."""
    model, prepared = captured.model, captured.prepared
    assert embedding is not None
    handle = embedding.register_forward_hook(lambda _part, _args, output: torch.zeros_like(output))
    try:
        with as_captured(model):
            result = model.module(**differentiable_inputs(prepared.inputs))
    finally:
        handle.remove()
    output = output_of_item(
        first_output(result), item=prepared.item, batch=prepared.batch, axis=prepared.axis
    )
    return float(captured.objective.of(output))
