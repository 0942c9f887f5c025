"""A transformer block, and a stack of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional

from viz.models.custom.attention_masks import causal_mask, join_masks
from viz.models.custom.attention_module import Attention
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.position_encodings import alibi_bias

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a block or a stack returns.

    Attributes:
        tokens: shape [batch, token, d_model].
        weights: of the self-attention of each block, [batch, head, query, key]; none where the fast
            kernel kept them.
        cross_weights: of the cross-attention of each block.
    """

    tokens: Tensor
    weights: tuple[Tensor, ...] = field(default=())
    cross_weights: tuple[Tensor, ...] = field(default=())


class FeedForward(nn.Module):
    """A small network that every token passes by itself."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        wide = options.feedforward_width
        self.up = nn.Linear(options.d_model, wide, bias=options.bias)
        self.down = nn.Linear(wide, options.d_model, bias=options.bias)
        self.activation = ACTIVATIONS[options.activation]
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what is to be added to the tokens, [batch, token, d_model]."""
        widened: Tensor = self.dropout(self.activation(self.up(tokens)))
        narrowed: Tensor = self.down(widened)
        return narrowed


class Block(nn.Module):
    """Self-attention, cross-attention where there is a source, and a feed-forward network.

    Each is added to what came in. With `pre` norm it reads normalised tokens, with `post` norm the
    sum is normalised.

    Args:
        options: of the transformer.
        causal: whether tokens may only look back.
        cross: whether tokens also look at a source.
    """

    def __init__(
        self, options: TransformerOptions, *, causal: bool = False, cross: bool = False
    ) -> None:
        super().__init__()
        self.pre = options.norm == "pre"
        rotary = options.positions == "rotary"
        self.attention = _attention(options, causal=causal, rotary=rotary)
        self.attention_norm = nn.LayerNorm(options.d_model)
        if cross:
            self.cross_attention = _attention(options)
            self.cross_norm = nn.LayerNorm(options.d_model)
        self.cross = cross
        self.feedforward = FeedForward(options)
        self.feedforward_norm = nn.LayerNorm(options.d_model)
        self.dropout = nn.Dropout(options.dropout)

    def forward(
        self,
        tokens: Tensor,
        source: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        present: Tensor | None = None,
        source_present: Tensor | None = None,
        need_weights: bool = False,
    ) -> Seen:
        """Run the block.

        Args:
            tokens: shape [batch, token, d_model].
            source: what cross-attention looks at, [batch, source token, d_model].
            mask: of the self-attention, as `Attention` takes it.
            present: [batch, token], where there is a token and no padding.
            source_present: the same of the source.
            need_weights: whether weights are to be returned; see `Attention`.
        """
        weights: list[Tensor] = []
        cross_weights: list[Tensor] = []

        def look(read: Tensor) -> Tensor:
            given = {"mask": mask, "present": present}
            return _noting(weights, self.attention(read, **given, need_weights=need_weights))

        def look_across(read: Tensor) -> Tensor:
            given = {"key": source, "present": source_present}
            return _noting(
                cross_weights, self.cross_attention(read, **given, need_weights=need_weights)
            )

        tokens = self._added(tokens, look, self.attention_norm)
        if self.cross:
            tokens = self._added(tokens, look_across, self.cross_norm)
        tokens = self._added(tokens, self.feedforward, self.feedforward_norm)
        return Seen(tokens, tuple(weights), tuple(cross_weights))

    def _added(
        self, tokens: Tensor, sublayer: Callable[[Tensor], Tensor], norm: nn.LayerNorm
    ) -> Tensor:
        """Add what a sublayer makes of tokens to them, normalised before or after."""
        if self.pre:
            added: Tensor = self.dropout(sublayer(norm(tokens)))
            return tokens + added
        summed: Tensor = norm(tokens + self.dropout(sublayer(tokens)))
        return summed


def _noting(notes: list[Tensor], attended: tuple[Tensor, Tensor | None]) -> Tensor:
    """Note the weights of an attention, where it returned them, and hand on its output."""
    output, weights = attended
    if weights is not None:
        notes.append(weights)
    return output


class Stack(nn.Module):
    """Blocks one after the other; with `pre` norm the last tokens are normalised once more.

    Args:
        options: of the transformer.
        causal: whether tokens may only look back.
        cross: whether tokens also look at a source.
    """

    def __init__(
        self, options: TransformerOptions, *, causal: bool = False, cross: bool = False
    ) -> None:
        super().__init__()
        self.options = options
        self.causal = causal
        # What ALiBi adds forbids the future as well, so that all layers share one tensor.
        by_block = causal and options.positions != "alibi"
        self.blocks = nn.ModuleList(
            Block(options, causal=by_block, cross=cross) for _ in range(options.layers)
        )
        self.norm = nn.LayerNorm(options.d_model) if options.norm == "pre" else nn.Identity()

    def forward(
        self,
        tokens: Tensor,
        source: Tensor | None = None,
        *,
        present: Tensor | None = None,
        source_present: Tensor | None = None,
        need_weights: bool = False,
    ) -> Seen:
        """Run all blocks; arguments as for `Block`."""
        mask = self._distances(tokens) if self.options.positions == "alibi" else None
        weights: tuple[Tensor, ...] = ()
        cross_weights: tuple[Tensor, ...] = ()
        for block in self.blocks:
            seen = block(
                tokens,
                source,
                mask=mask,
                present=present,
                source_present=source_present,
                need_weights=need_weights,
            )
            tokens = seen.tokens
            weights += seen.weights
            cross_weights += seen.cross_weights
        return Seen(self.norm(tokens), weights, cross_weights)

    def _distances(self, tokens: Tensor) -> Tensor:
        """Make what ALiBi adds to scores, [head, query, key]."""
        count = tokens.shape[-2]
        bias = alibi_bias(self.options.heads, count, count).to(tokens)
        rule = causal_mask(count, count, tokens.device) if self.causal else None
        joined = join_masks([bias, rule])
        assert joined is not None
        return joined


def _attention(
    options: TransformerOptions, *, causal: bool = False, rotary: bool = False
) -> Attention:
    """Build an attention of a transformer."""
    return Attention(
        options.d_model,
        options.heads,
        kv_heads=options.kv_heads,
        d_head=options.d_head,
        fused=options.fused,
        bias=options.bias,
        scores=options.scores,
        scaled=options.scaled,
        causal=causal,
        rotary=rotary,
        dropout=options.attention_dropout,
    )
