"""What a run will cost, stated before it starts."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from viz.errors import BudgetError
from viz.models.device import available_memory_bytes
from viz.models.model import Model

# Keys that local attention looks at, usually, and bytes of a weight that is held with its place.
READ_KEYS = 512
READ_BYTES = 28

# Attention's share of a layer's work, as one part in so many.
PARTS_OF_LAYER = 3

# Hidden states that a transformer layer holds at once: residual, projections, the wide MLP.
LIVE_ACTIVATIONS = 12

# Copies of the logits that are alive at the end: as computed, and in float32 for the softmax.
LOGIT_COPIES = 2

# The share of the free memory that one run may take.
MEMORY_SHARE = 0.8

# Side of the matrix product that measures a device.
MEASURED_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a text of some length will cost.

    Attributes:
        tokens: how many the text has.
        limit: how many the model reads; None if any number.
        memory_bytes: beyond the model's own weights, at the peak.
        seconds: of the forward pass; rough, within a factor of two or three.
        available_bytes: how much memory is free.
    """

    tokens: int
    limit: int | None
    memory_bytes: int
    seconds: float
    available_bytes: int

    @property
    def fits(self) -> bool:
        """Whether model and memory allow it."""
        return (self.limit is None or self.tokens <= self.limit) and (
            self.memory_bytes <= MEMORY_SHARE * self.available_bytes
        )


def estimate(model: Model, tokens: int) -> Estimate:
    """Estimate the memory and the time of capturing a text.

    The eager tier holds every weight, layer * head * n^2; the registry holds queries and keys. Where
    weights are read off parts, those parts run once for every d keys, and what is attended is held.
    """
    config = model.module.config
    hidden = int(getattr(config, "hidden_size", None) or getattr(config, "dim", 0) or 768)
    vocabulary = int(getattr(config, "vocab_size", 0)) if model.kind != "encoder" else 0
    size = model.dtype.itemsize
    recorded = 2 * model.layers * tokens * hidden * size
    if model.tier == "eager":
        recorded = model.layers * model.heads * tokens**2 * size
    held = min(tokens, READ_KEYS) * READ_BYTES
    recorded += len(model.read) * model.heads * tokens * held
    passing = LIVE_ACTIVATIONS * tokens * hidden * size
    logits = LOGIT_COPIES * tokens * vocabulary * 4
    operations = 2 * model.parameters * tokens + 4 * model.layers * tokens**2 * hidden
    reruns = len(model.read) / max(1, model.layers) * tokens * model.heads / hidden
    operations *= 1 + round(reruns / PARTS_OF_LAYER)
    return Estimate(
        tokens=tokens,
        limit=model.context_limit,
        memory_bytes=recorded + passing + logits,
        seconds=operations / _operations_per_second(str(model.device), model.dtype),
        available_bytes=available_memory_bytes(model.device),
    )


def require_room(model: Model, tokens: int) -> Estimate:
    """Return the estimate of a run that fits into memory.

    Raises:
        BudgetError: it does not.
    """
    cost = estimate(model, tokens)
    if cost.memory_bytes > MEMORY_SHARE * cost.available_bytes:
        per_token = cost.memory_bytes / tokens
        room = MEMORY_SHARE * cost.available_bytes
        most = math.sqrt(room * tokens / per_token) if model.tier == "eager" else room / per_token
        raise BudgetError(
            f"{tokens:,} tokens need about {cost.memory_bytes / 1e9:.1f} GB with {model.name}; "
            f"{cost.available_bytes / 1e9:.1f} GB are free.",
            f"Shorten the text to about {int(most):,} tokens, or choose a smaller model.",
        )
    return cost


def require_memory_for_weights(
    source: str, config: Any, dtype: torch.dtype | str, device: torch.device, name: str
) -> None:
    """Make sure that the weights of a folder fit before they are read.

    Raises:
        BudgetError: they do not.
    """
    files = Path(source).glob("*.safetensors") if Path(source).is_dir() else ()
    stored_bytes = sum(file.stat().st_size for file in files)
    stored = getattr(config, "dtype", None) or torch.float32
    if isinstance(dtype, torch.dtype) and isinstance(stored, torch.dtype):
        stored_bytes = stored_bytes * dtype.itemsize // stored.itemsize
    free = available_memory_bytes(device)
    if stored_bytes > MEMORY_SHARE * free:
        raise BudgetError(
            f"The weights of {name} take {stored_bytes / 1e9:.1f} GB; "
            f"{free / 1e9:.1f} GB are free on {device}.",
            "Choose a smaller model or dtype, or free some memory.",
        )


@functools.cache
def _operations_per_second(device: str, dtype: torch.dtype) -> float:
    """Measure a matrix product once for each device and dtype."""
    square = torch.ones(MEASURED_SIDE, MEASURED_SIDE, device=device, dtype=dtype)
    float((square @ square)[0, 0])
    start = time.perf_counter()
    float((square @ square)[0, 0])
    return 2 * MEASURED_SIDE**3 / (time.perf_counter() - start)
