"""Pictures and sounds that users give: which kind a file is, and how a page shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from viz.errors import InputError
from viz.inputs.media import read_image, read_sound

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
SOUNDS = (".wav", ".flac", ".ogg", ".mp3")

# Enough for the loudness of a sound to be seen.
LOUDNESS_STEPS = 600
LOUDNESS_RATE = 8_000


def sense_of(name: str) -> Literal["image", "sound"]:
    """Tell by its name whether a file is a picture or a sound.

    Raises:
        InputError: it is neither.
    """
    suffix = Path(name).suffix.lower()
    if suffix in IMAGES:
        return "image"
    if suffix in SOUNDS:
        return "sound"
    raise InputError(
        f"A file that ends in {suffix or 'nothing'} is no picture or sound that is read.",
        f"Give one of {', '.join((*IMAGES, *SOUNDS))}.",
    )


def require_readable(path: Path, *, called: str = "") -> None:
    """Make sure that a picture or a sound can be read, before anyone tries to show it.

    Args:
        path: where it is kept; messages leave it out.
        called: the name that its user knows it by, if there is one.

    Raises:
        InputError: it is damaged, empty, silent or too large.
    """
    if sense_of(path.name) == "image":
        read_image(path, called=called)
    else:
        read_sound(path, LOUDNESS_RATE, called=called)


def seen_picture(pixels: torch.Tensor, processor: Any) -> NDArray[np.uint8] | None:
    """Turn what a model was given back into a picture: cut and scaled as the model sees it.

    Args:
        pixels: [1, 3, height, width], normalised by the processor.
        processor: knows how.

    Returns:
        Shape [height, width, 3], or None where the pixels are laid out in another way.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        return None
    maker = getattr(processor, "image_processor", processor)
    picture = pixels[0].float().cpu()
    if getattr(maker, "do_normalize", False):
        mean, std = (
            torch.tensor(getattr(maker, f"image_{what}"))[:, None, None] for what in ("mean", "std")
        )
        picture = picture * std + mean
    shown: NDArray[np.uint8] = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return shown


def loudness(path: Path) -> tuple[NDArray[np.float32], float]:
    """Say how loud a sound is over time: the largest sample of each step, and its seconds."""
    samples = np.abs(read_sound(path, LOUDNESS_RATE))
    edges = np.linspace(0, len(samples), LOUDNESS_STEPS + 1).astype(int)[:-1]
    return np.maximum.reduceat(samples, edges), len(samples) / LOUDNESS_RATE
