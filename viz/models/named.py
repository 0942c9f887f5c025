"""Tier 3 for modules that a user names: a function of theirs says what the softmax saw."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from viz.errors import ModelRefusedError
from viz.models.attention import AttentionCall, covered, current_observer


@dataclass(frozen=True, slots=True)
class Attention:
    """What one attention module computed, as its own code knows it.

    Shapes: query [batch, head, query, d]; key [batch, kv_head, key, d]; value [batch, kv_head,
    key, d_value]; mask None, bool (True: may look) or added to the scores, broadcastable to
    [batch, head, query, key]; sinks [head].

    Attributes beyond the formula's: finish, what the module does to the heads side by side
    [.., head * d_value] before it returns them, such as its output projection; None if nothing.
    With it the weights are checked against what the module returned.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    scale: float | None = None
    mask: Tensor | None = None
    is_causal: bool = False
    bias: Tensor | None = None
    softcap: float | None = None
    sinks: Tensor | None = None
    finish: Callable[[Tensor], Tensor] | None = None


_followed: weakref.WeakKeyDictionary[nn.Module, tuple[RemovableHandle, ...]]
_followed = weakref.WeakKeyDictionary()

Explain = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], Attention]


def name_attention(module: nn.Module, attention: Mapping[str, Explain], name: str) -> None:
    """Let functions tell what parts of a module attend to, whenever somebody observes.

    Args:
        module: the whole.
        attention: by the name of a part (`blocks.*.attn`; as in `named_modules`, with wildcards), a
            function of the part and what its forward was given.
        name: of the whole, for messages.

    Raises:
        ModelRefusedError: no part has such a name.
    """
    parts = [(path, part) for path, part in module.named_modules() if path]
    for pattern, explain in attention.items():
        found = [part for path, part in parts if fnmatchcase(path, pattern)]
        if not found:
            raise ModelRefusedError(
                f"{name} has no part named {pattern!r}.",
                f"Its parts are named like {', '.join(path for path, _ in parts[:5])}.",
            )
        for part in found:
            _follow(part, explain)


def _follow(part: nn.Module, explain: Explain) -> None:
    """Report each run of a part to the observer, in place of kernels that it calls."""

    def before(_part: nn.Module, _args: tuple[Any, ...]) -> None:
        covered.set(True)

    def after(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        covered.set(False)
        observer = current_observer()
        if observer is None or output is None:
            return
        told = explain(part, args, kwargs)
        observer(
            AttentionCall(
                module=part,
                query=told.query,
                key=told.key,
                value=told.value,
                mask=told.mask,
                is_causal=told.is_causal,
                scale=told.scale if told.scale is not None else told.query.shape[-1] ** -0.5,
                bias=told.bias,
                softcap=told.softcap,
                sinks=told.sinks,
                window=None,
                dropout=0.0,
                output=output[0] if isinstance(output, (tuple, list)) else output,
                tier="hooks",
                finish=told.finish or _side_by_side,
            )
        )

    for handle in _followed.pop(part, ()):
        handle.remove()  # said again, the last word counts
    _followed[part] = (
        part.register_forward_pre_hook(before),
        part.register_forward_hook(after, with_kwargs=True, always_call=True),
    )


def _side_by_side(heads: Tensor) -> Tensor:
    """Leave the heads as they are."""
    return heads
