"""What the patches of a picture may be called; the capture finds out whether they are."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from viz.models.tokens import Units, patch_units

# Tokens that stand before the patches: none, a class token, that and one for distillation, or
# that and four registers.
BEFORE_PATCHES = (0, 1, 2, 5)

# By how many patches a side the later stages of a pyramid merge.
MERGED = (2, 4, 8)


def patch_names(config: Any, pixels: Tensor) -> list[Units]:
    """Name patches by row and column, with whatever may stand before them.

    Args:
        config: of the model, which says how large a patch is.
        pixels: [batch, channel, height, width].

    Returns:
        Units of every number that the model's towers may have of them; none where it does not say.
    """
    vision = getattr(config, "vision_config", None) or config
    size = getattr(vision, "patch_stride", None) or getattr(vision, "patch_size", None)
    size = size[-1] if isinstance(size, (tuple, list)) else size
    if not isinstance(size, int) or pixels.ndim != 4:
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
