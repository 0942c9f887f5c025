"""Where a token stands, told to a model that would not know otherwise."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from viz.errors import ShapeError

# Slowest turn of sinusoidal and rotary positions, in the papers of both.
BASE = 10_000.0


def sinusoids(tokens: int, width: int, *, base: float = BASE) -> Tensor:
    """Make sinusoidal positions: sine in even columns, cosine in odd ones, ever slower to the right.

    Returns:
        Shape [token, width], float32.

    Source: Vaswani et al. 2017, sec. 3.5.
    """
    columns = torch.arange(0, width, 2, dtype=torch.float64)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * base ** (-columns / width)
    table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    return table[:, :width].float()


def rotate(heads: Tensor, *, base: float = BASE) -> Tensor:
    """Turn every pair of numbers of a query or key by an angle that grows with its place.

    The dot product of two turned vectors then depends on how far apart they stand, and no longer on
    where. Pairs are column i and column i + d / 2, as in Llama and in transformers.

    Args:
        heads: shape [head, token, d], d even; the first token stands at place 0.
        base: of the slowest turn.

    Source: Su et al. 2021, eq. 34.
    """
    tokens, d = heads.shape[-2:]
    # In float64, because the angles of far places lose their fraction in float32.
    speeds = base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * speeds  # [token, d / 2]
    cosine, sine = (part.to(heads) for part in (angles.cos(), angles.sin()))
    left, right = heads.chunk(2, dim=-1)
    return torch.cat([left * cosine - right * sine, right * cosine + left * sine], dim=-1)


def alibi_slopes(heads: int) -> Tensor:
    """Say how fast each head's attention falls off with distance, [head].

    For a power of two the slopes are 2^(-8/heads), 2^(-16/heads), ...; for other numbers those of
    the power of two below, and every second of the one above, as in the authors' code.

    Source: Press et al. 2022, sec. 3.
    """
    whole = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (head + 1) / whole) for head in range(whole)]
    slopes += [2 ** (-4 * (2 * head + 1) / whole) for head in range(heads - whole)]
    return torch.tensor(slopes)


def alibi_bias(heads: int, queries: int, keys: int) -> Tensor:
    """Make what ALiBi adds to the scores: minus the slope for every place between query and key.

    Returns:
        Shape [head, query, key], float32; symmetric, so that encoders can use it too.
    """
    distance = (torch.arange(queries)[:, None] - torch.arange(keys)[None, :]).abs()
    return -alibi_slopes(heads)[:, None, None] * distance


class SinusoidalPositions(nn.Module):
    """Adds sinusoidal positions to embeddings [batch, token, width], for any number of tokens."""

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings with their positions."""
        tokens, width = embeddings.shape[-2:]
        return embeddings + sinusoids(tokens, width).to(embeddings)


class LearnedPositions(nn.Module):
    """Adds a learned vector for each place to embeddings [batch, token, width]."""

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(places, width)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings with their positions.

        Raises:
            ShapeError: there are more tokens than places.
        """
        tokens, places = embeddings.shape[-2], self.table.num_embeddings
        if tokens > places:
            raise ShapeError(
                f"There are {tokens:,} tokens, and positions were learned for {places:,}.",
                "Shorten the input, or choose other positions.",
            )
        return embeddings + self.table.weight[:tokens]
