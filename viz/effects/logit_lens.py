"""What a model would predict if its layers ended earlier.

Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.trace import Trace
from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.final_logits import Change, final_change
from viz.effects.residual_stream import Term, line_of, nearest
from viz.effects.stream_pass import allowed_apart, no_stream, watch_stream
from viz.errors import VerificationError
from viz.models import Model

# Rows of states that are turned into logits at a time.
ROWS = 256


@dataclass(frozen=True, slots=True)
class LogitLens:
    """The most probable tokens after the embedding and after each layer, at every position.

    Attributes:
        trace: the pass.
        ids: int64 [1 + layer, position, rank], the most probable first; the last are the model's own.
        probabilities: float32, the same shape.
        leads: int64 [position]: the number of layers after which the final answer comes first for good; 0 where it
            does after the embedding.
        as_output: whether probabilities after the last layer are the model's own; they are not where it changes its logits
            behind the unembedding in a way that is neither a factor nor a known cap.
    """

    trace: Trace
    ids: Tensor
    probabilities: Tensor
    leads: Tensor
    as_output: bool = True


def logit_lens(
    model: Model,
    inputs: str | Mapping[str, Any],
    *,
    count: int = 5,
    pair: str | None = None,
    target: str | None = None,
) -> LogitLens:
    """Read the residual stream after each layer as if it were the last.

    The final norm and the unembedding are applied to it as they stand.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`, which calls its attention through transformers' registry or
            on PyTorch's kernel.
        inputs: a text, or the model's own inputs; one input.
        count: how many tokens to list.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.

    Raises:
        InputError: the model predicts no tokens, or there are several inputs.
        ModelRefusedError: it has no residual stream from its embedding to its unembedding.
        VerificationError: after the last layer something else comes out than the model's own logits.

    Cost: the capture, a pass, and the unembedding once for each layer; memory for states of each layer.
    """
    return lens_of(captured_pass(model, inputs, pair=pair, target=target), count=count)


@torch.no_grad()
def lens_of(captured: CapturedPass, *, count: int = 5) -> LogitLens:
    """Read the stream of a captured pass; arguments and errors as in `logit_lens`."""
    model, names = captured.model, _names(captured)
    kept: list[tuple[frozenset[int], Tensor]] = []

    def keep(states: Tensor, terms: tuple[Term, ...]) -> None:
        # Of what is no sum only the start of the stream is one of its states.
        if len(terms) == 1 and _layer_of(names, terms[0]) != -1:
            return
        own = states[captured.prepared.item if len(states) > 1 else 0]
        kept.append((frozenset(term.number for term in terms), own.clone()))

    seen = watch_stream(captured, with_gradients=False, states=keep)
    norm = seen.final_norm(model)
    scale = 1.0
    if norm is not None:
        # T5 scales its states between the norm and the unembedding.
        # In float32: a sum of squares is beyond what the half types hold.
        normed = norm.result.float()
        scale = float((seen.hidden.float() * normed).sum() / normed.square().sum())

    def logits_of(states: Tensor) -> Tensor:
        final = states if norm is None else norm.part.forward(states) * scale
        found: Tensor = seen.unembedding.forward(final)
        return found

    allowed = allowed_apart(seen.raw)
    change = final_change(seen.raw, seen.output, getattr(model.module, "config", None), allowed)
    ids, chances = [], []
    states = _after_layers(captured, seen.terms(model), kept, names)
    for one in states:
        tops = [
            torch.softmax(_changed(logits_of(block[None])[0].float(), change), dim=-1).topk(
                min(count, seen.raw.shape[-1]), dim=-1
            )
            for block in torch.split(one, ROWS)
        ]
        ids.append(torch.cat([top.indices for top in tops]))
        chances.append(torch.cat([top.values for top in tops]))
    pairs = zip(torch.split(states[-1], ROWS), torch.split(seen.raw, ROWS), strict=True)
    squares = [
        float((logits_of(block[None])[0].float() - raw.float()).square().sum())
        for block, raw in pairs
    ]
    apart = sum(squares) ** 0.5 / float(torch.linalg.vector_norm(seen.raw.float()))
    if not apart <= allowed:
        raise VerificationError(
            f"After the last layer of {model.name} its final norm and unembedding give other logits than its own, "
            f"{apart:.2g} apart as a share of their size.",
            "Look at heads instead; knock-out and gradients work for it.",
        )
    found = torch.stack(ids)
    same = found[:, :, 0] == found[-1, :, 0]
    # From the end backwards as long as the answer is the same.
    lead = same.flip(0).long().cumprod(0).sum(0)
    return LogitLens(
        captured.trace,
        found.cpu(),
        torch.stack(chances).cpu(),
        (len(found) - lead).cpu(),
        change is not None,
    )


def _changed(logits: Tensor, change: Change | None) -> Tensor:
    return logits if change is None else change(logits)


def _names(captured: CapturedPass) -> list[str]:
    """Name the attention parts of the stack that what is predicted is read from.

    Raises:
        ModelRefusedError: there is none.
    """
    for name in ("self", "decoder"):
        if name in captured.trace.stacks:
            return [record.name for record in captured.trace.stacks[name].records]
    raise no_stream(captured.model, "none of its stacks is that of what it predicts")


def _after_layers(
    captured: CapturedPass,
    terms: tuple[Term, ...],
    kept: list[tuple[frozenset[int], Tensor]],
    names: list[str],
) -> list[Tensor]:
    """Find the states of the stream at its start and after each layer, [position, d_model].

    Raises:
        ModelRefusedError: it is not built up layer by layer.
    """
    layers, current = {}, -1
    for term in sorted(terms, key=lambda one: one.number):
        at = _layer_of(names, term)
        # What is in no layer that attends, such as a state space, follows the one before it.
        current = current if at is None else at
        layers[term.number] = current
    found = []
    for layer in range(-1, len(names)):
        inside = frozenset(number for number, at in layers.items() if at <= layer)
        states = next((one for numbers, one in reversed(kept) if numbers == inside), None)
        if states is None:
            raise no_stream(
                captured.model,
                "its stream is not built up layer by layer"
                if layer >= 0
                else "its start is not known",
            )
        found.append(states)
    return found


def _layer_of(names: list[str], term: Term) -> int | None:
    """Say in which layer a term is added; -1 what the stream begins with, None what is in no layer that attends."""
    line = line_of(term.makers)
    name = line[-1].name if line else term.within
    near = nearest(names, name)
    begins = not line and any(one.startswith(f"{name}.") for one in names)
    embeds = any(isinstance(one.part, nn.Embedding) for one in line)
    if begins or embeds:
        return -1
    if len(near) == len(names) and len(names) > 1:
        return None
    return min(names.index(one) for one in near)
