"""Attention functions of transformers' registry, with a place from which to watch them.

The registry's "sdpa" is the stock function in a thin coat: with an observer, set for the current
context only, it also shows each call's query, key, value, mask and output. Models are left as they
are, and threads can share one. What a model computes with its own eager attention alone (soft caps,
sinks) is computed by `masked_attention`, to which a model is set for the length of a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from viz.attention_formula import attention_rows
from viz.models.model import Tier

# What the registry calls PyTorch's fused kernel.
STOCK_NAME = "sdpa"

# Ours, for models that compute with their own eager attention: every mask is written out and added to
# the scores as eager attention has it, and where there is none every query may look at every key.
MASKED_NAME = "loupe_masked"

# Rows of weights that one block of the slow path may hold at a time, in numbers (64 MB in float32).
BLOCK_NUMBERS = 16_000_000


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """One attention call as the model made it, with its result.

    Shapes: query [batch, head, query, d]; key, value [batch, kv_head, key, d];
    mask None, bool or additive float, broadcastable to [batch, head, query, key];
    sinks [head] or [batch, head, query, 1];
    output [batch, query, head, d], or [batch, query, d_model] where `finish` leads to it.

    Attributes beyond the formula's: tier, by which way it was seen; finish, what the module does to
    the heads side by side [.., head * d] before anyone sees its output.
    """

    module: nn.Module
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    is_causal: bool
    scale: float
    bias: Tensor | None
    softcap: float | None
    sinks: Tensor | None
    window: int | None
    dropout: float
    output: Tensor
    tier: Tier = "registry"
    finish: Callable[[Tensor], Tensor] | None = None

    def repeats(self, other: AttentionCall) -> bool:
        """Whether a part asked the kernel for the same weights once more, for other values.

        Differential attention does so for each half of its values.
        """
        return (
            self.module is other.module
            and _is_same(self.query, other.query)
            and _is_same(self.key, other.key)
            and self.mask is other.mask
            and self.bias is other.bias
            and (self.scale, self.is_causal) == (other.scale, other.is_causal)
        )


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one is other or (
        one.data_ptr() == other.data_ptr()
        and one.shape == other.shape
        and one.stride() == other.stride()
    )


Observer = Callable[[AttentionCall], None]

_observer: ContextVar[Observer | None] = ContextVar("attention_observer", default=None)


# Returns what takes the place of a call's output, [batch, query, head, d], before the model goes on with it.
Editor = Callable[[AttentionCall], Tensor]

_editor: ContextVar[Editor | None] = ContextVar("attention_editor", default=None)

covered: ContextVar[bool] = ContextVar("attention_covered", default=False)


def is_covered() -> bool:
    """Whether the kernel is being called on behalf of something that is observed itself."""
    return covered.get()


def current_observer() -> Observer | None:
    """Return who watches in this context."""
    return _observer.get()


@contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Let `observer` see every attention call made in this context, and only here."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@contextmanager
def edit(editor: Editor) -> Iterator[None]:
    """Let `editor` change the output of every attention call made in this context, and only here."""
    token = _editor.set(editor)
    try:
        yield
    finally:
        _editor.reset(token)


def is_seen() -> bool:
    """Whether anybody watches or edits the calls of this context."""
    return _observer.get() is not None or _editor.get() is not None


def shown(call: AttentionCall) -> Tensor:
    """Show a call to the editor and the observer of the context, and return its output, edited."""
    editor, observer = _editor.get(), _observer.get()
    if editor is not None:
        call = replace(call, output=editor(call))
    if observer is not None:
        observer(call)
    return call.output


@contextmanager
def unobserved() -> Iterator[None]:
    """Let nobody see what is called in this context, as when a part is run again."""
    token, hidden = _observer.set(None), covered.set(True)
    try:
        yield
    finally:
        covered.reset(hidden)
        _observer.reset(token)


def register() -> None:
    """Put the coat on the registry's "sdpa", and make `masked_attention` known; safe to call again."""
    stock = ALL_ATTENTION_FUNCTIONS[STOCK_NAME]
    if not isinstance(stock, Watched):
        AttentionInterface.register(STOCK_NAME, Watched(stock))
    AttentionInterface.register(MASKED_NAME, masked_attention)
    AttentionMaskInterface.register(MASKED_NAME, eager_mask)


class Watched:
    """A function of the registry that shows its calls to the observer of the context, if there is one."""

    def __init__(self, stock: Callable[..., tuple[Tensor, Any]]) -> None:
        self.stock = stock

    def __call__(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        **options: Any,
    ) -> tuple[Tensor, Any]:
        """Call the function as the model does; what it leaves out (sinks) is left out of the call."""
        with _on_behalf():
            output, others = self.stock(module, query, key, value, attention_mask, **options)
        if is_seen():
            scale, told = options.get("scaling"), options.get("is_causal")
            causal = bool(getattr(module, "is_causal", True)) if told is None else bool(told)
            output = shown(
                AttentionCall(
                    module=module,
                    query=query,
                    key=key,
                    value=value,
                    mask=attention_mask,
                    is_causal=causal and attention_mask is None and query.shape[2] > 1,
                    scale=query.shape[-1] ** -0.5 if scale is None else float(scale),
                    bias=options.get("position_bias"),
                    softcap=None,
                    sinks=None,
                    window=options.get("sliding_window"),
                    dropout=float(options.get("dropout") or 0.0),
                    output=output,
                )
            )
        return output, others


