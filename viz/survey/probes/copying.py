"""Whether heads raise the logit of the very token that they look at: copying heads, by their parameters alone.

Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", "Detecting Copying Behavior".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.frozen_norm import FrozenNorm
from viz.effects.stream_pass import StreamPass, allowed_apart, no_stream, watch_stream
from viz.effects.target import Target
from viz.errors import CancelledError, LoupeError
from viz.models import Model
from viz.models.context_length import table_of_ids
from viz.survey.measured import Measured, NotMeasured
from viz.survey.probes.head_maps import HeadMaps, embedding_norm, find_head_maps, norm_of
from viz.survey.probes.random_tokens import repeated_inputs

COPYING = "copying"

# Stacks that read tokens and write logits; those of an encoder write none, cross-attention reads none.
FROM_TOKENS_TO_LOGITS = ("self", "decoder")

# Different tokens of the pass that shows which parts do what.
SAMPLE_TOKENS = 12

# Numbers of either table that are multiplied at a time (128 MB in float64).
TABLE_NUMBERS = 1 << 24


def copying_scores(
    model: Model, *, progress: Callable[[int, int], None] | None = None
) -> Sequence[Measured | NotMeasured]:
    """Score heads by the eigenvalues of W_E W_V W_O W_U, which turns a token that is looked at into logits.

    The score is the sum of the eigenvalues over the sum of their sizes: 1 where looking at a token can only raise its own
    logit, -1 where it can only lower it. Those that are not 0 are those of a matrix as wide as a head.

    Two things are multiplied in that the paper leaves out, whose models have no norms: the gains and the centring of the
    norms in between (before the values, behind the output projection, before the unembedding), whose scale cancels; and
    logits count less their mean over the vocabulary, because what is added to all of them changes no probability. MLPs,
    positions and biases play no part, as in the paper. A score near 1 or -1 may rest on a few directions that many tokens
    share, such as how frequent they are, and then says little of single tokens.

    Args:
        model: what is measured; its parts are found and proven by a pass over random tokens.
        progress: called with how many layers are done, and of how many; may raise to cancel.

    Returns:
        The score of each head, over all tokens of the vocabulary; NaN where a head writes nothing. Chance is 0, because the
        eigenvalues of a map that knows no tokens lie on all sides alike; there are no halves. A reason where the model has
        no residual stream from tokens to logits.

    Cost: three passes over two dozen tokens, vocabulary * d_model^2 once, heads * d * d_model^2.
    """
    try:
        return [_copying(model, progress)]
    except CancelledError:
        raise
    except LoupeError as error:
        return [NotMeasured(COPYING, error.message)]


def _copying(model: Model, progress: Callable[[int, int], None] | None) -> Measured:
    (inputs,) = repeated_inputs(model, sequences=1, length=SAMPLE_TOKENS, seed=0)
    captured = captured_pass(model, inputs, Target(measure="logit"))
    seen = watch_stream(captured, with_gradients=False)
    name = next((name for name in FROM_TOKENS_TO_LOGITS if name in captured.trace.stacks), None)
    if name is None:
        raise no_stream(model, "none of its stacks is that of what it predicts")
    stack = captured.trace.stacks[name]
    bridge, tokens = _logits_of_tokens(captured, seen)
    first = embedding_norm(model, seen)
    embedding = None if first is None else norm_of(first)
    value = np.full((stack.layers, max(map(stack.heads, range(stack.layers)))), np.nan)

    def hear(layer: int, maps: HeadMaps) -> None:
        scores = _layer_scores(maps, bridge, embedding)
        value[layer, : len(scores)] = scores
        if progress is not None:
            progress(1 + layer, stack.layers)

    find_head_maps(captured, seen, name, hear)
    counted = np.where(np.isnan(value), 0, tokens)
    halves = np.full((2, *value.shape), np.nan)
    return Measured(COPYING, name, value, np.where(counted > 0, 0.0, np.nan), halves, counted)


def _layer_scores(maps: HeadMaps, bridge: Tensor, embedding: FrozenNorm | None) -> list[float]:
    """Score the heads of a layer, by the eigenvalues of W_O (norms, W_U W_E, norms) W_V, [d, d]."""
    values = maps.value.to(bridge)
    kv_heads, _, width = values.shape
    read = values.transpose(0, 1).flatten(1)  # [d_model, kv_head * d]
    read = behind_norm(embedding, behind_norm(maps.before, read))
    into = behind_norm(maps.behind, bridge @ read).view(-1, kv_heads, width)
    groups = len(maps.output) // kv_heads
    found = []
    for head, output in enumerate(maps.output.to(bridge)):
        values_of = torch.linalg.eigvals((output @ into[:, head // groups]).cpu())
        size = float(values_of.abs().sum())
        found.append(float(values_of.sum().real) / size if size > 0 else float("nan"))
    return found


def behind_norm(norm: FrozenNorm | None, matrix: Tensor) -> Tensor:
    """Multiply what a norm does to a row into the matrix behind it, [d_model, any]."""
    if norm is None:
        return matrix
    scaled = norm.gain.to(matrix)[:, None] * matrix
    return scaled - scaled.mean(dim=0) if norm.centred else scaled


@torch.no_grad()
def _logits_of_tokens(captured: CapturedPass, seen: StreamPass) -> tuple[Tensor, int]:
    """Multiply the unembedding, less its mean over the vocabulary, with the embedding; say how many tokens both know.

    Returns:
        Final norm, W_U, then W_E, [d_model, d_model], float64 where the device knows it.

    Raises:
        ModelRefusedError: one of them is no table of as wide rows.
    """
    model = captured.model
    norm = seen.final_norm(model)
    final = None if norm is None else norm_of(norm)
    if norm is not None and final is None:
        raise no_stream(model, f"{norm.name}, before its unembedding, is no norm that is known")
    embedding, unembedding = table_of_ids(model.module), _table_behind(seen, model)
    if not isinstance(embedding, nn.Embedding) or embedding.weight.shape[1] != unembedding.shape[1]:
        raise no_stream(model, "its embedding is no table of vectors as wide as its stream")
    rows, width = min(len(embedding.weight), len(unembedding)), unembedding.shape[1]
    exact = torch.float32 if unembedding.device.type == "mps" else torch.float64
    product = torch.zeros(width, width, dtype=exact, device=unembedding.device)
    sums = product.new_zeros(2, width)
    block = max(1, TABLE_NUMBERS // width)
    for start in range(0, rows, block):
        part = slice(start, min(start + block, rows))
        written, read = unembedding[part].to(product), embedding.weight[part].to(product)
        product += written.T @ read
        sums += torch.stack([written.sum(dim=0), read.sum(dim=0)])
    product -= torch.outer(*sums) / rows
    return behind_norm(final, product), rows


def _table_behind(seen: StreamPass, model: Model) -> Tensor:
    """Return the unembedding's matrix, [vocabulary, d_model], proven on the pass.

    Raises:
        ModelRefusedError: it is none.
    """
    weight, hidden = getattr(seen.unembedding, "weight", None), seen.hidden[seen.item]
    fits = isinstance(weight, Tensor) and weight.is_floating_point()
    if (
        isinstance(weight, Tensor)
        and fits
        and weight.shape == (seen.raw.shape[-1], hidden.shape[-1])
    ):
        bias = getattr(seen.unembedding, "bias", None)
        made = torch.nn.functional.linear(hidden, weight, bias)
        apart = torch.linalg.vector_norm((made - seen.raw).float())
        if bool(apart <= allowed_apart(seen.raw) * torch.linalg.vector_norm(seen.raw.float())):
            return weight
    raise no_stream(model, "its unembedding is no matrix")
