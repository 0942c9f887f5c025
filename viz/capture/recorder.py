"""Turns attention calls into recorded layers, checking each against its own output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from viz.capture.layer import RecordedLayer
from viz.capture.mask import Mask, Spans, as_rule, causal, full
from viz.capture.provenance import Provenance
from viz.errors import CaptureError, VerificationError
from viz.models.attention import AttentionCall, split_mask

# Query rows of each layer whose weights @ v is compared with what the kernel returned.
CHECKED_ROWS = 8

# What the check allows, in units of the dtype's epsilon: float32 adds up roundings of long sums,
# the half types are summed in float32 and rounded a few times only.
ALLOWED_ROUNDINGS = {torch.float32: 64, torch.float64: 64, torch.bfloat16: 4, torch.float16: 4}

# Weights are computed in float32 whatever the model computes in.
ROW_SUM_TOLERANCE = 1e-5

# Every so many values tell how large values are, which is all that the tolerance needs.
TOLERANCE_STRIDE = 16

MaskKey = tuple[int, tuple[int, ...], tuple[int, ...]]


@dataclass(slots=True)
class Recorder:
    """An observer that keeps queries and keys of one item of the batch, layer by layer."""

    module: nn.Module
    item: int = 0
    expected_layers: int = 1
    on_layer: Callable[[int], None] | None = None
    layers: list[RecordedLayer] = field(default_factory=list)
    _shelf: Tensor | None = None
    _taken: int = 0
    _names: dict[int, str] = field(default_factory=dict)
    _masks: dict[MaskKey, tuple[Tensor, Mask, Tensor | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = {id(module): name for name, module in self.module.named_modules()}

    def __call__(self, call: AttentionCall) -> None:
        """Record one call.

        Raises:
            VerificationError: the weights do not reproduce the layer's output.
        """
        name = self._names.get(id(call.module), f"attention call {len(self.layers) + 1}")
        if call.dropout > 0:
            raise CaptureError(
                f"Layer {name} runs with dropout {call.dropout:g}, so its weights change by chance.",
                "Call model.eval() before the capture.",
            )
        query, key = call.query[self._item_of(call.query)], call.key[self._item_of(call.key)]
        if call.is_causal:
            key = key[:, : query.shape[1]]
        mask, bias = self._mask(call, query.shape[1], key.shape[1])
        if call.bias is not None:
            own = call.bias[self._item_of(call.bias)][..., : key.shape[1]].float()
            bias = own if bias is None else bias + own
        layer = RecordedLayer(
            name=name,
            query=self._own(query, key),
            key=self._own(key),
            scale=call.scale,
            mask=mask,
            bias=bias,
            softcap=call.softcap,
            sinks=None if call.sinks is None else call.sinks.detach().reshape(-1),
            provenance=_UNVERIFIED,
        )
        self.layers.append(_verified(layer, call, self.item))
        if self.on_layer is not None:
            self.on_layer(len(self.layers))

    def _own(self, tensor: Tensor, other: Tensor | None = None) -> Tensor:
        """Copy a tensor onto the shelf, so that keeping it does not keep a larger one.

        One shelf for all layers, because copies that lie between what the model frees would make it
        ask the system for fresh memory in every layer. Copied token by token, as projections write
        them, which is several times faster than head by head.
        """
        by_token = tensor.detach().transpose(0, 1)
        shelf = self._shelf
        if shelf is None:
            each = tensor.numel() + (0 if other is None else other.numel())
            room = each * self.expected_layers
            shelf = self._shelf = by_token.new_empty(room)
        end = self._taken + by_token.numel()
        if end > shelf.numel() or shelf.dtype != by_token.dtype or shelf.device != by_token.device:
            return by_token.clone(memory_format=torch.contiguous_format).transpose(0, 1)
        place = shelf[self._taken : end].view(by_token.shape)
        self._taken = end
        return place.copy_(by_token).transpose(0, 1)

    def _item_of(self, tensor: Tensor) -> int:
        """Where the item stands in a tensor that may be shared by the whole batch."""
        return min(self.item, tensor.shape[0] - 1)

    def _mask(self, call: AttentionCall, queries: int, keys: int) -> tuple[Mask, Tensor | None]:
        """Turn the call's mask into a rule, once for all layers that were handed the same one."""
        device = call.query.device
        if call.mask is None:
            rule = causal(queries, device) if call.is_causal else full(queries, keys, device)
            return rule, None
        given = call.mask
        known: MaskKey = (given.data_ptr(), tuple(given.shape), given.stride())
        if known not in self._masks:
            one = given[self._item_of(given)].expand(-1, queries, -1)[..., :keys]
            allowed, bias = split_mask(one)
            rule_or_dense = full(queries, keys, device) if allowed is None else as_rule(allowed)
            # The mask itself is kept for the pass, lest its memory be reused under the same key.
            self._masks[known] = (given, rule_or_dense, bias)
        _, rule_or_dense, bias = self._masks[known]
        return rule_or_dense, bias


