"""Tier 3 for modules that a user names: a function of theirs says what the softmax saw."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from viz.capture.tiers.registry import AttentionCall, covered, current_observer
from viz.errors import CaptureError, ModelRefusedError, ShapeError, VerificationError
from viz.models.argument_checks import kind_of_value


@dataclass(frozen=True, slots=True)
class Attention:
    """What one attention module computed, as its own code knows it.

    Shapes: query [batch, head, query, d]; key [batch, kv_head, key, d]; value [batch, kv_head,
    key, d_value]; mask None, bool (True: may look) or added to the scores, and bias, added to them
    too, broadcastable to [batch, head, query, key]; sinks [head].

    Attributes beyond the formula's: scale, 1 / sqrt(d) where it is not given; finish, what the module does to the heads side by side
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

SIGNATURE = (
    "It is called as function(part, args, kwargs), with the positional and the named arguments "
    "of the part's forward, and returns a viz.Attention."
)

# What stands for parts of a name; as in paths, one star stays within one name between dots.
WILDCARDS = {"**.": r"(?:.*\.)?", "**": ".*", "*": "[^.]*", "?": "[^.]"}


def name_attention(module: nn.Module, attention: Mapping[str, Explain], name: str) -> None:
    """Let functions tell what parts of a module attend to, whenever somebody observes.

    Args:
        module: the whole.
        attention: by the name of a part, as in `named_modules` (`blocks.*.attn`; `*` is one name or
            some of it, `**` any number of names), a function of the part and what its forward was
            given: `function(part, args, kwargs)`.
        name: of the whole, for messages.

    Raises:
        ModelRefusedError: no part has such a name, or what should be a function is none.
    """
    if not isinstance(attention, Mapping):
        raise ModelRefusedError(
            f"What attention= was given is {kind_of_value(attention)}.",
            "Give functions by the names of parts: attention={'blocks.*.attn': function}.",
        )
    parts = [(path, part) for path, part in module.named_modules() if path]
    for pattern, explain in attention.items():
        if not callable(explain):
            raise ModelRefusedError(
                f"What attention= has for {pattern!r:.60} is {kind_of_value(explain)}.", SIGNATURE
            )
        wanted = _as_regex(str(pattern))
        found = [(path, part) for path, part in parts if wanted.fullmatch(path)]
        if not found:
            raise ModelRefusedError(
                f"{name} has no part named {pattern!r}.",
                f"Its parts are named like {', '.join(path for path, _ in parts[:5])}.",
            )
        for path, part in found:
            _follow(path, part, explain)


def is_explained(module: nn.Module) -> bool:
    """Whether functions tell what parts of a module attend to, each input in its place of the batch."""
    return any(part in _followed for part in module.modules())


def _as_regex(pattern: str) -> re.Pattern[str]:
    """Turn a name with wildcards into an expression for whole names; [12] is one of these letters."""
    pieces = re.split(r"(\*\*\.|\*\*|\*|\?|\[[^\]]+\])", pattern)
    sets = {piece: piece.replace("[!", "[^", 1) for piece in pieces if piece.startswith("[")}
    return re.compile("".join({**WILDCARDS, **sets}.get(p) or re.escape(p) for p in pieces))


