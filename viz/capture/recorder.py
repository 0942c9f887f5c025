"""Turns attention calls into recorded layers, checking each against its own output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from viz.capture.layers.joined_calls import continues, joined
from viz.capture.layers.mask import Mask, as_rule, causal, full
from viz.capture.layers.recorded_layer import Layer, RecordedLayer
from viz.capture.layers.windowed_layer import WindowedLayer
from viz.capture.tiers.registry import AttentionCall, sinks_of, split_mask
from viz.capture.verification import UNVERIFIED, verified
from viz.errors import CaptureError
from viz.models.part_names import part_names

# Where a mask lies, its shape and strides, and how many queries and keys it is spread over: one row of
# padding may be handed to layers of both.
MaskKey = tuple[int, tuple[int, ...], tuple[int, ...], int, int]


@dataclass(slots=True)
class Recorder:
    """An observer that keeps queries and keys of one item of the batch, layer by layer."""

    module: nn.Module
    item: int = 0
    expected_layers: int = 1
    on_layer: Callable[[int], None] | None = None
    batch: int = 1
    layers: list[Layer] = field(default_factory=list)
    _last: AttentionCall | None = None
    _shelf: Tensor | None = None
    _taken: int = 0
    names: dict[int, str] = field(default_factory=dict)
    _masks: dict[MaskKey, tuple[Tensor, Mask, Tensor | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Given where several record the same pass: a model has hundreds of parts.
        self.names = self.names or part_names(self.module)

    def __call__(self, call: AttentionCall) -> None:
        """Record one call.

        Raises:
            CaptureError: dropout is on.
            VerificationError: the weights do not reproduce the layer's output.
        """
        name = self.name_of(call)
        inputs = max(call.query.shape[0], call.key.shape[0])
        if inputs > self.batch and inputs % self.batch:
            raise CaptureError(
                f"Layer {name} looks at {inputs} pictures or pieces, and the batch holds "
                f"{self.batch} inputs; which of them are of item {self.item} cannot be told.",
                "Capture one input at a time, with its own pictures.",
            )
        folded = inputs > self.batch
        layer = self._windows(name, call) if folded else self._whole(name, call)
        # What is packed into one sequence is cut by pictures, whatever the prompts' batch is.
        packed = self.batch == 1 or max(len(call.query), len(call.key)) < self.batch
        if packed and continues(call, self._last) and isinstance(layer, RecordedLayer):
            before = self.layers[-1]
            whole = joined(before, layer) if isinstance(before, RecordedLayer) else None
            if whole is not None:
                self.layers.pop()
                layer = whole
        self._last = call
        self.add(layer)

    def name_of(self, call: AttentionCall) -> str:
        """Name the part that made a call.

        Raises:
            CaptureError: dropout is on.
        """
        name = self.names.get(id(call.module), f"attention call {len(self.layers) + 1}")
        if call.dropout > 0:
            raise CaptureError(
                f"Layer {name} runs with dropout {call.dropout:g}, so its weights change by chance.",
                "Call model.eval() before the capture.",
            )
        return name

    def add(self, layer: Layer) -> None:
        """Take a layer that is finished."""
        self.layers.append(layer)
        if self.on_layer is not None:
            self.on_layer(len(self.layers))

    def _whole(self, name: str, call: AttentionCall) -> RecordedLayer:
        """Record a call in which each batch item is one input."""
        query, key = call.query[self._item_of(call.query)], call.key[self._item_of(call.key)]
        if call.is_causal:
            key = key[:, : query.shape[1]]
        mask, bias = self.mask_of(call, query.shape[1], key.shape[1])
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
            sinks=sinks_of(call.sinks, self.item, slice(None)),
            provenance=UNVERIFIED,
        )
        value, output = (
            call.value[self._item_of(call.value)],
            call.output[self._item_of(call.output)],
        )
        return verified(layer, call, value, output)

    def _windows(self, name: str, call: AttentionCall) -> WindowedLayer:
        """Record a call whose batch holds the windows of each input, one input after the other."""
        count = max(call.query.shape[0], call.key.shape[0]) // self.batch
        mine = slice(self.item * count, (self.item + 1) * count)

        def of_item(tensor: Tensor) -> Tensor:
            return tensor[mine] if tensor.shape[0] == count * self.batch else tensor

        query, key, value = of_item(call.query), of_item(call.key), of_item(call.value)
        allowed, bias = None, None
        if call.mask is not None:
            allowed, bias = split_mask(of_item(call.mask))
        elif call.is_causal:
            allowed = torch.ones(
                1, 1, query.shape[2], key.shape[2], dtype=torch.bool, device=query.device
            ).tril()
        if call.bias is not None:
            own = of_item(call.bias).float()
            bias = own if bias is None else bias + own
        layer = WindowedLayer(
            name=name,
            # Learned queries may be one for all windows.
            query=query.detach().expand(count, -1, -1, -1).clone(),
            key=key.detach().expand(count, -1, -1, -1).clone(),
            scale=call.scale,
            allowed=allowed,
            bias=bias,
            softcap=call.softcap,
            sinks=sinks_of(call.sinks, 0, slice(0, 1)),
            provenance=UNVERIFIED,
        )
        values = value.expand(count, -1, -1, -1).transpose(0, 1).flatten(1, 2)
        output = of_item(call.output).expand(count, *call.output.shape[1:]).flatten(0, 1)
        return verified(layer, call, values, output)

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

    def mask_of(self, call: AttentionCall, queries: int, keys: int) -> tuple[Mask, Tensor | None]:
        """Turn the call's mask into a rule, once for all layers that were handed the same one."""
        device = call.query.device
        if call.mask is None:
            rule = causal(queries, device) if call.is_causal else full(queries, keys, device)
            return rule, None
        given = call.mask
        place = (given.data_ptr(), tuple(given.shape), given.stride())
        known: MaskKey = (*place, queries, keys)
        if known not in self._masks:
            one = given[self._item_of(given)].expand(-1, queries, -1)[..., :keys]
            allowed, bias = split_mask(one)
            rule_or_dense = full(queries, keys, device) if allowed is None else as_rule(allowed)
            # The mask itself is kept for the pass, lest its memory be reused under the same key.
            self._masks[known] = (given, rule_or_dense, bias)
        _, rule_or_dense, bias = self._masks[known]
        return rule_or_dense, bias
