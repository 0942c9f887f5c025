"""One position of a decoder in many variants, which share the keys and values of what stands before it.

What stands before a position cannot see it, so a change there reaches the prediction there through that position alone:
all variants are one batch of single tokens. The keys and values before it are those of an earlier pass, and are never
copied for a variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, Cache
from transformers.cache_utils import CacheLayerMixin

from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.tiers.attention_implementations import switched
from viz.capture.tiers.registry import AttentionCall, Editor, edit, shown
from viz.effects.attention_calls import Call, CallNames, calls_of
from viz.effects.captured_pass import CapturedPass
from viz.effects.head_states import HeadStates
from viz.effects.registry_pass import as_captured, require_same
from viz.models.model_outputs import first_output

IMPLEMENTATION = "loupe_one_token"

NOTHING: Mapping[Call, Tensor] = MappingProxyType({})

# Inputs that say nothing more about one unpadded text than its tokens do.
PLAIN_INPUTS = frozenset({"input_ids", "attention_mask"})


@dataclass(frozen=True, slots=True)
class Before:
    """What one layer attends to from one position.

    Shapes, float32: key [kv_head, key, d] and value [kv_head, key, d] of the positions before; hidden [1 or head, 1,
    1 + key] where the position may not look; bias [1 or head, 1, 1 + key]; sinks [head, 1, 1].
    """

    key: Tensor
    value: Tensor
    scale: float
    hidden: Tensor
    bias: Tensor | None
    softcap: float | None
    sinks: Tensor | None


@dataclass(frozen=True, slots=True)
class OneToken:
    """A position of a text, ready to be run in variants.

    Attributes:
        position: from 0.
        token: its id.
        layers: what each call attends to.
    """

    position: int
    token: int
    layers: Mapping[Call, Before]

    def run(
        self,
        captured: CapturedPass,
        variants: int,
        editor: Editor,
        hidden: Mapping[Call, Tensor] = NOTHING,
        within: AbstractContextManager[None] | None = None,
    ) -> Tensor:
        """Run the position so many times at once; logits [variant, vocabulary].

        Args:
            captured: the pass of the whole text.
            variants: how many.
            editor: changes what heads put out, [variant, 1, head, d].
            hidden: keys that heads may not look at besides, by call, bool [head, variant, 1 + key].
            within: what the pass runs in besides, such as hooks.
        """
        model = captured.model
        calls = CallNames(model.module)
        ids = torch.full((variants, 1), self.token, device=torch.device(model.device))
        cache = Cache(layers=[_Earlier(self.position) for _ in range(_cache_layers(model.module))])
        with as_captured(captured), switched(model.module, IMPLEMENTATION), within or nullcontext():
            token = _running.set((calls, self.layers, hidden))
            try:
                with edit(editor):
                    result = model.module(input_ids=ids, past_key_values=cache, use_cache=True)
            finally:
                _running.reset(token)
        return first_output(result)[:, -1]


def one_token(
    captured: CapturedPass, states: Mapping[str, Sequence[HeadStates]]
) -> OneToken | None:
    """Make the position of a prediction ready to be run in variants.

    Args:
        captured: the pass.
        states: of the same pass.

    Returns:
        None where it is not cut off from what follows, where the inputs are more than a text, and where the
        model, run so, predicts something else.
    """
    trace, prepared, position = captured.trace, captured.prepared, captured.objective.position
    ids = prepared.inputs.get("input_ids")
    padding = prepared.inputs.get("attention_mask")
    if (
        list(trace.stacks) != ["self"]
        or not isinstance(ids, Tensor)
        or ids.shape[0] != 1
        or position is None
        or position < 1
        or not {name for name, one in prepared.inputs.items() if one is not None} <= PLAIN_INPUTS
        or (isinstance(padding, Tensor) and not bool(padding.all()))
    ):
        return None
    found = {}
    for (stack, layer), call in calls_of(trace).items():
        record = trace.stacks[stack].records[layer]
        if not isinstance(record, RecordedLayer) or record.shape != (ids.shape[1], ids.shape[1]):
            return None
        before = _before(record, states[stack][layer], position)
        if before is None:
            return None
        found[call] = before
    ready = OneToken(position, int(ids[0, position]), found)
    try:
        with torch.inference_mode():
            logits = ready.run(captured, 1, lambda call: call.output)
        require_same(logits[0], trace, "as a single token", row=position)
    except Exception:  # Not every model can go on from a cache; whole passes can be run of each.
        return None
    return ready


def _before(record: RecordedLayer, states: HeadStates, position: int) -> Before | None:
    """Cut out what a layer attends to from a position; None where positions before it see it, too."""
    device = record.key.device
    row = torch.tensor([position], device=device)
    earlier = torch.arange(position, device=device)
    if bool(record.mask.allowed(earlier, position, record.shape[1]).any()):
        return None
    bias = record.bias
    if bias is not None:
        bias = (bias if bias.shape[1] == 1 else bias[:, row])[..., : position + 1].float()
    sinks = record.sinks
    if sinks is not None:
        sinks = (sinks if sinks.ndim == 1 else sinks[:, position]).float()[:, None, None]
    return Before(
        record.key[:, :position].float(),
        states.value[:, :position].float(),
        record.scale,
        ~record.mask.allowed(row, 0, position + 1),
        bias,
        record.softcap,
        sinks,
    )


class _Earlier(CacheLayerMixin):  # type: ignore[misc]
    """A layer of a cache that says how much stands before, and leaves what is new alone."""

    is_sliding = False

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Have nothing to prepare."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_options: Any
    ) -> tuple[Tensor, Tensor]:
        """Hand back what is new; what stands before is at hand where the kernel is called."""
        return key_states, value_states

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Say how many keys there are, and where they begin."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Say how many positions stand before."""
        return self.length

    def get_max_length(self) -> int:
        """Say that there is no limit."""
        return -1