@contextmanager
def _on_behalf() -> Iterator[None]:
    """Let nobody see what is called on behalf of something that is observed itself."""
    token = covered.set(True)
    try:
        yield
    finally:
        covered.reset(token)


def masked_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    sinks: Tensor | None = None,
    indices: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Run one layer as its model's eager attention would, and show it to the observer.

    No mask is applied but the one that is handed over, whatever `is_causal` says. Sinks go by two names:
    `s_aux` in gpt-oss and most others, `sinks` where there is one a query. Models with a sparse index
    (DeepSeek 3.2) may hand over the keys that each query chose, [batch, query, chosen], and expect that
    it looks at no others.
    """
    s_aux = s_aux if s_aux is not None else sinks
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if indices is not None:
        attention_mask = _chosen_only(attention_mask, indices, query, key)
    with _on_behalf():
        if softcap is None and s_aux is None:
            stock = ALL_ATTENTION_FUNCTIONS[STOCK_NAME]
            output, _ = (stock.stock if isinstance(stock, Watched) else stock)(
                module,
                query,
                key,
                value,
                attention_mask,
                dropout=dropout,
                scaling=scaling,
                is_causal=False,
                position_bias=position_bias,
                **kwargs,
            )
        else:
            # The fast kernel takes neither a soft cap nor sinks.
            output = _attend_in_blocks(
                query, key, value, attention_mask, scale, position_bias, softcap, s_aux
            )
    if is_seen():
        output = shown(
            AttentionCall(
                module=module,
                query=query,
                key=key,
                value=value,
                mask=attention_mask,
                is_causal=False,
                scale=scale,
                bias=position_bias,
                softcap=softcap,
                sinks=s_aux,
                window=kwargs.get("sliding_window"),
                dropout=dropout,
                output=output,
            )
        )
    return output, None


def _chosen_only(mask: Tensor | None, indices: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Narrow a mask to the keys that each query chose, bool [batch, 1 or head, query, key]."""
    batch, _, queries, _ = query.shape
    keys = key.shape[2]
    # One column more takes what says "none", -1.
    chosen = torch.zeros(batch, queries, keys + 1, dtype=torch.bool, device=query.device)
    chosen.scatter_(-1, torch.where(indices < 0, keys, indices.long()), True)
    chosen = chosen[:, None, :, :keys]
    if mask is None:
        return chosen
    if mask.dtype == torch.bool:
        return mask & chosen
    return mask.masked_fill(~chosen, torch.finfo(mask.dtype).min)


def split_mask(mask: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Split a mask as models pass it into where one may look and what is added to the scores.

    Args:
        mask: bool (True: may look), or additive float whose most negative numbers forbid.

    Returns:
        `allowed` (bool) and `bias` (float32), either None where it says nothing.
    """
    if mask.dtype == torch.bool:
        return mask, None
    # Models forbid with -inf or with (sums of) the dtype's minimum; real biases are nowhere near.
    allowed = mask > torch.finfo(mask.dtype).min / 2
    bias = mask.float().masked_fill(~allowed, 0.0)
    return allowed, bias if bool(bias.any()) else None


def _attend_in_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    bias: Tensor | None,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """Attend in blocks of query rows, so that memory grows with the keys and not with their square.

    Returns:
        Shape [batch, query, head, d], in the dtype of `value`.
    """
    batch, heads, queries, _ = query.shape
    keys = key.shape[2]
    allowed, mask_bias = split_mask(mask) if mask is not None else (None, None)
    block = max(1, BLOCK_NUMBERS // (heads * keys))
    groups = heads // value.shape[1]
    output = query.new_empty(batch, queries, heads, value.shape[-1], dtype=value.dtype)
    for item in range(batch):
        values = value[item].float().repeat_interleave(groups, dim=0)
        for start in range(0, queries, block):
            rows = slice(start, min(start + block, queries))
            may_look = _rows_of(allowed, item, rows)
            added = [
                b
                for b in (_rows_of(mask_bias, item, rows), _rows_of(bias, item, rows))
                if b is not None
            ]
            weights = attention_rows(
                query[item, :, rows],
                key[item],
                scale=scale,
                allowed=may_look,
                bias=sum(added[1:], added[0]) if added else None,
                softcap=softcap,
                sinks=sinks_of(sinks, item, rows),
            )
            output[item, rows] = (weights @ values).transpose(0, 1).to(output.dtype)
    return output


def sinks_of(sinks: Tensor | None, item: int, rows: slice) -> Tensor | None:
    """Take one item's rows out of sinks, where each query has one of its own."""
    if sinks is None or sinks.ndim < 4:
        return None if sinks is None else sinks.detach().reshape(-1)
    return sinks[min(item, len(sinks) - 1), :, rows, 0].detach()


def _rows_of(full: Tensor | None, item: int, rows: slice) -> Tensor | None:
    """Take one item's query rows out of a [batch or 1, head or 1, query or 1, key] tensor."""
    if full is None:
        return None
    one = full[min(item, full.shape[0] - 1)]
    return one if one.shape[1] == 1 else one[:, rows]