def _follow(path: str, part: nn.Module, explain: Explain) -> None:
    """Report each run of a part to the observer, in place of kernels that it calls."""

    def before(_part: nn.Module, _args: tuple[Any, ...]) -> None:
        covered.set(True)

    def after(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        covered.set(False)
        observer = current_observer()
        if observer is None or output is None:
            return
        call = _call(path, part, _told(path, lambda: explain(part, args, kwargs)), output)
        try:
            observer(call)
        except VerificationError as error:
            raise VerificationError(
                error.message,
                "What attention= tells of it is not what it computed: look at the scale, the mask, "
                "and `finish`, which is what it does to its heads before it returns them.",
            ) from error

    for handle in _followed.pop(part, ()):
        handle.remove()  # said again, the last word counts
    _followed[part] = (
        part.register_forward_pre_hook(before),
        part.register_forward_hook(after, with_kwargs=True, always_call=True),
    )


def _told(path: str, explain: Callable[[], Attention]) -> Attention:
    """Ask a user's function.

    Raises:
        CaptureError: it failed, or returned something else.
    """
    try:
        told = explain()
    except Exception as error:  # it is not ours, and may raise anything
        raise CaptureError(
            f"The function that attention= has for {path} failed: {type(error).__name__}: {error}.",
            SIGNATURE,
        ) from error
    if not isinstance(told, Attention):
        raise CaptureError(
            f"The function that attention= has for {path} returned {kind_of_value(told)}.",
            SIGNATURE,
        )
    return told


def _call(path: str, part: nn.Module, told: Attention, output: Any) -> AttentionCall:
    """Describe what a user's function told as a call of a kernel.

    Raises:
        ShapeError: its tensors do not fit each other.
    """
    output = output[0] if isinstance(output, (tuple, list)) else output
    if not isinstance(output, Tensor):
        raise CaptureError(
            f"The part {path} returned {kind_of_value(output)}, with which nothing can be compared.",
            "Name a part that returns a tensor, alone or first.",
        )
    return AttentionCall(
        module=part,
        query=told.query,
        key=told.key,
        value=told.value,
        mask=_spread(path, "mask", told.mask, _scores_shape(path, told)),
        is_causal=told.is_causal,
        scale=float(told.scale) if told.scale is not None else told.query.shape[-1] ** -0.5,
        bias=_spread(path, "bias", told.bias, _scores_shape(path, told)),
        softcap=told.softcap,
        sinks=told.sinks,
        window=None,
        dropout=0.0,
        output=output,
        tier="hooks",
        finish=_finished(path, told.finish, output.shape[-1]),
    )


def _scores_shape(path: str, told: Attention) -> tuple[int, ...]:
    """Return [batch, head, query, key] of what was told, if it fits together."""
    tensors = {"query": told.query, "key": told.key, "value": told.value}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.ndim != 4:
            came = tuple(tensor.shape) if isinstance(tensor, Tensor) else kind_of_value(tensor)
            raise ShapeError(
                f"The {name} that attention= tells of {path} is {came}.",
                "Give [batch, head, token, d].",
            )
    batch, heads, queries, d = told.query.shape
    kv_heads, keys = told.key.shape[1:3]
    fits = told.key.shape == (batch, kv_heads, keys, d) and heads % kv_heads == 0
    if not fits or told.value.shape[:3] != (batch, kv_heads, keys):
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ShapeError(
            f"What attention= tells of {path} does not fit together: {shapes}.",
            "Give [batch, head, query, d], [batch, kv_head, key, d] and [batch, kv_head, key, d_value].",
        )
    return batch, heads, queries, keys


def _spread(path: str, name: str, given: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    """Bring a mask or a bias to four dimensions."""
    if given is None:
        return None
    sizes = zip(reversed(given.shape), reversed(shape), strict=False)
    if given.ndim > len(shape) or any(size not in (1, whole) for size, whole in sizes):
        raise ShapeError(
            f"The {name} that attention= tells of {path} has shape {tuple(given.shape)}.",
            f"Give one that broadcasts to [batch, head, query, key], here {shape}.",
        )
    four = given[(None,) * (4 - given.ndim)]
    return four.expand(*four.shape[:3], shape[-1])


def _finished(
    path: str, finish: Callable[[Tensor], Tensor] | None, width: int
) -> Callable[[Tensor], Tensor]:
    """Do to heads side by side what the part does, and see that its output comes out."""

    def finished(heads: Tensor) -> Tensor:
        try:
            result = finish(heads) if finish is not None else heads
        except Exception as error:
            raise CaptureError(
                f"The finish that attention= has for {path} failed on heads side by side "
                f"{tuple(heads.shape)}: {error}.",
                "Give what the part does to [.., head * d_value] before it returns them.",
            ) from error
        if result.shape[-1] != width:
            raise ShapeError(
                f"Of the heads of {path} come {result.shape[-1]} numbers a token, and it returned {width}.",
                "Give finish=, what it does to its heads side by side before it returns them.",
            )
        return result

    return finished