def _cache_layers(module: nn.Module) -> int:
    numbers = [getattr(part, "layer_idx", None) for part in module.modules()]
    return 1 + max((one for one in numbers if isinstance(one, int)), default=0)


_running: ContextVar[tuple[CallNames, Mapping[Call, Before], Mapping[Call, Tensor]]] = ContextVar(
    "one_token"
)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    **_options: Any,
) -> tuple[Tensor, None]:
    """Attend from one token of each variant to itself and to what all have before them.

    Shapes: query [variant, head, 1, d]; key, value [variant, kv_head, 1, d]; returns [variant, 1, head, d].
    """
    calls, layers, hidden = _running.get()
    call = calls(module)
    before = layers[call]
    variants, heads, width = len(query), query.shape[1], query.shape[3]
    shared = len(before.key)
    mine = query[:, :, 0].float().transpose(0, 1).reshape(shared, -1, width)
    scores = torch.bmm(mine, before.key.transpose(1, 2)).view(heads, variants, -1)
    own_key = key[:, :, 0].float().transpose(0, 1).repeat_interleave(heads // shared, dim=0)
    own_score = (mine.view(heads, variants, width) * own_key).sum(-1, keepdim=True)
    scores = torch.cat([scores, own_score], dim=-1).mul_(before.scale)  # [head, variant, key]
    if before.softcap is not None:
        scores = torch.tanh(scores / before.softcap) * before.softcap
    if before.bias is not None:
        scores = scores + before.bias
    scores = scores.masked_fill(before.hidden, -torch.inf)
    if call in hidden:
        scores = scores.masked_fill(hidden[call], -torch.inf)
        # Who may look at nothing any more puts out 0: the token itself stands in for the softmax.
        nothing = torch.isneginf(scores).all(dim=-1, keepdim=True)
        scores = scores.masked_fill(nothing, 0.0)
    else:
        nothing = None
    if before.sinks is not None:
        scores = torch.cat([scores, before.sinks.expand(heads, variants, 1)], dim=-1)
    weights = torch.softmax(scores, dim=-1)
    if nothing is not None:
        weights = weights * ~nothing
    keys = before.key.shape[1]
    earlier = weights[..., :keys].reshape(shared, -1, keys)
    output = torch.bmm(earlier, before.value).view(heads, variants, -1)
    own_value = value[:, :, 0].float().transpose(0, 1).repeat_interleave(heads // shared, dim=0)
    output = output + weights[..., keys : keys + 1] * own_value
    output = output.transpose(0, 1)[:, None].to(value.dtype).contiguous()
    return shown(_as_call(module, query, key, value, before, output)), None


def _as_call(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, before: Before, output: Tensor
) -> AttentionCall:
    return AttentionCall(
        module=module,
        query=query,
        key=key,
        value=value,
        mask=None,
        is_causal=False,
        scale=before.scale,
        bias=before.bias,
        softcap=before.softcap,
        sinks=before.sinks,
        window=None,
        dropout=0.0,
        output=output,
    )


def register() -> None:
    """Make the function known to transformers; safe to call again."""
    AttentionInterface.register(IMPLEMENTATION, _attend)


register()
