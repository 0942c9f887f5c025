"""Which tokens a prediction draws on, by relevance that is passed back from layer to layer.

Source: Achtibat et al. 2024, "AttnLRP: Attention-Aware Layer-wise Relevance Propagation for Transformers".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.effects.captured_pass import CapturedPass
from viz.effects.differentiable_pass import differentiable, differentiable_inputs
from viz.effects.lrp_rules import lrp_rules
from viz.effects.registry_pass import as_captured, require_same
from viz.effects.token_embedding import token_embedding
from viz.errors import CaptureError, InputError

# Forward and backward.
PASSES = 2


@dataclass(frozen=True, slots=True)
class AttnLrp:
    """Shares of a prediction.

    Attributes:
        tokens: float32 [token], signed.
        value: of the prediction; what the shares do not add up to went to biases and to embeddings of positions.
    """

    tokens: Tensor
    value: float

    @property
    def gap(self) -> float:
        """How far the sum of the shares is from the prediction."""
        return float(self.tokens.sum()) - self.value


def attn_lrp(
    captured: CapturedPass, *, progress: Callable[[int, int], None] | None = None
) -> AttnLrp:
    """Pass the prediction's relevance back to the embeddings of the tokens.

    Args:
        captured: the pass.
        progress: called with how many of the two passes, forward and backward, are done; may raise to cancel.

    Raises:
        InputError: the model does not embed its tokens one by one.
        CaptureError: its heads are not at hand, or relevance is not finite.
        VerificationError: the pass with these rules returns something else than the model.

    Cost: a pass forward and backward.
    """
    tell = progress or (lambda _done, _of: None)
    model, prepared = captured.model, captured.prepared
    embedding = token_embedding(captured)
    with as_captured(captured), differentiable(model.module, embedding) as starts:
        with lrp_rules(model.module):
            result = model.module(**differentiable_inputs(prepared.inputs))
        output = captured.own(result)
        require_same(output, captured.trace, "by the rules of AttnLRP")
        tell(1, PASSES)
        own = [one.output for one in starts if one.of_tokens]
        gradient: Tensor | None = None
        if len(own) == 1 and own[0].ndim == 3:
            value = captured.objective.of(output)
            (gradient,) = torch.autograd.grad(value, own, allow_unused=True)
    tell(PASSES, PASSES)
    if gradient is None or gradient.shape[1] != len(captured.trace.units):
        raise InputError(
            f"{model.name} does not embed its tokens one by one.", "Choose another method."
        )
    item = prepared.item if len(gradient) > 1 else 0
    tokens = (gradient[item].float() * own[0].detach()[item].float()).sum(dim=-1).cpu()
    if not bool(torch.isfinite(tokens).all()):
        raise CaptureError(
            f"Relevance in {model.name} is not finite in {model.dtype}.",
            "Load the model with dtype float32.",
        )
    return AttnLrp(tokens, captured.value)
