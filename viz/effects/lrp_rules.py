"""The rules of AttnLRP, laid on a pass operation by operation: gradients times inputs become relevance.

Each operation of the pass computes what it always does; only its gradient is another. So the rules hold for every model
whose pass is made of these operations, whatever its parts are called.

Source: Achtibat et al. 2024, "AttnLRP: Attention-Aware Layer-wise Relevance Propagation for Transformers", sec. 3.3, and
appendix A of how rules are laid on gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Below this an input of an activation counts as so large, because relevance is divided by it.
LEAST_INPUT = 1e-6

Call = Callable[..., Any]

# Where two of a pass's own tensors are multiplied, both share what their product is relevant for.
PRODUCTS: frozenset[Call] = frozenset(
    {
        torch.mul,
        torch.multiply,
        torch.matmul,
        torch.bmm,
        torch.einsum,
        Tensor.mul,
        Tensor.mul_,
        Tensor.multiply,
        Tensor.matmul,
        Tensor.bmm,
        Tensor.__mul__,
        Tensor.__rmul__,
        Tensor.__imul__,
        Tensor.__matmul__,
    }
)

QUOTIENTS: frozenset[Call] = frozenset(
    {torch.div, torch.divide, Tensor.div, Tensor.div_, Tensor.__truediv__, Tensor.__itruediv__}
)

# What one number becomes by itself; all that is relevant for it is for what it came from.
ACTIVATIONS: frozenset[Call] = frozenset(
    {
        functional.gelu,
        functional.silu,
        functional.relu,
        functional.relu6,
        functional.leaky_relu,
        functional.elu,
        functional.mish,
        functional.softplus,
        functional.hardswish,
        functional.sigmoid,
        functional.tanh,
        torch.relu,
        torch.sigmoid,
        torch.tanh,
        Tensor.relu,
        Tensor.sigmoid,
        Tensor.tanh,
    }
)

# The same, written over what they are given.
OVERWRITING: frozenset[Call] = frozenset(
    {torch.tanh_, torch.relu_, torch.sigmoid_, Tensor.tanh_, Tensor.relu_}
)

# What a norm divides by is taken as it is.
SCALES: frozenset[Call] = frozenset(
    {
        torch.rsqrt,
        torch.sqrt,
        torch.std,
        torch.var,
        torch.linalg.vector_norm,
        Tensor.rsqrt,
        Tensor.sqrt,
        Tensor.std,
        Tensor.var,
        Tensor.norm,
    }
)


class _Scaled(torch.autograd.Function):
    """A tensor whose gradient is multiplied by a share."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, share: float) -> Tensor:
        ctx.share = share
        return given.view_as(given)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.share, None