_UNVERIFIED = Provenance("registry", None, 0.0, 0.0, 0, (), "", None, "")


def _verified(layer: RecordedLayer, call: AttentionCall, item: int) -> RecordedLayer:
    """Recompute some rows and compare weights @ v with the kernel's output."""
    queries, _ = layer.shape
    looking = _rows_that_look(layer, queries)
    value = call.value[min(item, call.value.shape[0] - 1)]
    groups = layer.heads // value.shape[0]
    tolerance = _tolerance(call.value)
    output_error, row_sum_error = 0.0, 0.0
    if len(looking) > 0:
        pick = torch.linspace(0, len(looking) - 1, min(CHECKED_ROWS, len(looking)))
        rows = torch.unique(looking[pick.round().long().to(looking.device)])
        weights, first = layer.rows(slice(0, layer.heads), rows)
        last = first + weights.shape[-1]
        values = value[:, first:last].float()
        grouped = weights.reshape(value.shape[0], groups * len(rows), last - first)
        expected = torch.bmm(grouped, values).view(layer.heads, len(rows), -1)
        actual = call.output[item, rows].transpose(0, 1).float()  # [head, row, d]
        output_error = float((expected - actual).abs().max())
        some = values[:, ::TOLERANCE_STRIDE]
        tolerance *= max(1.0, float(torch.linalg.vector_norm(some, torch.inf)))
        above = weights.sum(dim=-1) - 1
        # A sink takes its share, so that rows may only sum to less.
        row_sum_error = float(
            (above.clamp(min=0) if layer.sinks is not None else above.abs()).max()
        )
        # Negated, so that NaN does not pass.
        if not (output_error <= tolerance and row_sum_error <= ROW_SUM_TOLERANCE):
            raise VerificationError(
                f"Layer {layer.name or '(the model itself)'} failed its check: max |weights @ v - output| is "
                f"{output_error:.2g}, allowed {tolerance:.2g}; row sums are off by {row_sum_error:.2g}.",
                "Its pattern is not shown because it would mislead; "
                "the weights may hold NaN, or the layer changes its scores in a way we do not know.",
            )
    provenance = Provenance(
        tier="registry",
        output_error=output_error,
        row_sum_error=row_sum_error,
        tolerance=tolerance,
        checked_rows=min(CHECKED_ROWS, len(looking)),
        flags=_flags(layer, call, padded=len(looking) < queries),
        mask=layer.mask.describe(layer.shape[1]),
        scale=call.scale,
        dtype=str(call.query.dtype).removeprefix("torch."),
    )
    return replace(layer, provenance=provenance)


def _rows_that_look(layer: RecordedLayer, queries: int) -> Tensor:
    """Rows that may look at something; padding rows may not, and their output is nobody's."""
    rows = torch.arange(queries, device=layer.query.device)
    if isinstance(layer.mask, Spans):
        return rows[layer.mask.stop > layer.mask.start]
    return rows[layer.mask.matrix.any(dim=-1).any(dim=0)]


def _tolerance(value: Tensor) -> float:
    """Return how far weights @ v may be from the output, for values of size 1."""
    return ALLOWED_ROUNDINGS[value.dtype] * torch.finfo(value.dtype).eps


def _flags(layer: RecordedLayer, call: AttentionCall, *, padded: bool) -> tuple[str, ...]:
    """List what makes this pattern differ from textbook attention."""
    kv_heads = layer.key.shape[0]
    usual = layer.query.shape[-1] ** -0.5
    flags = {
        f"grouped: {layer.heads} query heads share {kv_heads} key heads": kv_heads < layer.heads,
        f"scale {call.scale:.3g} instead of 1/sqrt(d)": abs(call.scale - usual) > 1e-6 * usual,
        "attention sinks: rows sum to less than 1": layer.sinks is not None,
        f"soft cap {layer.softcap}": layer.softcap is not None,
        "position bias": layer.bias is not None,
        f"sliding window {call.window}": call.window is not None,
        "padding rows look at nothing": padded,
    }
    return tuple(flag for flag, holds in flags.items() if holds)
