"""Each head's, each MLP's and the embedding's share of a logit, which add up to it.

Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; nostalgebraist 2020 for the frozen norm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor, nn

from viz.capture.stack import Index, unit_numbers
from viz.capture.trace import Trace
from viz.effects.attention_calls import Call, calls_of
from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.frozen_norm import frozen_norm
from viz.effects.residual_stream import Maker, Term, line_of, nearest, terms_of
from viz.effects.stream_pass import StreamPass, allowed_apart, no_stream, watch_stream
from viz.effects.target import Objective, Target
from viz.errors import InputError, VerificationError
from viz.models import Model

PartKind = Literal["embedding", "head", "attention bias", "mlp", "other", "bias"]


@dataclass(frozen=True, slots=True)
class Share:
    """What one part writes into a logit.

    Attributes:
        kind: of the part; "bias" is that of the final norm and of the unembedding.
        stack: of a head; None of others.
        layer: of the part; None where it has none.
        head: None where it is no head.
        share: in logits.
        name: of the module.
    """

    kind: PartKind
    stack: str | None
    layer: int | None
    head: int | None
    share: float
    name: str


@dataclass(frozen=True, slots=True)
class DirectAttribution:
    """Shares of a logit, or of the difference of two.

    Attributes:
        trace: the pass.
        objective: the prediction.
        value: of it, before a cap or a scale of the model's on all of its logits.
        shares: of each part, in the order of the stream.
        capped: whether the model caps or scales its logits, so that `value` is not its output itself.
        directions: what each number that a head puts out at the position adds to the logit, by stack and layer,
            float32 [head, d].
    """

    trace: Trace
    objective: Objective
    value: float
    shares: tuple[Share, ...]
    capped: bool
    directions: Mapping[tuple[str, int], Tensor]

    @property
    def sum(self) -> float:
        """Of all shares; it is the value."""
        return float(sum(one.share for one in self.shares))

    @property
    def table(self) -> pd.DataFrame:
        """Columns kind, stack, layer, head, share, name; the largest share first."""
        columns = ["kind", "stack", "layer", "head", "share", "name"]
        rows = pd.DataFrame(
            [[getattr(one, name) for name in columns] for one in self.shares], columns=columns
        ).astype({"layer": "Int64", "head": "Int64"})
        return rows.sort_values("share", key=abs, ascending=False, kind="stable", ignore_index=True)

    def heads(self, *, stack: str = "self") -> Tensor:
        """Return each head's share, float32 [layer, head]; NaN where a layer has fewer heads."""
        own = self.trace.stacks[stack]
        found = torch.full((own.layers, max(map(own.heads, range(own.layers)))), torch.nan)
        for one in self.shares:
            if one.stack == stack and one.layer is not None and one.head is not None:
                found[one.layer, one.head] = one.share
        return found

    def of_weights(
        self,
        values: Tensor,
        layer: int,
        head: int,
        rows: Index = None,
        columns: Index = None,
        *,
        stack: str = "self",
    ) -> Tensor:
        """Divide a head's share among its weights, float32 [row, column]; only the prediction's own row has any.

        Args:
            values: of the layer, [kv_head, key, d].
            layer: of the stack.
            head: of the layer.
            rows: queries; all by default.
            columns: keys; all by default.
            stack: which attention.

        Raises:
            ShapeError: there is no such stack, layer, head, query or key.
            InputError: the layer adds nothing to the stream that the logit is read from.
        """
        weights = self.trace.stacks[stack].weights(layer, head, rows, columns)
        own = self.directions.get((stack, layer))
        if own is None:
            raise InputError(
                f"Layer {layer} of {stack} writes nothing into the logit itself.",
                "Choose weights times gradient, which count what goes by way of later layers.",
            )
        device = weights.device
        queries, keys = self.trace.stacks[stack].record(layer).shape
        at = unit_numbers(rows, queries, "query", device) == self.objective.place
        chosen = unit_numbers(columns, keys, "key", device)
        value = values[head // (len(own) // len(values))].float().to(device)
        return weights * at[:, None] * (value[chosen] @ own[head].to(device))


def direct_attribution(
    model: Model,
    inputs: str | Mapping[str, Any],
    explained: Target | None = None,
    *,
    pair: str | None = None,
    target: str | None = None,
) -> DirectAttribution:
    """Divide a logit among what is added to the residual stream.

    The norms between a part and the logit are held at the scale that they had, so that shares add up; what a part does
    by way of later parts is theirs.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`, which calls its attention through transformers' registry or
            on PyTorch's kernel.
        inputs: a text, or the model's own inputs; one input.
        explained: the prediction; a logit or the difference of two.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.

    Raises:
        InputError: the target is none of this model's, or the logarithm of a probability, which is no sum.
        ModelRefusedError: the model has no residual stream from its embedding to its unembedding.
        VerificationError: shares add up to something else than the logit.

    Cost: the capture, one pass forward that keeps what can be differentiated, and a step back for each layer.
    """
    return attribution_of(captured_pass(model, inputs, explained, pair=pair, target=target))


def attribution_of(captured: CapturedPass) -> DirectAttribution:
    """Divide the logit of a captured pass; errors as in `direct_attribution`."""
    if captured.objective.vector is not None:
        raise InputError(
            f"A {captured.objective.measure} is no logit that parts write into.",
            "Knock heads out instead, or look at gradients; both work for it.",
        )
    _ = captured.objective.place
    if captured.objective.measure == "log_probability":
        raise InputError(
            "The logarithm of a probability is no sum of shares.",
            "Choose the measure 'difference' or 'logit'.",
        )
    return _attributed(captured, watch_stream(captured))


def _attributed(captured: CapturedPass, pieces: StreamPass) -> DirectAttribution:
    model, trace, chosen = captured.model, captured.trace, captured.objective
    value = chosen.of(pieces.raw)
    shares, direction, terms = _before_norm(model, chosen, pieces, value)
    records = {call.name: (stack, layer, call) for (stack, layer), call in calls_of(trace).items()}
    directions: dict[tuple[str, int], Tensor] = {}
    of_attention: dict[str, float] = defaultdict(float)
    for term in terms:
        whole = float((direction * term.vector.detach().float()).sum())
        owner = owner_of(line_of(term.makers), list(records))
        if owner is None:
            shares.append(other_share(term, list(records), records, whole))
            continue
        stack, layer, call = records[owner]
        output = pieces.kept.whole[call]
        own = _by_number(model, term, direction, output, pieces, chosen.place)
        # A layer may add twice, such as by an adapter beside its output projection.
        known = directions.get((stack, layer))
        directions[stack, layer] = own if known is None else known + own
        of_attention[owner] += whole
    for owner, whole in of_attention.items():
        stack, layer, call = records[owner]
        heads = pieces.kept.of_item(pieces.kept.whole[call].detach())[chosen.place].float()
        found = (directions[stack, layer] * heads).sum(dim=-1)
        shares += [
            Share("head", stack, layer, head, float(one), owner)
            for head, one in enumerate(found.tolist())
        ]
        shares.append(
            Share("attention bias", stack, layer, None, whole - float(found.sum()), owner)
        )
    stacks = {stack for stack, _ in directions}
    wanted = {key for key in calls_of(trace) if key[0] in stacks or not stacks}
    if set(directions) != wanted:
        raise no_stream(
            model,
            f"{len(directions)} of its {len(wanted)} attention layers add to one stream; the others are "
            "normalised within it, or add to it in another way",
        )
    total = float(value.detach())
    apart = abs(sum(one.share for one in shares) - total)
    most = allowed_apart(pieces.raw)
    size = max(abs(total), *(abs(one.share) for one in shares))
    if not apart <= most * size:
        raise VerificationError(
            f"Shares of {model.name} add up to {apart:.2g} more or less than the logit, allowed {most * size:.2g}.",
            "Load it with dtype float32, or knock heads out instead.",
        )
    capped = abs(float(chosen.of(pieces.output.detach())) - total) > most * size
    return DirectAttribution(
        trace, chosen, total, tuple(sorted(shares, key=_place)), capped, directions
    )


def _place(share: Share) -> float:
    """Say where a part stands in the stream, whatever order its model adds in."""
    if share.layer is None:
        return -1 if share.kind == "embedding" else inf
    return share.layer


def _before_norm(
    model: Model, chosen: Objective, pieces: StreamPass, value: Tensor
) -> tuple[list[Share], Tensor, tuple[Term, ...]]:
    """Carry the logit back through the final norm: what biases add, the direction in the stream, its terms."""
    at = (pieces.item, chosen.place)
    norm = pieces.final_norm(model)
    if norm is None:
        inner = torch.autograd.grad(value, pieces.hidden, retain_graph=True)[0][at].float()
        rest = float(value.detach()) - float((inner * pieces.hidden.detach()[at].float()).sum())
        return [Share("bias", None, None, None, rest, "")], inner, terms_of(pieces.hidden)
    assert norm.source is not None
    given, result = norm.source.detach()[at], norm.result.detach()[at]
    frozen = frozen_norm(norm.part, given, result)
    if frozen is None:
        raise no_stream(model, f"{norm.name}, before its unembedding, is no norm that is known")
    outer = torch.autograd.grad(value, norm.result, retain_graph=True)[0][at].float()
    direction = frozen.back(outer)
    rest = float(value.detach()) - float((direction * given.float()).sum())
    return [Share("bias", None, None, None, rest, norm.name)], direction, terms_of(norm.source)


def owner_of(makers: Sequence[Maker], records: Sequence[str]) -> str | None:
    """Name the attention part that returned a term, or that is within or around what did."""
    for maker in makers:
        for name in records:
            if maker.name == name or maker.name.startswith(f"{name}."):
                return name
    inside = [name for name in records for one in makers if name.startswith(f"{one.name}.")]
    return inside[0] if len(set(inside)) == 1 else None


def other_share(
    term: Term,
    names: Sequence[str],
    records: Mapping[str, tuple[str, int, Call]],
    share: float,
) -> Share:
    """Say what adds a term that is no attention."""
    line = line_of(term.makers)
    name = line[-1].name if line else term.within
    near = nearest(names, name)
    layers = {records[one][1] for one in near}
    # What no part returned, and what is added around parts and not in one, is what the stream begins with.
    begins = not line and any(one.startswith(f"{name}.") for one in names)
    if begins or any(isinstance(one.part, nn.Embedding) for one in line):
        return Share("embedding", None, None, None, share, name)
    if len(near) == len(names) and len(layers) > 1:
        return Share("other", None, None, None, share, name)
    return Share("mlp", None, min(layers), None, share, name)


def _by_number(
    model: Model, term: Term, direction: Tensor, output: Tensor, pieces: StreamPass, position: int
) -> Tensor:
    """Say what each number that an attention layer's heads put out at the position adds, float32 [head, d].

    Args:
        term: what it adds.
        direction: in the stream, [d_model].
        output: of its heads, [batch, query, head, d].
    """
    share = (direction * term.vector.float()).sum()
    gradient = _affine_gradient(share, output)
    if gradient is None:
        # A norm of its own stands between the heads and the stream (sandwich norms).
        for maker in reversed(term.makers):
            if maker.source is None or maker.source.ndim != 3:
                continue
            at = (pieces.item, position)
            frozen = frozen_norm(maker.part, maker.source.detach()[at], maker.result.detach()[at])
            if frozen is None:
                continue
            outer: Tensor | None = torch.autograd.grad(
                share, maker.result, retain_graph=True, allow_unused=True
            )[0]
            if outer is None:
                continue
            inner = (frozen.back(outer[at]) * maker.source[at].float()).sum()
            gradient = _affine_gradient(inner, output)
            break
    if gradient is None:
        raise no_stream(model, f"{term.makers[-1].name} is no linear map of what its heads put out")
    return pieces.kept.of_item(gradient)[position].float()


def _affine_gradient(share: Tensor, output: Tensor) -> Tensor | None:
    """Differentiate by what heads put out; None where the gradient depends on that itself."""
    gradient: Tensor | None = torch.autograd.grad(
        share, output, retain_graph=True, create_graph=True, allow_unused=True
    )[0]
    if gradient is None:
        return None
    if gradient.requires_grad:
        draw = torch.Generator().manual_seed(0)
        weights = torch.randn(gradient.shape, generator=draw).to(gradient)
        again: Tensor | None = torch.autograd.grad(
            (gradient * weights).sum(), output, retain_graph=True, allow_unused=True
        )[0]
        if again is not None and bool(again.any()):
            return None
    return gradient.detach()
