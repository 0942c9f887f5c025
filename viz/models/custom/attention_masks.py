"""Where a query may look, as masks that broadcast to [batch, head, query, key]; True: may look."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from viz.errors import ShapeError


def causal_mask(queries: int, keys: int, device: torch.device | str | None = None) -> Tensor:
    """Let every query look at the keys up to its own place, bool [query, key].

    Query 0 stands beside key 0, as in `torch.nn.functional.scaled_dot_product_attention`.
    """
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril()


def padding_mask(present: Tensor) -> Tensor:
    """Let nobody look at padding: [batch, key] becomes bool [batch, 1, 1, key].

    Args:
        present: True or 1 where there is a token, as the `attention_mask` of tokenizers.
    """
    return present.bool()[..., None, None, :]


def window_mask(queries: int, keys: int, window: int, device: torch.device | None = None) -> Tensor:
    """Let every query look at keys less than `window` places away, bool [query, key]."""
    distance = torch.arange(queries, device=device)[:, None] - torch.arange(keys, device=device)
    return distance.abs() < window


def join_masks(masks: Sequence[Tensor | None]) -> Tensor | None:
    """Join masks to one: what any of them forbids is forbidden, and what is added adds up.

    Args:
        masks: bool (True: may look) or float (added to the scores), which broadcast to each other.

    Returns:
        Bool where all of them are, else float with -inf where nothing may be looked at.
    """
    given = [mask for mask in masks if mask is not None]
    rules = [mask for mask in given if mask.dtype == torch.bool]
    added = [mask for mask in given if mask.dtype != torch.bool]
    allowed = rules[0] if rules else None
    for rule in rules[1:]:
        allowed = rule if allowed is None else allowed & rule
    if not added:
        return allowed
    total = sum(added[1:], added[0])
    return total if allowed is None else torch.where(allowed, total, -torch.inf)


def check_mask(mask: Tensor, shape: Sequence[int]) -> None:
    """Make sure that a mask says something about every score.

    Args:
        mask: as it was given.
        shape: of the scores, [batch, head, query, key], or without the batch.

    Raises:
        ShapeError: it does not broadcast to the scores, or is of numbers that are no floats.
    """
    if mask.dtype != torch.bool and not mask.is_floating_point():
        kind = str(mask.dtype).removeprefix("torch.")
        raise ShapeError(
            f"The mask is of {kind}; a mask is bool (True: may look) or float (added to the scores).",
            "Give mask.bool(), where 1 means that a query may look.",
        )
    fits = mask.ndim <= len(shape) and all(
        size in (1, whole)
        for size, whole in zip(reversed(mask.shape), reversed(shape), strict=False)
    )
    if not fits:
        axes = ("batch", "head", "query", "key")[-len(shape) :]
        wanted = ", ".join(f"{axis} {size}" for axis, size in zip(axes, shape, strict=True))
        raise ShapeError(
            f"The mask has shape {tuple(mask.shape)}, which does not broadcast to the scores [{wanted}].",
            "Give [query, key] for all, or [batch, 1, query, key] for each input of the batch.",
        )


def check_present(present: Tensor, shape: Sequence[int]) -> None:
    """Make sure that padding is told of every key.

    Raises:
        ShapeError: it is not.
    """
    if tuple(present.shape) != tuple(shape):
        raise ShapeError(
            f"What says where tokens are has shape {tuple(present.shape)}.",
            f"Give [batch, key], here {tuple(shape)}: 1 for a token, 0 for padding.",
        )
