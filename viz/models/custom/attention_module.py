"""One attention module for every variant that textbooks know, each an option by the field's name."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from viz.errors import ConfigError
from viz.models.custom.attention_masks import (
    causal_mask,
    check_mask,
    check_present,
    join_masks,
    padding_mask,
)
from viz.models.custom.attention_steps import (
    Steps,
    additive_scores,
    dot_scores,
    join_heads,
    mask_scores,
    project,
    scale_scores,
    softmax,
    split_heads,
    weighted_sum,
)
from viz.models.custom.option_checks import (
    check_groups,
    check_rotary,
    check_tokens,
    head_width,
    require_choice,
    require_count,
    require_flag,
    require_positive,
    require_share,
)
from viz.models.custom.position_encodings import rotate

Scores = Literal["dot", "additive"]


class Attention(nn.Module):
    """Let every token look at others, and take a weighted mean of what they hold.

    `attention(x)` is self-attention, `attention(x, source)` cross-attention: queries come from the
    first, keys and values from the second. The fast kernel computes the output; `attention.steps(x)`
    computes the same one step after the other, and returns all of them.

    Args:
        d_model: width of the tokens that look, and of the output.
        heads: how many patterns each token has; each has its share of the width.
        kv_heads: heads of keys and values, where groups of query heads share them; `heads` by
            default, 1 is multi-query attention.
        d_head: width of a head; `d_model / heads` by default.
        d_value: width of a head's values; `d_head` by default.
        kdim: width of the tokens that keys are made of; `d_model` by default.
        vdim: width of the tokens that values are made of; `kdim` by default.
        projections: whether queries, keys and values are projected at all; without, they are the
            tokens themselves.
        fused: one matrix for the three projections, in the order query, key, value.
        bias: whether the projections have one.
        output_projection: whether joined heads are projected once more; without, their width
            `heads * d_value` is that of the output.
        scores: `dot` (multiplicative, Q K^T) or `additive` (Bahdanau's small network).
        scaled: whether scores are multiplied with 1 / sqrt(d_head); by default those of dot products
            are.
        temperature: scores are divided by it; above 1 patterns are flatter, below 1 sharper.
        causal: whether a query may look only at keys up to its own place.
        rotary: whether queries and keys are turned by their place.
        dropout: share of the weights that are set to 0 in training.

    Raises:
        ConfigError: options do not fit each other, or are out of range.
    """

    def __init__(
        self,
        d_model: int,
        heads: int = 1,
        *,
        kv_heads: int | None = None,
        d_head: int | None = None,
        d_value: int | None = None,
        kdim: int | None = None,
        vdim: int | None = None,
        projections: bool = True,
        fused: bool = False,
        bias: bool = True,
        output_projection: bool = True,
        scores: Scores = "dot",
        scaled: bool | None = None,
        temperature: float = 1.0,
        causal: bool = False,
        rotary: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        counts = {"d_model": d_model, "heads": heads, "kv_heads": kv_heads, "d_head": d_head}
        widths = {"d_value": d_value, "kdim": kdim, "vdim": vdim}
        for name, count in {**counts, **widths}.items():
            if count is not None:
                require_count(name, count)
        flags = {"projections": projections, "fused": fused, "bias": bias, "causal": causal}
        flags |= {"output_projection": output_projection, "rotary": rotary}
        for name, flag in flags.items():
            require_flag(name, flag)
        if scaled is not None:
            require_flag("scaled", scaled)
        require_choice("scores", scores, get_args(Scores))
        require_positive("temperature", temperature)
        require_share("dropout", dropout)
        self.d_model = d_model
        self.heads = heads
        self.kv_heads = heads if kv_heads is None else kv_heads
        self.d_head = head_width(d_model, heads) if d_head is None else d_head
        self.d_value = self.d_head if d_value is None else d_value
        self.kdim = d_model if kdim is None else kdim
        self.vdim = self.kdim if vdim is None else vdim
        self.projections = projections
        self.fused = fused
        self.output_projection = output_projection
        self.scores = scores
        self.scaled = scores == "dot" if scaled is None else scaled
        self.temperature = temperature
        self.causal = causal
        self.rotary = rotary
        self.dropout = dropout
        check_groups(heads, self.kv_heads)
        if rotary:
            check_rotary(self.d_head)
        self._build(bias)
        self.reset_parameters()

    def _build(self, bias: bool) -> None:
        """Make the projections.

        Raises:
            ConfigError: there can be none for such widths.
        """
        widths, read = self.widths, [self.d_model, self.kdim, self.vdim]
        if self.fused and (not self.projections or len(set(read)) > 1):
            raise ConfigError(
                "One fused projection was asked for, "
                + (
                    f"and queries, keys and values are made of tokens of width {read}."
                    if self.projections
                    else "and no projections."
                ),
                "Use separate projections.",
            )
        if not self.projections and read != widths:
            raise ConfigError(
                f"Without projections tokens of width {read} cannot be queries, keys and values of "
                f"width {widths}.",
                "Let the widths be equal, or use projections.",
            )
        if self.fused:
            self.qkv = nn.Linear(self.d_model, sum(widths), bias=bias)
        elif self.projections:
            self.query, self.key, self.value = (
                nn.Linear(width, made, bias=bias) for width, made in zip(read, widths, strict=True)
            )
        if self.scores == "additive":
            self.vector = nn.Parameter(torch.empty(self.heads, self.d_head))
        if self.output_projection:
            self.output = nn.Linear(self.heads * self.d_value, self.d_model, bias=bias)

    @property
    def widths(self) -> list[int]:
        """Widths of all queries, keys and values of a token, heads side by side."""
        return [
            self.heads * self.d_head,
            self.kv_heads * self.d_head,
            self.kv_heads * self.d_value,
        ]

    @property
    def scale(self) -> float:
        """What scores are multiplied with, the temperature included."""
        return float((self.d_head**-0.5 if self.scaled else 1.0) / self.temperature)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew: Glorot's, as in `torch.nn.MultiheadAttention`; biases are 0."""
        # By hand, because transformers replaces the functions of torch.nn.init while it loads a model,
        # in whatever thread. A slice of a fused matrix is drawn as if it stood alone.
        drawn = [weight for weight, _ in self.matrices()]
        drawn += [self.output.weight] if self.output_projection else []
        drawn += [self.vector] if self.scores == "additive" else []
        for weight in drawn:
            bound = math.sqrt(6 / sum(weight.shape))
            weight.uniform_(-bound, bound)
        for part in self.children():
            if isinstance(part, nn.Linear) and part.bias is not None:
                part.bias.zero_()

    def matrices(self) -> list[tuple[Tensor, Tensor | None]]:
        """Return weight and bias of the query, key and value projections; none without them."""
        if not self.projections:
            return []
        if not self.fused:
            return [(one.weight, one.bias) for one in (self.query, self.key, self.value)]
        weights = torch.split(self.qkv.weight, self.widths)
        biases = (None,) * 3 if self.qkv.bias is None else torch.split(self.qkv.bias, self.widths)
        return list(zip(weights, biases, strict=True))

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        present: Tensor | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            query: the tokens that look, [batch, query, d_model] or [query, d_model].
            key: the tokens that are looked at, [batch, key, kdim]; those of `query` by default.
            value: what these hold, [batch, key, vdim]; `key` by default.
            mask: where a query may look: bool (True: may look) or float (added to the scores), which
                broadcasts to [batch, head, query, key].
            present: [batch, key], True or 1 where there is a token and no padding.
            need_weights: whether weights are wanted too; they are computed step by step then.

        Returns:
            The output [batch, query, d_model], and weights [batch, head, query, key], None where
            the fast kernel kept them to itself. A query that may look at nothing gets 0 of every
            value. Weights are those before dropout.

        Raises:
            ShapeError: tensors do not fit the module or each other.
        """
        # Additive scores are no dot product, so that no kernel knows them.
        if need_weights or self.scores == "additive":
            steps = self.steps(query, key, value, mask=mask, present=present)
            return steps.output, steps.weights
        query_heads, key_heads, value_heads = self._projected(query, key, value)
        # The kernel has a way of its own, which saves the matrix, for causal masks that stand alone.
        alone = self.causal and mask is None and present is None
        heads = _on_kernel(
            self._placed(query_heads),
            self._placed(key_heads),
            value_heads,
            None if alone else self._mask_of(query_heads, key_heads, mask, present),
            is_causal=alone,
            scale=self.scale,
            dropout=self.dropout if self.training else 0.0,
        )
        return self._finished(join_heads(heads)), None

    def steps(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        present: Tensor | None = None,
    ) -> Steps:
        """Attend one step after the other, and return all of them; arguments as for `forward`.

        Raises:
            ShapeError: tensors do not fit the module or each other.
        """
        query_heads, key_heads, value_heads = self._projected(query, key, value)
        rotated_query, rotated_key = self._placed(query_heads), self._placed(key_heads)
        if self.scores == "additive":
            scores = additive_scores(rotated_query, rotated_key, self.vector)
        else:
            scores = dot_scores(rotated_query, rotated_key)
        scaled = scale_scores(scores, self.scale)
        joined_mask = self._mask_of(query_heads, key_heads, mask, present)
        masked = mask_scores(scaled, joined_mask)
        weights = softmax(masked)
        drops = self.training and self.dropout > 0
        dropped = functional.dropout(weights, self.dropout) if drops else weights
        heads = weighted_sum(dropped, value_heads)
        joined = join_heads(heads)
        return Steps(
            query=query_heads,
            key=key_heads,
            value=value_heads,
            rotated_query=rotated_query,
            rotated_key=rotated_key,
            scores=scores,
            scaled=scaled,
            mask=joined_mask,
            masked=masked,
            weights=weights,
            dropped=dropped,
            heads=heads,
            joined=joined,
            output=self._finished(joined),
        )

    def _projected(
        self, query: Tensor, key: Tensor | None, value: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Project and split: [batch, head, query, d], [batch, kv_head, key, d] and [.., d_value]."""
        key = query if key is None else key
        value = key if value is None else value
        weights = self.matrices()
        dtype = weights[0][0].dtype if weights else None
        check_tokens(query, key, value, (self.d_model, self.kdim, self.vdim), dtype=dtype)
        if not self.projections:
            parts = [query, key, value]
        elif self.fused and key is query and value is query:
            together = project(query, self.qkv.weight, self.qkv.bias)
            parts = list(torch.split(together, self.widths, dim=-1))
        else:
            given = zip((query, key, value), weights, strict=True)
            parts = [project(tokens, weight, bias) for tokens, (weight, bias) in given]
        counts = (self.heads, self.kv_heads, self.kv_heads)
        first, second, third = (
            split_heads(part, count) for part, count in zip(parts, counts, strict=True)
        )
        return first, second, third

    def _placed(self, heads: Tensor) -> Tensor:
        """Put positions into queries or keys, if they are rotary."""
        return rotate(heads) if self.rotary else heads

    def _mask_of(
        self, query: Tensor, key: Tensor, mask: Tensor | None, present: Tensor | None
    ) -> Tensor | None:
        """Join the given mask, the padding and the causal one."""
        queries, keys = query.shape[-2], key.shape[-2]
        if mask is not None:
            check_mask(mask, (*query.shape[:-1], keys))
        if present is not None:
            check_present(present, (*key.shape[:-3], keys))
        return join_masks(
            [
                mask,
                None if present is None else padding_mask(present),
                causal_mask(queries, keys, query.device) if self.causal else None,
            ]
        )

    def _finished(self, joined: Tensor) -> Tensor:
        """Project joined heads once more, where that is wanted."""
        if not self.output_projection:
            return joined
        # As a module, so that who watches or wraps it is asked.
        projected: Tensor = self.output(joined)
        return projected


def _on_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    is_causal: bool,
    scale: float,
    dropout: float,
) -> Tensor:
    """Attend by PyTorch's fast kernel: [.., head, query, d] in, [.., head, query, d_value] out."""
    q, k, v = (part if part.ndim == 4 else part[None] for part in (query, key, value))
    if mask is not None and mask.dtype != torch.bool:
        mask = mask.to(query.dtype)
    heads = functional.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=key.shape[-3] != query.shape[-3],
    )
    return heads if query.ndim == 4 else heads[0]
