"""Whether two passes of a model computed the same."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from viz.models.model_outputs import Outputs

# How far an output may be from that of the model as it was given, as a share of its norm: roundings of
# all layers add up. The half types round more, and a mixture of experts may then choose others for a
# token or two.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
HALF_TOLERANCE = 0.1

# Numbers that are compared at a time: in a core's own cache logits take a tenth of the time.
PIECE = 1 << 16

# A GPU would only wait for the calls of so small pieces.
GPU_PIECE = 1 << 24


def difference(outputs: Outputs, expected: Outputs) -> tuple[float, float]:
    """Compare all that two passes returned; a single logit could be the same by chance.

    Returns:
        The largest distance of two outputs as a share of the norm of the expected one, infinite where
        shapes differ or nothing can be compared, and what was allowed for it.
    """
    both = [path for path in expected if path in outputs and expected[path].is_floating_point()]
    if not both or any(outputs[path].shape != expected[path].shape for path in both):
        return inf, 0.0
    found = [(_distance(outputs[path], expected[path]), allowed(expected[path])) for path in both]
    return max(found, key=lambda pair: pair[0] / pair[1])


def allowed(output: Tensor) -> float:
    """Return how far an output may be from another pass's, as a share of its norm."""
    return TOLERANCE.get(output.dtype, HALF_TOLERANCE)


def _distance(output: Tensor, expected: Tensor) -> float:
    squares = torch.zeros(2, dtype=torch.float64, device=expected.device)
    size = PIECE if expected.device.type == "cpu" else GPU_PIECE
    pieces = (torch.split(tensor.reshape(-1), size) for tensor in (output, expected))
    for piece, expected_piece in zip(*pieces, strict=True):
        known = torch.isfinite(expected_piece)
        if not torch.equal(known, torch.isfinite(piece)):
            return inf
        # Infinities (masked logits) stand at the same places, and say nothing of the others.
        whole = bool(known.all())
        mine, theirs = ((one if whole else one[known]).double() for one in (piece, expected_piece))
        squares[0] += (mine - theirs).square().sum()
        squares[1] += theirs.square().sum()
    distance, norm = squares.sqrt().tolist()
    return float(distance / norm if norm > 0 else distance)
