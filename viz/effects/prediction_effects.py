"""Everything that one prediction rests on, in one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, get_args

import pandas as pd
import torch
from torch import Tensor

from viz.capture.stack import Index, unit_numbers
from viz.capture.trace import Trace
from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.direct_attribution import DirectAttribution, attribution_of
from viz.effects.every_head import is_quick, knock_out_every_head
from viz.effects.knock_out import KnockOuts, Part, knock_out_of
from viz.effects.knock_out_edges import EdgeKnockOuts, EdgeSet, knock_out_edges_of
from viz.effects.replacements import Head
from viz.effects.target import Objective, Target
from viz.effects.tokens_by_method import TokenMethod, tokens_by_method
from viz.effects.value_norms import value_norms
from viz.effects.variants import as_single_tokens
from viz.effects.weight_gradients import WeightGradients, gradients_of
from viz.errors import InputError, LoupeError
from viz.models import Model

Answer = TypeVar("Answer")
WeightKind = Literal["weight", "value_norm", "gradient", "weight_gradient", "positive", "share"]


@dataclass(frozen=True, slots=True)
class Effects:
    """What heads, weights and tokens do to one prediction.

    Attributes:
        captured: the pass.
        gradients: of the prediction, by every weight.
        direct: shares of the logit; None where it cannot be divided.
        refused: why it cannot.
        at_position: the prediction without each head at its position, exactly, or at all positions where it is said of
            the whole input or the head is of another stack, such as an encoder; None where that would take long, and
            `with_every_head` finds it.
    """

    captured: CapturedPass
    gradients: WeightGradients
    direct: DirectAttribution | None
    refused: LoupeError | None
    at_position: KnockOuts | None
    _norms: dict[str, list[Tensor]] = field(default_factory=dict, repr=False)

    @property
    def norms(self) -> Mapping[str, Sequence[Tensor]]:
        """How large what each value writes is, by stack and layer, float32 [head, key]; found out once.

        Raises:
            CaptureError: what a layer's heads put out does not go straight through a linear projection.
        """
        if not self._norms:
            self._norms.update(value_norms(self.captured, self.gradients.layers))
        return self._norms

    @property
    def trace(self) -> Trace:
        """The pass, with its exact weights."""
        return self.captured.trace

    @property
    def objective(self) -> Objective:
        """The prediction, as the model counts positions and tokens."""
        return self.captured.objective

    @property
    def value(self) -> float:
        """Of the prediction, with everything."""
        return self.captured.value

    @property
    def heads(self) -> pd.DataFrame:
        """One row a head, the largest effect first.

        Columns: stack, layer, head; at_position, the exact change without it where the prediction is made; share, what
        it writes into the logit itself; first_order, the estimated change without it at all positions. NaN where a
        method says nothing.
        """
        exact: Mapping[tuple[str, int, int | None], float] = {}
        if self.at_position is not None:
            pairs = zip(self.at_position.heads, self.at_position.without, strict=True)
            exact = {
                (one.stack, one.layer, one.head): without - self.at_position.value
                for one, without in pairs
                if isinstance(one, Head)
            }
        shares = {
            (one.stack, one.layer, one.head): one.share
            for one in (() if self.direct is None else self.direct.shares)
        }
        rows = []
        for name, stack in self.trace.stacks.items():
            estimates = self.gradients.first_order(stack=name)
            for layer in range(stack.layers):
                for head in range(stack.heads(layer)):
                    key = (name, layer, head)
                    rows.append(
                        [
                            *key,
                            exact.get(key, torch.nan),
                            shares.get(key, torch.nan),
                            float(estimates[layer, head]),
                        ]
                    )
        columns = ["stack", "layer", "head", "at_position", "share", "first_order"]
        frame = pd.DataFrame(rows, columns=columns)
        by = "first_order" if self.at_position is None else "at_position"
        return frame.sort_values(by, key=abs, ascending=False, kind="stable", ignore_index=True)

    def weights(
        self,
        kind: WeightKind,
        layer: int,
        head: int,
        rows: Index = None,
        columns: Index = None,
        *,
        stack: str = "self",
    ) -> Tensor:
        """Compute a part of a head's pattern, as weights or as what they do.

        Args:
            kind: "weight", the pattern itself; "value_norm", each weight times the norm of what its value writes behind
                the output projection (Kobayashi et al. 2020); "gradient", of the prediction by each weight; "weight_gradient", both
                multiplied (Hao et al. 2021), and "positive", the positive part of that (Chefer et al. 2021); "share",
                what each weight writes into the logit itself, which only those of the prediction's own row do.
            layer: of the stack.
            head: of the layer.
            rows: queries; all by default.
            columns: keys; all by default.
            stack: which attention.

        Returns:
            Float32 [row, column].

        Raises:
            InputError: there is no such kind.
            ShapeError: there is no such stack, layer, head, query or key.
            CaptureError: what a value writes has no norm of its own.
            LoupeError: the logit cannot be divided, and why.
        """
        if kind not in get_args(WeightKind):
            raise InputError(
                f"There is no kind of weights {kind!r}.",
                f"Choose one of {', '.join(get_args(WeightKind))}.",
            )
        if kind == "share":
            if self.direct is None:
                assert self.refused is not None
                raise self.refused
            values = self.gradients.layers[stack][layer].value
            return self.direct.of_weights(values, layer, head, rows, columns, stack=stack)
        if kind == "weight":
            return self.trace.stacks[stack].weights(layer, head, rows, columns)
        if kind == "value_norm":
            weights = self.trace.stacks[stack].weights(layer, head, rows, columns)
            norms = self.norms[stack][layer][head]
            keys = unit_numbers(columns, len(norms), "key", norms.device)
            return weights * norms[keys].to(weights.device)
        if kind == "gradient":
            return self.gradients.gradient(layer, head, rows, columns, stack=stack)
        found = self.gradients.weight_times_gradient(layer, head, rows, columns, stack=stack)
        return found.clamp_min(0) if kind == "positive" else found

    def ask(self, question: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        """Answer a question where the effects are, which is here: call a function with them, and with what is given."""
        return question(self, *args, **options)

    def tokens(
        self, method: TokenMethod, *, progress: Callable[[int, int], None] | None = None
    ) -> pd.DataFrame:
        """Say what each token does to the prediction, or how much of it arrives there.

        Args:
            method: "gradient_times_input", to first order; "integrated_gradients", the gradient along the way from no
                embeddings to the whole ones (Sundararajan et al. 2017); "attn_lrp", relevance passed back from layer to
                layer (Achtibat et al. 2024); "relevance", positive weights times gradients
                followed back (Chefer et al. 2021); "rollout", the share that arrives by weights alone, whatever is
                predicted, and "flow", how much could (both Abnar & Zuidema 2020); "leave_one_out", the exact change
                without each word.
            progress: called with how many passes, layers or tokens are done, and of how many; may raise to cancel.

        Returns:
            Columns token, effect; NaN where a method says nothing. In units of the prediction; of rollout, shares of 1;
            of flow, of 1 each; of relevance without a unit. Of integrated gradients and AttnLRP `attrs` has the change, or
            the value, that they would add up to, and the gap that is left.

            Of an encoder-decoder the tokens are those that it reads. What relevance, rollout and flow say of those
            that it writes is in `attrs["written"]`, lists of token and effect: shares of a rollout are of 1 with them.

        Raises:
            InputError, ShapeError: there is no such method, or it does not fit the model or the inputs.
        """
        return tokens_by_method(self.captured, self.gradients, method, progress)

    def with_every_head(self, progress: Callable[[int, int], None] | None = None) -> Effects:
        """Knock each head out exactly, where that is not known yet.

        Args:
            progress: called with how many heads are done, and of how many; may raise to cancel.
        """
        if self.at_position is not None:
            return self
        states = self.gradients.layers
        ready = as_single_tokens(self.captured, states)
        found = knock_out_every_head(self.captured, states, ready, progress)
        return replace(self, at_position=found)

    def knock_out(
        self,
        heads: Sequence[Part | tuple[int, int | None]] | None = None,
        edges: Sequence[EdgeSet] | None = None,
        **options: Any,
    ) -> KnockOuts | EdgeKnockOuts:
        """Run the model without each of some heads, or without each set of edges, exactly.

        Args:
            heads: as of `viz.effects.knock_out`; all of them where neither is named.
            edges: as of `viz.effects.knock_out_edges`.
            options: queries, replacement, other (`Effects` of another text) and progress, as there.

        Raises:
            InputError: both are named.
        """
        if heads is not None and edges is not None:
            raise InputError(
                "Heads and edges were named together.", "Knock out one, then the other."
            )
        if edges is not None:
            more = sorted(options.keys() - {"progress"})
            if more:
                raise InputError(
                    f"{', '.join(more)} {'goes' if len(more) == 1 else 'go'} with heads, and edges were named.",
                    "Leave it out; edges say themselves which queries they are of.",
                )
            return knock_out_edges_of(self.captured, edges, states=self.gradients.layers, **options)
        other = options.pop("other", None)
        if other is not None and not isinstance(other, Effects):
            raise InputError(
                f"The other text is {other!r:.60}.", "Give its effects, viz.effects(model, text)."
            )
        other = None if other is None else other.captured
        return knock_out_of(
            self.captured, heads=heads, other=other, states=self.gradients.layers, **options
        )


def effects(
    model: Model,
    inputs: str | Mapping[str, Any],
    explained: Target | None = None,
    *,
    pair: str | None = None,
    target: str | None = None,
    every_head: bool | None = None,
) -> Effects:
    """Find out what a prediction rests on.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`, which calls its attention through transformers' registry or
            on PyTorch's kernel.
        inputs: a text, or the model's own inputs; one input.
        explained: the prediction; by default the last position's first token against its runner-up.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.
        every_head: whether each head is knocked out exactly; by default where that takes seconds.

    Raises:
        InputError, ShapeError: the target is none of this model's, or there are several inputs.
        CaptureError: what the model's heads put out is not at hand, or gradients are not finite.
        VerificationError: a pass beside the capture returns something else.

    Cost: the capture, two passes forward and one backward; in a decoder, besides, one token for each head, and in others
    a pass for each.
    """
    captured = captured_pass(model, inputs, explained, pair=pair, target=target)
    return effects_of(captured, every_head=every_head)


def effects_of(
    captured: CapturedPass,
    progress: Callable[[str, float], None] | None = None,
    *,
    every_head: bool | None = None,
    heads_done: Callable[[int, int], None] | None = None,
) -> Effects:
    """Find out what the prediction of a captured pass rests on; errors as in `effects`.

    Args:
        captured: the pass.
        progress: called with a phase, "gradients", "shares" or "heads", and the share done; may raise to cancel.
        every_head: as in `effects`.
        heads_done: called within "heads" in place of `progress`, with how many heads are done, and of how many; may raise to
            cancel.
    """
    tell = progress or (lambda _phase, _share: None)
    tell("gradients", 0.0)
    gradients = gradients_of(captured)
    tell("shares", 0.0)
    direct, refused = None, None
    try:
        direct = attribution_of(captured)
    except LoupeError as error:
        refused = error
    found = Effects(captured, gradients, direct, refused, None)
    if every_head is False:
        return found
    ready = as_single_tokens(captured, gradients.layers)
    if not every_head and not is_quick(captured, ready):
        return found
    tell("heads", 0.0)
    count = heads_done or (lambda done, of: tell("heads", done / of))
    return replace(
        found, at_position=knock_out_every_head(captured, gradients.layers, ready, count)
    )