class _Activated(torch.autograd.Function):
    """What an activation put out, all of whose relevance goes to what it was given."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, output: Tensor) -> Tensor:
        least = torch.where(given < 0, -LEAST_INPUT, LEAST_INPUT)
        divisor = torch.where(given.abs() < LEAST_INPUT, least, given)
        ctx.save_for_backward(output / divisor)
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.saved_tensors[0], None


@contextmanager
def lrp_rules(module: nn.Module) -> Iterator[None]:
    """Lay the rules on every pass of a module within, and take them off again."""
    handles = [
        part.register_forward_hook(_activated)
        for part in module.modules()
        if type(part).__module__ in ("transformers.activations", "torch.nn.modules.activation")
    ]
    try:
        with _Rules():
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Rules(TorchFunctionMode):
    """Gives each operation its rule; what has none keeps its gradient, such as linear layers and softmax."""

    def __torch_function__(
        self,
        func: Call,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func in PRODUCTS:
            return func(*_shared(args), **named)
        if func is torch.baddbmm:
            return func(args[0], *_shared(args[1:]), **named)
        if func in QUOTIENTS:
            return func(*[args[0], *map(_held, args[1:])], **_each(_held, named))
        if func in SCALES:
            return _held(func(*args, **named))
        if func in ACTIVATIONS:
            return _by_itself(func, args, named)
        if func in OVERWRITING:
            given = args[0].clone()
            return _activated(None, (given,), func(*args, **named))
        if func is functional.scaled_dot_product_attention:
            return _attention(func, args, named)
        if func is functional.layer_norm:
            return _normed(func, args, named, centred=True)
        if func is functional.rms_norm:
            return _normed(func, args, named, centred=False)
        if func is functional.normalize:
            states: Tensor = named.pop("input", args[0] if args else None)
            with torch.no_grad():
                output = func(states, *args[1:], **named)
                axis = named.get("dim", args[2] if len(args) > 2 else 1)
                scale = _ratio(output, states, axis)
            return _as_if(output, states * scale)
        return func(*args, **named)


def _needs(one: Any) -> bool:
    return isinstance(one, Tensor) and one.requires_grad


def _held(one: Any) -> Any:
    return one.detach() if isinstance(one, Tensor) else one


def _each(change: Call, named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: change(one) for name, one in named.items()}


def _scaled(given: Tensor, share: float) -> Tensor:
    scaled: Tensor = _Scaled.apply(given, share)  # type: ignore[no-untyped-call]
    return scaled


def _shared(args: Sequence[Any]) -> list[Any]:
    """Let each of several factors that gradients flow to have its part."""
    factors = sum(map(_needs, args))
    if factors < 2:
        return list(args)
    return [_scaled(one, 1 / factors) if _needs(one) else one for one in args]


def _by_itself(func: Call, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    given = args[0] if args else named.get("input")
    output = func(*args, **named)
    return _activated(None, (given,), output)


def _activated(_part: nn.Module | None, args: Sequence[Any], output: Any) -> Any:
    given = args[0] if args else None
    if not isinstance(output, Tensor) or not isinstance(given, Tensor) or not given.requires_grad:
        return output
    if output.shape != given.shape:
        return output
    return _Activated.apply(given, output.detach())  # type: ignore[no-untyped-call]


def _attention(func: Call, args: Sequence[Any], named: dict[str, Any]) -> Any:
    """Queries and keys share the scores, and these share the output with the values."""
    parts = dict(zip(("query", "key", "value"), args, strict=False))
    parts.update({name: named.pop(name) for name in ("query", "key", "value") if name in named})
    shares = {"query": 0.25, "key": 0.25, "value": 0.5}
    scaled = {
        name: _scaled(one, shares[name]) if _needs(one) else one for name, one in parts.items()
    }
    return func(scaled["query"], scaled["key"], scaled["value"], *args[3:], **named)


def _normed(func: Call, args: Sequence[Any], named: Mapping[str, Any], *, centred: bool) -> Tensor:
    """Run a norm, whose gradient takes the scale as it is."""
    output: Tensor = func(*args, **named)
    names = ("input", "normalized_shape", "weight", "bias" if centred else "eps")
    given = {**dict(zip(names, args, strict=False)), **named}
    states, weight = given["input"], given.get("weight")
    if not _needs(states):
        return output
    axes = tuple(range(-len(given["normalized_shape"]), 0))
    moved = states - states.mean(dim=axes, keepdim=True) if centred else states
    with torch.no_grad():
        least = given.get("eps", 1e-5 if centred else None)
        plain = func(states, given["normalized_shape"], eps=least)
        scale = _ratio(plain, moved)
    linear = moved * scale
    return _as_if(output, linear if weight is None else linear * weight)


def _ratio(output: Tensor, given: Tensor, axis: int = -1) -> Tensor:
    """Say how many times as long what lies along an axis has become; that axis is 1."""
    before, after = (
        torch.linalg.vector_norm(one.float(), dim=axis, keepdim=True) for one in (given, output)
    )
    scale: Tensor = after / before.clamp_min(torch.finfo(torch.float32).tiny)
    return scale.to(given.dtype)


def _as_if(output: Tensor, linear: Tensor) -> Tensor:
    """Return an output, with the gradient of something else."""
    return output.detach() + (linear - linear.detach())
