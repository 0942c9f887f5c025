"""What a run will cost, stated before it starts."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viz.attention_formula import attention_rows
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

# Side of the matrix product that measures a device, and of the patterns that do: heads of usual width.
MEASURED_SIDE = 1024
MEASURED_HEADS, MEASURED_ROWS, MEASURED_WIDTH = 4, 256, 64

# What a pass that holds all weights takes of each, times what computing it in a cache takes.
EAGER_WEIGHTS = 4

# From so many tokens on, statistics and thumbnails of all heads come from the fast kernel; below, and where
# the kernel does not know the formula, from the weights.
STREAMED_FROM = 1_024

# What statistics and thumbnails of a head take: calls of the kernel, or times what its weights alone take
# (`benchmarks.statistics`).
DRAWN_CALLS, DRAWN_WEIGHTS = 2.5, 8


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a text of some length will cost.

    Attributes:
        tokens: how many the text has.
        limit: how many the model reads; None if any number.
        memory_bytes: beyond the model's own weights, at the peak.
        pass_seconds: of the forward pass; rough, within a factor of two or three.
        drawing_seconds: of every head's statistics and thumbnail after it, as rough.
        available_bytes: how much memory is free.
    """

    tokens: int
    limit: int | None
    memory_bytes: int
    pass_seconds: float
    drawing_seconds: float
    available_bytes: int

    @property
    def seconds(self) -> float:
        """Until every head is drawn."""
        return self.pass_seconds + self.drawing_seconds

    @property
    def fits(self) -> bool:
        """Whether model and memory allow it."""
        return (self.limit is None or self.tokens <= self.limit) and (
            self.memory_bytes <= MEMORY_SHARE * self.available_bytes
        )


def estimate(model: Model, tokens: int) -> Estimate:
    """Estimate the memory and the time of capturing a text and drawing its heads.

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
    # Each part of a layer by its own speed: products of a whole matrix, and of queries with keys.
    operations = 2 * model.parameters * tokens
    looks = tokens**2 / (2 if model.kind == "causal" else 1)
    weights = model.layers * model.heads * looks
    calls = model.layers * hidden * looks / _products_per_second(str(model.device), model.dtype)
    by_weights = weights / _weights_per_second(str(model.device))
    attending = EAGER_WEIGHTS * by_weights if model.tier == "eager" else calls
    seconds = operations / _operations_per_second(str(model.device), model.dtype) + attending
    reruns = len(model.read) / max(1, model.layers) * tokens * model.heads / hidden
    seconds *= 1 + round(reruns / PARTS_OF_LAYER)
    streamed = tokens > STREAMED_FROM and model.tier != "eager" and not model.read
    return Estimate(
        tokens=tokens,
        limit=model.context_limit,
        memory_bytes=recorded + passing + logits,
        pass_seconds=seconds,
        drawing_seconds=DRAWN_CALLS * calls if streamed else DRAWN_WEIGHTS * by_weights,
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
    return 2 * MEASURED_SIDE**3 / _seconds(lambda: square @ square)


@functools.cache
def _products_per_second(device: str, dtype: torch.dtype) -> float:
    """Measure the fast kernel once for each device and dtype, in dimensions of pairs that look."""
    shape = (1, MEASURED_HEADS, MEASURED_SIDE, MEASURED_WIDTH)
    query = torch.ones(shape, device=device, dtype=dtype)
    products = MEASURED_HEADS * MEASURED_SIDE**2 * MEASURED_WIDTH
    attend = torch.nn.functional.scaled_dot_product_attention
    return products / _seconds(lambda: attend(query, query, query))


@functools.cache
def _weights_per_second(device: str) -> float:
    """Measure weights written out once for each device."""
    key = torch.ones(MEASURED_HEADS, MEASURED_SIDE, MEASURED_WIDTH, device=device)
    count = MEASURED_HEADS * MEASURED_ROWS * MEASURED_SIDE
    return count / _seconds(lambda: attention_rows(key[:, :MEASURED_ROWS], key, scale=1.0))


@torch.inference_mode()
def _seconds(work: Callable[[], Tensor]) -> float:
    """Time some work on a device that is warm, until its result is there; the lesser of two."""
    float(work().flatten()[0])
    times = []
    for _ in range(2):
        start = time.perf_counter()
        float(work().flatten()[0])
        times.append(time.perf_counter() - start)
    return min(times)
