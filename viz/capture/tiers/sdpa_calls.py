"""Tier 3: attention that a module computes without the registry of transformers, seen as it is called.

`torch.nn.functional.scaled_dot_product_attention` and `torch.nn.MultiheadAttention` are watched by a
torch function mode, which belongs to the current thread and touches neither torch nor the module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from viz.capture.tiers.call_tier import CALL_TIERS, CallTier
from viz.capture.tiers.output_projection import Follower, Piece, PutBack
from viz.capture.tiers.registry import AttentionCall, Observer, is_covered
from viz.capture.tiers.running_part import calling_part
from viz.capture.tiers.sdpa_axes import USUAL, is_usual, with_heads
from viz.models.head_count import head_count, known_head_counts
from viz.models.part_names import part_names


# What is known of a call's axes where they are [batch, head, token, d] beyond doubt.
def _usually(heads: int) -> PutBack:
    return PutBack((Piece(1, heads, 1),), frozenset())


class Watch(TorchFunctionMode):
    """Sees every torch function that is called in this thread, and reports those of attention."""

    def __init__(self, module: nn.Module, observer: Observer, batch: int | None) -> None:
        super().__init__()
        self.known = part_names(module)
        self.module = module
        self.observer = observer
        self.counts = (
            known_head_counts(module.config) if isinstance(module, PreTrainedModel) else None
        )
        self.batch = batch
        self._open: tuple[AttentionCall, Follower] | None = None

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)  # type: ignore[no-untyped-call]
        if details[0] is None:
            self._close()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is functional.scaled_dot_product_attention and not is_covered():
            self._close()
            part = calling_part(self.known, self.module)
            self._open_call(sdpa_call(part, result, *args, **(kwargs or {})))
        elif func is functional.multi_head_attention_forward and not is_covered():
            self._close()
            self.observer(
                _multi_head_call(
                    calling_part(self.known, self.module), result[0], *args, **(kwargs or {})
                )
            )
        elif self._open is not None:
            follower = self._open[1]
            follower.see(func, args, kwargs or {}, result)
            if follower.answer is not None:
                self._close()
        return result

    @property
    def waiting(self) -> nn.Module | None:
        """The part whose call is reported once it is known which of its axes are heads."""
        return None if self._open is None else self._open[0].module

    def _open_call(self, call: AttentionCall) -> None:
        """Report a call, once it is known which of its axes are heads."""
        self._open = call, Follower(call.output)
        if is_usual(call.query.shape, head_count(call.module)) or (
            call.query.ndim == USUAL and isinstance(self.module, PreTrainedModel)
        ):
            self._open[1].answer = _usually(call.query.shape[1])
            self._close()

    def _close(self) -> None:
        """Report the call that waits, with what its module did with the output until now."""
        if self._open is None:
            return
        (call, follower), self._open = self._open, None
        told = with_heads(
            call,
            follower.end(),
            head_count(call.module),
            self.batch,
            self.known.get(id(call.module), ""),
        )
        if self._is_attention(told.module, told.query.shape[1]):
            self.observer(told)

    def _is_attention(self, part: nn.Module, heads: int) -> bool:
        """Whether a call is one of heads: Inkling 2 also weighs its own layers by this kernel.

        The dimension of heads then holds something else, and their number is none that the part or
        the configuration knows.
        """
        if self.counts is None or head_count(part) is not None or heads == 1:
            return True
        return heads in self.counts


def sdpa_call(
    module: nn.Module,
    output: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> AttentionCall:
    """Describe one call, its tensors as they are: [.., token, d]."""
    return AttentionCall(
        module=module,
        query=query,
        key=key,
        value=value,
        mask=attn_mask,
        is_causal=is_causal,
        scale=scale if scale is not None else query.shape[-1] ** -0.5,
        bias=None,
        softcap=None,
        sinks=None,
        window=None,
        dropout=dropout_p,
        output=output,
        tier="hooks",
    )


def _multi_head_call(
    module: nn.Module,
    output: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> AttentionCall:
    """Project queries, keys and values once more, because the function keeps them to itself."""
    if query.ndim == 2:
        query, key, value = query[:, None], key[:, None], value[:, None]
        output = output[:, None]
        key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
    weights = (
        (q_proj_weight, k_proj_weight, v_proj_weight)
        if in_proj_weight is None or use_separate_proj_weight
        else in_proj_weight.chunk(3)
    )
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    q, k, v = (
        functional.linear(part, weight, bias)  # type: ignore[arg-type]
        for part, weight, bias in zip((query, key, value), weights, biases, strict=True)
    )
    batch = q.shape[1]
    if bias_k is not None and bias_v is not None:
        k, v = (
            torch.cat([k, bias_k.expand(1, batch, -1)]),
            torch.cat([v, bias_v.expand(1, batch, -1)]),
        )
    if add_zero_attn:
        nothing = k.new_zeros(1, batch, k.shape[-1])
        k, v = torch.cat([k, nothing]), torch.cat([v, nothing])

    def by_head(tensor: Tensor) -> Tensor:
        return tensor.view(len(tensor), batch, num_heads, -1).permute(1, 2, 0, 3)

    def finish(heads: Tensor) -> Tensor:
        return functional.linear(heads, out_proj_weight, out_proj_bias)

    return AttentionCall(
        module=module,
        query=by_head(q),
        key=by_head(static_k.transpose(0, 1) if static_k is not None else k),
        value=by_head(static_v.transpose(0, 1) if static_v is not None else v),
        mask=_additive(attn_mask, key_padding_mask, batch, num_heads, len(k)),
        is_causal=False,
        scale=(q.shape[-1] // num_heads) ** -0.5,
        bias=None,
        softcap=None,
        sinks=None,
        window=None,
        dropout=dropout_p if training else 0.0,
        output=output.transpose(0, 1),
        tier="hooks",
        finish=finish,
    )


def _additive(
    mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, keys: int
) -> Tensor | None:
    """Join PyTorch's two masks, where True forbids, into one that is added to the scores."""

    def added(given: Tensor) -> Tensor:
        zeros = torch.zeros(given.shape, device=given.device)
        joined = (
            zeros.masked_fill(given, -torch.inf) if given.dtype == torch.bool else given.float()
        )
        return functional.pad(joined, (0, keys - given.shape[-1]))

    parts = []
    if mask is not None:
        full = added(mask)
        parts.append(
            full[None, None] if full.ndim == 2 else full.view(batch, heads, *full.shape[1:])
        )
    if padding is not None:
        parts.append(added(padding)[:, None, None, :])
    return sum(parts[1:], parts[0]) if parts else None


SDPA_CALLS = CALL_TIERS.add(CallTier("sdpa_calls", Watch))
