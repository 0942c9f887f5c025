"""Modules that attend in ways drawn at random: by the kernel, by PyTorch's own, or written by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PROJECTIONS = {
    "split": ("q_proj", "k_proj", "v_proj"),
    "to": ("to_q", "to_k", "to_v"),
    "short": ("wq", "wk", "wv"),
    "plain": ("query", "key", "value"),
}


@dataclass(frozen=True)
class Spec:
    """How one part attends.

    Attributes:
        by: `sdpa` (the kernel), `mha` (nn.MultiheadAttention), or written by hand: `softmax`, `exp`
            (divided by its sum), `einsum`, `folded` (batch and heads in one dimension, bmm).
        along: what attends to what: `tokens`, `channels` of a head, or the `items` of a batch.
        window: tokens of a window, 0 for none; strided: its tokens lie apart from each other.
        layout: of windows: `head window` or `window head` in five dimensions, `batch` with the
            windows folded into it. Without windows `flat` has three dimensions: no heads where there
            is one, else batch and heads in one.
        mask: `none`, `causal`, `flag` (causal, told to the kernel), `bool`, `additive`, `padding`,
            `sliding`.
        null: where a learned key stands beside the tokens' own: `front`, `back` or nowhere; `zero` is
            one of zeros at the back, `sink` a learned score of each head and no key at all.
        talks: whether heads are mixed `before` the softmax, `after` it or `never`.
        says: the name of the attribute that holds the number of heads, or nothing.
        turned: whether PyTorch's own is handed tokens first, and what comes out is turned back.
    """

    by: str
    heads: int
    kv_heads: int
    width: int
    along: str = "tokens"
    window: int = 0
    strided: bool = False
    layout: str = "batch"
    mask: str = "none"
    null: str = ""
    talks: str = "never"
    gate: bool = False
    cross: bool = False
    says: str = ""
    named: str = "split"
    turned: bool = False


class Part(nn.Module):
    """One part that attends as its spec says: [batch, token, d] to [batch, token, d]."""

    def __init__(self, spec: Spec, tokens: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.spec = spec
        d_model = spec.heads * spec.width
        if spec.by == "mha":
            self.inner = nn.MultiheadAttention(
                d_model,
                spec.heads,
                batch_first=not spec.turned,
                add_bias_kv=spec.null == "back",
                add_zero_attn=spec.null == "zero",
            )
        else:
            names = PROJECTIONS[spec.named]
            for name, heads in zip(names, (spec.heads, spec.kv_heads, spec.kv_heads), strict=True):
                setattr(self, name, nn.Linear(d_model, heads * spec.width))
            self.out = nn.Linear(d_model, d_model)
        if spec.says:
            setattr(self, spec.says, spec.heads)
        if spec.gate:
            self.gate = nn.Linear(d_model, d_model)
        if spec.talks != "never":
            self.mix = nn.Parameter(torch.empty(spec.heads, spec.heads))
        if spec.null == "sink":
            self.sink = nn.Parameter(torch.empty(spec.heads))
        elif spec.null and spec.by != "mha":
            self.null = nn.Parameter(torch.empty(2, spec.kv_heads, spec.width))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
        size = spec.window or tokens
        self.register_buffer(
            "table", torch.randn(size, size, generator=generator), persistent=False
        )

    def projected(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project to queries, keys and values [batch, token, head, d]."""
        if self.spec.by == "mha":
            weights = self.inner.in_proj_weight.chunk(3)
            biases = self.inner.in_proj_bias.chunk(3)
            pairs = zip((x, context, context), weights, biases, strict=True)
            projected = [functional.linear(given, w, b) for given, w, b in pairs]
        else:
            names = PROJECTIONS[self.spec.named]
            pairs = zip(names, (x, context, context), strict=True)
            projected = [getattr(self, name)(given) for name, given in pairs]
        query, key, value = (one.unflatten(-1, (-1, self.spec.width)) for one in projected)
        if self.spec.null not in ("", "sink"):
            if self.spec.null == "zero":
                beside = [torch.zeros_like(key[:1, 0])] * 2
            elif self.spec.by == "mha":
                both = (self.inner.bias_k, self.inner.bias_v)
                beside = [one[0].unflatten(-1, (-1, self.spec.width)) for one in both]
            else:
                beside = [one[None] for one in self.null]
            null = [one[:, None].expand(len(x), 1, -1, -1) for one in beside]
            at_front = self.spec.null == "front"
            key, value = (
                torch.cat([extra, own] if at_front else [own, extra], dim=1)
                for extra, own in zip(null, (key, value), strict=True)
            )
        return query, key, value

    def forward(
        self, x: Tensor, context: Tensor | None = None, present: Tensor | None = None
    ) -> Tensor:
        """Attend, and project what comes out."""
        context = x if context is None else context
        if self.spec.by == "mha":
            return self._by_pytorch(x, context, present)
        query, key, value = self.projected(x, context)
        if self.spec.along == "channels":
            heads = self._across_channels(query, key, value)
        elif self.spec.along == "items":
            heads = self._attend(*(t.transpose(0, 1) for t in (query, key, value)), None)
            heads = heads.transpose(0, 1)
        elif self.spec.window:
            heads = self._in_windows(query, key, value)
        else:
            heads = self._attend(query, key, value, self._mask(x.shape[1], key.shape[1], present))
        joined = heads.flatten(-2)
        if self.spec.gate:
            joined = joined * torch.sigmoid(self.gate(x))
        return self.out(joined)

    def _by_pytorch(self, x: Tensor, context: Tensor, present: Tensor | None) -> Tensor:
        mask = self._mask(x.shape[1], context.shape[1], None)
        if mask is not None and mask.dtype == torch.bool:
            mask = ~mask
        padding = None if present is None else ~present
        if self.spec.turned:
            x, context = x.transpose(0, 1), context.transpose(0, 1)
        out, _ = self.inner(
            x, context, context, attn_mask=mask, key_padding_mask=padding, need_weights=False
        )
        return out.transpose(0, 1) if self.spec.turned else out

    def _mask(self, queries: int, keys: int, present: Tensor | None) -> Tensor | None:
        """Write the mask out, [query, key] or [batch, 1, 1, key]."""
        kind = self.spec.mask
        if kind == "padding":
            return None if present is None else present[:, None, None]
        if kind in ("none", "flag"):
            return None
        if kind == "additive":
            return self.table.to(next(self.parameters()).dtype)
        ones = torch.ones(queries, keys, dtype=torch.bool)
        if kind == "causal":
            return ones.tril()
        if kind == "sliding":
            return ones.tril() & ones.triu(-reach(queries))
        return (self.table > 0) | torch.eye(queries, dtype=torch.bool)

    def _in_windows(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Cut tokens into windows, in the layout of the spec."""
        size, layout = self.spec.window, self.spec.layout

        def cut(tensor: Tensor) -> Tensor:  # [batch, window, token, head, d]
            if self.spec.strided:
                return tensor.unflatten(1, (size, -1)).transpose(1, 2)
            return tensor.unflatten(1, (-1, size))

        def uncut(tensor: Tensor) -> Tensor:
            return (tensor.transpose(1, 2) if self.spec.strided else tensor).flatten(1, 2)

        mask = self._mask(size, size, None)
        parts = [cut(one) for one in (query, key, value)]
        batch = len(query)
        if layout == "batch":
            heads = self._attend(*(one.flatten(0, 1) for one in parts), mask)
            return uncut(heads.unflatten(0, (batch, -1)))
        order = (0, 3, 1, 2, 4) if layout == "head window" else (0, 1, 3, 2, 4)
        five = [one.permute(order) for one in parts]
        heads = self._kernel(*five, mask)
        back = (0, 2, 3, 1, 4) if layout == "head window" else (0, 1, 3, 2, 4)
        return uncut(heads.permute(back))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attend among [batch, token, head, d]; the same comes back."""
        by_head = [one.transpose(1, 2) for one in (query, key, value)]
        if self.spec.layout != "flat" or self.spec.kv_heads < self.spec.heads:
            return self._kernel(*by_head, mask).transpose(1, 2)
        flat = [one.flatten(0, 1) for one in by_head]
        if self.spec.by == "sdpa":
            many = mask is not None and mask.ndim > 2  # [batch, 1, 1, key]
            heads = functional.scaled_dot_product_attention(
                *flat,
                mask[:, 0].repeat_interleave(self.spec.heads, 0) if many else mask,
                is_causal=self.spec.mask == "flag",
            )
        else:
            scores = flat[0] @ flat[1].mT * self.spec.width**-0.5
            scores = self._masked(scores.unflatten(0, (len(query), -1)), mask).flatten(0, 1)
            heads = scores.softmax(dim=-1) @ flat[2]
        return heads.unflatten(0, (len(query), -1)).transpose(1, 2)

    def _kernel(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attend among [.., head, token, d]."""
        groups = self.spec.heads // self.spec.kv_heads
        if groups > 1 and self.spec.by == "sdpa" and self.spec.says:
            return functional.scaled_dot_product_attention(
                query, key, value, mask, is_causal=self.spec.mask == "flag", enable_gqa=True
            )
        if groups > 1:
            key, value = (one.repeat_interleave(groups, dim=1) for one in (key, value))
        if self.spec.by == "sdpa":
            return functional.scaled_dot_product_attention(
                query, key, value, mask, is_causal=self.spec.mask == "flag"
            )
        if self.spec.by == "folded":
            return self._folded(query, key, value, mask)
        if self.spec.by == "einsum":
            scores = torch.einsum("bhqd,bhkd->bhqk", query, key) / math.sqrt(self.spec.width)
        else:
            scores = query @ key.transpose(-1, -2) * self.spec.width**-0.5
        if self.spec.talks == "before":
            scores = torch.einsum("gh,bhqk->bgqk", self.mix, scores)
        scores = self._masked(scores, mask)
        if self.spec.null == "sink":
            sinks = self.sink.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
            weights = torch.cat([scores, sinks], dim=-1).softmax(dim=-1)[..., :-1]
        elif self.spec.by == "exp":
            grown = torch.exp(scores - scores.amax(dim=-1, keepdim=True))
            weights = grown / grown.sum(dim=-1, keepdim=True)
        else:
            weights = scores.softmax(dim=-1)
        if self.spec.talks == "after":
            weights = torch.einsum("gh,bhqk->bgqk", self.mix, weights)
        if self.spec.by == "einsum":
            return torch.einsum("bhqk,bhkd->bhqd", weights, value)
        return weights @ value

    def _folded(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Fold batch and heads into one dimension, as fairseq and BART did."""
        batch, heads = query.shape[:2]
        query, key, value = (one.flatten(0, 1) for one in (query, key, value))
        scores = torch.bmm(query * self.spec.width**-0.5, key.transpose(1, 2))
        scores = self._masked(scores.unflatten(0, (batch, heads)), mask).flatten(0, 1)
        return torch.bmm(functional.softmax(scores, dim=-1), value).unflatten(0, (batch, heads))

    def _masked(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        if self.spec.mask == "flag":
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if mask is None:
            return scores
        if mask.dtype == torch.bool:
            return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        return scores + mask

    def _across_channels(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Let the channels of each head look at each other, as XCiT does."""
        query, key, value = (one.permute(0, 2, 3, 1) for one in (query, key, value))
        weights = (query @ key.transpose(-1, -2) * self.spec.width**-0.5).softmax(dim=-1)
        return (weights @ value).permute(0, 3, 1, 2)


class Whole(nn.Module):
    """Parts one after the other, each added to what it was given."""

    def __init__(self, parts: list[Part], *, tokens_first: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(parts)
        self.tokens_first = tokens_first

    def forward(
        self, x: Tensor, context: Tensor | None = None, present: Tensor | None = None
    ) -> Tensor:
        """Run every part."""
        if self.tokens_first:
            x = x.transpose(0, 1)
            context = None if context is None else context.transpose(0, 1)
        for part in self.blocks:
            x = x + part(
                x,
                context if part.spec.cross else None,
                present if part.spec.mask == "padding" else None,
            )
        return x.transpose(0, 1) if self.tokens_first else x


def reach(tokens: int) -> int:
    """How many tokens back a sliding window sees."""
    return max(1, tokens // 3)
