"""What the patches of a picture may be called; the capture finds out whether they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from viz.inputs.prepared import SAMPLES_PER_FRAME
from viz.inputs.units import Units, patch_units

# Tokens that stand before the patches: none, a class token, that and one for distillation, or
# that and four registers.
BEFORE_PATCHES = (0, 1, 2, 5)

# A side of a patch where a model does not say; convolutions come down by as much.
USUAL_PATCH = 16

# By how many patches a side the later stages of a pyramid merge.
MERGED = (2, 4, 8)


def units_in(config: Any, made: Mapping[str, Any]) -> int:
    """Count the units that a model makes of what its processor made, as far as shapes tell.

    Pictures are cut into patches, tiles and frames each into their own; patches that are cut already, and
    steps of a sound, stand in the next to last dimension or the last.
    """
    counts = [1]
    for name, value in made.items():
        if not isinstance(value, Tensor) or value.numel() == 0:
            continue
        if name.startswith("pixel_values") and value.ndim >= 4:
            size = patch_size(config) or USUAL_PATCH
            *pictures, _, high, wide = value.shape
            counts.append(math.prod(pictures) * max(1, high // size) * max(1, wide // size))
        elif name.startswith("pixel_values") and value.ndim >= 2:
            counts.append(math.prod(value.shape[:-1]))
        elif name == "input_values" and value.ndim == 2:
            counts.append(value.shape[-1] // SAMPLES_PER_FRAME)
        elif name == "input_features" and value.ndim == 3:
            counts.append(max(value.shape[1:]))
        elif name == "input_ids":
            counts.append(value.shape[-1])
    return max(counts)


def patch_size(config: Any) -> int | None:
    """Return how many pixels a patch is wide and high; None where a model does not say."""
    vision = getattr(config, "vision_config", None) or config
    size = getattr(vision, "patch_stride", None) or getattr(vision, "patch_size", None)
    size = size[-1] if isinstance(size, (tuple, list)) and size else size
    return size if isinstance(size, int) and size > 0 else None


def patch_names(config: Any, pixels: Tensor) -> list[Units]:
    """Name patches by row and column, with whatever may stand before them.

    Args:
        config: of the model, which says how large a patch is.
        pixels: [batch, channel, height, width].

    Returns:
        Units of every number that the model's towers may have of them; none where it does not say.
    """
    vision = getattr(config, "vision_config", None) or config
    size = patch_size(config)
    if size is None or pixels.ndim != 4:
        return []
    registers = getattr(vision, "num_register_tokens", None)
    before = {*BEFORE_PATCHES, *([registers + 1] if isinstance(registers, int) else [])}
    rows, columns = pixels.shape[-2] // size, pixels.shape[-1] // size
    whole = [patch_units(rows, columns, count) for count in sorted(before)]
    # Pyramids merge four patches into one from stage to stage.
    merged = [
        patch_units(rows // scale, columns // scale)
        for scale in MERGED
        if rows % scale == 0 and columns % scale == 0 and rows * columns > scale**2
    ]
    return [*whole, *merged]
