"""The gradient of a prediction by every attention weight, as slices on demand.

A head's output is o = w @ v, so the gradient of any number L by a weight is dL/dw[q, k] = dL/do[q] . v[k]. What is
kept is as large as the queries: the gradient of each head's output and the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from viz.capture.stack import Index, unit_numbers
from viz.capture.tiers.registry import observe
from viz.capture.trace import Trace
from viz.effects.attention_calls import CallNames, calls_of
from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.differentiable_pass import Start, differentiable, differentiable_inputs
from viz.effects.head_states import HeadStates, StateKeeper, layer_states
from viz.effects.registry_pass import as_captured, require_same
from viz.effects.target import Objective, Target
from viz.effects.token_embedding import token_embedding
from viz.errors import CaptureError, ShapeError
from viz.models import Model


@dataclass(frozen=True, slots=True)
class HeadGradients(HeadStates):
    """What one layer's heads put out, and how the prediction changes with it.

    Shapes, in the model's dtype: output and gradient [head, query, d]; value [kv_head, key, d].
    """

    gradient: Tensor


@dataclass(frozen=True, slots=True)
class WeightGradients:
    """How a prediction changes with each attention weight of a pass.

    Attributes:
        trace: the pass, with its exact weights.
        objective: the prediction.
        value: of the prediction.
        layers: by stack, in the order of its layers.
        calls: stack and layer of each attention call, in the order in which the model made them.
        gradient_times_input: what each token's embedding contributes to first order, float32 [token], signed; None
            where tokens are not embedded one by one.
    """

    trace: Trace
    objective: Objective
    value: float
    layers: Mapping[str, Sequence[HeadGradients]]
    calls: Sequence[tuple[str, int]]
    gradient_times_input: Tensor | None

    def gradient(
        self,
        layer: int,
        head: int,
        rows: Index = None,
        columns: Index = None,
        *,
        stack: str = "self",
    ) -> Tensor:
        """Differentiate the prediction by a head's weights.

        Args:
            layer: of the stack.
            head: of the layer.
            rows: queries; all by default.
            columns: keys; all by default.
            stack: which attention.

        Returns:
            Float32 [row, column], in units of the prediction per unit of weight. A weight that the mask
            holds at 0 has a gradient, too: what it would do if it were let in.

        Raises:
            ShapeError: there is no such stack, layer, head, query or key.
        """
        self.trace.stacks[stack].record_with(layer, head)
        one = self.layers[stack][layer]
        groups = len(one.output) // len(one.value)
        gradient, value = one.gradient[head].float(), one.value[head // groups].float()
        queries = unit_numbers(rows, len(gradient), "query", gradient.device)
        keys = unit_numbers(columns, len(value), "key", value.device)
        return gradient[queries] @ value[keys].T

    def weight_times_gradient(
        self,
        layer: int,
        head: int,
        rows: Index = None,
        columns: Index = None,
        *,
        stack: str = "self",
    ) -> Tensor:
        """Multiply each weight with its gradient: its share of the prediction, to first order, signed.

        Source: Hao et al. 2021, "Self-Attention Attribution"; its positive part is what Chefer et al. 2021,
        "Generic Attention-model Explainability", take.

        Args, shapes, units and errors: as in `gradient`, but in units of the prediction.
        """
        gradient = self.gradient(layer, head, rows, columns, stack=stack)
        weights = self.trace.stacks[stack].weights(layer, head, rows, columns)
        return weights.to(gradient.device, torch.float32) * gradient

    def first_order(
        self, *, rows: Index = None, stack: str = "self", toward: WeightGradients | None = None
    ) -> Tensor:
        """Estimate how the prediction changes where one head's output is set to 0, or to what it is for another text.

        Source: Nanda 2023, "Attribution Patching": the change to first order, sum dL/do . (o' - o).

        Args:
            rows: positions at which it is; all by default.
            stack: which attention.
            toward: the same of another text of the same length; 0 by default.

        Returns:
            Float32 [layer, head], in units of the prediction; NaN where a layer has fewer heads.

        Raises:
            ShapeError: the other text is of another length, or the position does not exist.
        """
        own = self.trace.stacks[stack]
        most = max(map(own.heads, range(own.layers)))
        found = torch.full((own.layers, most), torch.nan)
        for layer, one in enumerate(self.layers[stack]):
            at = unit_numbers(rows, one.output.shape[1], "query", one.output.device)
            moved = -one.output[:, at].float()
            if toward is not None:
                other = toward.layers[stack][layer].output
                if other.shape != one.output.shape:
                    raise ShapeError(
                        f"The other text has {other.shape[1]} positions, and the one to be explained "
                        f"{one.output.shape[1]}.",
                        "Give one that is as long, such as the same with other names in it.",
                    )
                moved = moved + other[:, at].float()
            change = (one.gradient[:, at].float() * moved).sum(dim=(1, 2))
            found[layer, : len(change)] = change.cpu()
        return found


def weight_gradients(
    model: Model,
    inputs: str | Mapping[str, Any],
    explained: Target | None = None,
    *,
    pair: str | None = None,
    target: str | None = None,
    item: int | None = None,
) -> WeightGradients:
    """Differentiate a prediction by every attention weight.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`, which calls its attention through transformers' registry or
            on PyTorch's kernel.
        inputs: a text, or the model's own inputs.
        explained: the prediction; by default the last position's first token against its runner-up.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.
        item: which input of a batch.

    Raises:
        InputError, ShapeError: the target or the inputs are none of this model's.
        CaptureError: what its heads put out is not at hand, or gradients are not finite.
        VerificationError: the pass with gradients returns something else than the model.

    Cost: the capture, and one pass forward and backward; memory for outputs, their gradients and values.
    """
    return gradients_of(
        captured_pass(model, inputs, explained, pair=pair, target=target, item=item, alone=False)
    )


def gradients_of(captured: CapturedPass) -> WeightGradients:
    """Run forward and backward once, the attention set as in the capture; errors as in `weight_gradients`."""
    model, prepared = captured.model, captured.prepared
    trace, chosen = captured.trace, captured.objective
    names = CallNames(model.module)
    kept = StateKeeper(names, prepared.item, prepared.batch, keep_whole=True)
    with (
        as_captured(captured),
        differentiable(model.module, token_embedding(captured)) as starts,
    ):
        with observe(kept):
            result = model.module(**differentiable_inputs(prepared.inputs))
        output = captured.own(result)
        require_same(output, trace, "when it keeps gradients")
        kept.require_apart()
        value = chosen.of(output)
        for call, whole in kept.whole.items():
            if not whole.requires_grad:
                raise CaptureError(
                    f"The output of the heads of {call.name} cannot be differentiated.",
                    "Choose a model that does not turn gradients off within its pass.",
                )
        found: Sequence[Tensor | None] = torch.autograd.grad(
            value, [*kept.whole.values(), *(one.output for one in starts)], allow_unused=True
        )
    gradients = dict(zip(kept.whole, found, strict=False))
    embedded = _times_input(trace, kept, starts, found[len(kept.whole) :])
    states = layer_states(trace, kept.states)
    layers: dict[str, list[HeadGradients]] = {name: [] for name in states}
    calls = calls_of(trace)
    for (stack, layer), call in calls.items():
        own = states[stack][layer]
        by_whole = gradients[call]
        if by_whole is None:
            # What the prediction does not rest on changes nothing.
            gradient = torch.zeros_like(own.output)
        else:
            gradient = kept.of_item(by_whole).transpose(0, 1).contiguous()
        if not bool(torch.isfinite(gradient).all()):
            raise CaptureError(
                f"The gradients in {call.name} are not finite in {model.dtype}.",
                "Load the model with dtype float32.",
            )
        layers[stack].append(HeadGradients(own.output, own.value, gradient))
    order = {call: number for number, call in enumerate(kept.states)}
    ran = sorted(calls, key=lambda key: order[calls[key]])
    return WeightGradients(trace, chosen, float(value.detach()), layers, ran, embedded)


def _times_input(
    trace: Trace,
    kept: StateKeeper,
    starts: Sequence[Start],
    gradients: Sequence[Tensor | None],
) -> Tensor | None:
    """Multiply what the tokens' embedding put out with its gradient, and add up each token's."""
    for start, gradient in zip(starts, gradients, strict=True):
        fits = start.output.ndim == 3 and start.output.shape[1] == len(trace.units)
        if start.of_tokens and fits and gradient is not None:
            product = kept.of_item(gradient).float() * kept.of_item(start.output.detach()).float()
            return product.sum(dim=-1).cpu()
    return None
