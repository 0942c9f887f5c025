"""An LSTM, a convolution and attention at growing length: path, operations and time, measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from viz.models.custom.attention_module import Attention

Kind = Literal["LSTM", "convolution", "attention"]
KINDS: tuple[Kind, ...] = get_args(Kind)

WIDTH, HEADS, KERNEL = 64, 4, 3

# Lengths at which all is measured; the last takes about a second on two cores.
LENGTHS = (64, 128, 256, 512, 1_024, 2_048, 4_096)

# Layers of a convolution are run one after the other until the ends meet, so that paths are measured
# on shorter texts.
LONGEST_PATH = 256

# Every step of an LSTM multiplies the same, so that a few are counted for all.
COUNTED_STEPS = 16

# Short runs are repeated more often, because others use the machine too.
ROUNDS, MOST_ROUNDS, LEAST_SECONDS = 4, 30, 0.1

# The longest takes some 0.8 GB, and two that are measured at once slow each other down.
_measuring = threading.Lock()


@dataclass(frozen=True, slots=True)
class Measured:
    """What one kind of layer took at one length.

    Attributes:
        kind: of the layer.
        length: in tokens.
        path: steps until the last token knows of the first; None where that was not measured.
        operations: multiplications and additions of one layer, counted while it ran.
        seconds: of one layer, the quickest of a few runs.
    """

    kind: Kind
    length: int
    path: int | None
    operations: int
    seconds: float


def layer_of(kind: Kind, *, width: int = WIDTH) -> nn.Module:
    """Build a layer that reads and gives [batch, token, width], in evaluation mode."""
    layers: dict[Kind, Callable[[], nn.Module]] = {
        "LSTM": lambda: nn.LSTM(width, width, batch_first=True),
        "convolution": lambda: _Convolution(width),
        "attention": lambda: Attention(width, HEADS),
    }
    return layers[kind]().eval().requires_grad_(False)


def path_length(kind: Kind, length: int) -> int:
    """Count the steps until the last token knows of the first.

    A step is one token of an LSTM, which reads them in turn, and one layer of the others. The first
    token is made NaN, which spreads to everything that is computed from it and to nothing else.
    """
    width = HEADS
    tokens = torch.zeros(1, length, width, dtype=torch.float64)
    tokens[0, 0] = torch.nan
    layer = layer_of(kind, width=width).double()
    if isinstance(layer, nn.LSTM):
        state: tuple[Tensor, Tensor] | None = None
        for step in range(length):
            out, state = layer(tokens[:, step : step + 1], state)
        # The last token is read in the last step, and only then can it know of anything.
        return step + 1 if bool(out.isnan().all()) else 0
    steps = 0
    while not bool(tokens[0, -1].isnan().any()):
        tokens = _output(layer(tokens))
        steps += 1
    return steps


def operations(kind: Kind, length: int) -> int:
    """Count the multiplications and additions of one layer, while it runs.

    Only products of matrices and convolutions are counted, which are nearly all there is.
    """
    # The fast kernels of an LSTM and of attention do not say what they multiply. An LSTM in float64, and
    # attention step by step, are made of products that do.
    counted = min(length, COUNTED_STEPS) if kind == "LSTM" else length
    dtype = torch.float64 if kind == "LSTM" else torch.float32
    tokens = torch.zeros(1, counted, WIDTH, dtype=dtype)
    layer = layer_of(kind).to(dtype)
    counter = FlopCounterMode(display=False)
    with counter:
        layer(tokens, need_weights=True) if kind == "attention" else layer(tokens)
    return int(counter.get_total_flops()) * length // counted


def seconds(kind: Kind, length: int) -> float:
    """Time one layer, on its fast kernel."""
    tokens = torch.randn(1, length, WIDTH, generator=torch.Generator().manual_seed(0))
    layer = layer_of(kind)
    layer(tokens)
    taken: list[float] = []
    while len(taken) < ROUNDS or (sum(taken) < LEAST_SECONDS and len(taken) < MOST_ROUNDS):
        start = time.perf_counter()
        layer(tokens)
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure(lengths: tuple[int, ...] = LENGTHS) -> Iterator[Measured]:
    """Measure every kind at every length, the short ones first, for one who asks at a time."""
    for length in lengths:
        for kind in KINDS:
            with _measuring:
                measured = Measured(
                    kind=kind,
                    length=length,
                    path=path_length(kind, length) if length <= LONGEST_PATH else None,
                    operations=operations(kind, length),
                    seconds=seconds(kind, length),
                )
            yield measured


def growth(lengths: list[int], values: list[float]) -> float:
    """Say by what a value is multiplied when the length doubles, at the longest two lengths.

    2 is linear growth and 4 quadratic; exponential growth has no such number, it is squared.
    """
    steps = torch.tensor(lengths[-2:]).double().log2().diff()
    ratio = torch.tensor(values[-2:]).double().log2().diff()
    return float(2 ** (ratio / steps))


class _Convolution(nn.Module):
    """A convolution over tokens, which sees one neighbour on either side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2)

    def forward(self, tokens: Tensor) -> Tensor:
        made: Tensor = self.convolution(tokens.transpose(1, 2)).transpose(1, 2)
        return made


def _output(made: Tensor | tuple[Tensor, object]) -> Tensor:
    return made if isinstance(made, Tensor) else made[0]
