"""How much a processor may make of a picture or a sound: bounded before it is made.

What comes in is bounded where it is read. A processor that scales the shorter edge to a size makes 334 million
pixels of 20,000 x 3, and how each of them computes its sizes is its own affair. So every picture that is
scaled or padded while one is at work is asked for its size first.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.errors import InputError

# Of all processors of transformers none makes more of a photograph (Qwen2-VL's makes 12.8 million); they
# take 15 to 40 bytes for each while they work.
MOST_MADE_PIXELS = 25_000_000

# A minute of a sound is some 5 MB of spectrogram.
MOST_MADE_BYTES = 500_000_000

# A complex number of a spectrum, in float64.
SPECTRUM_BYTES = 16

SMALLER = (
    "Crop it, so that its longer side is at most {times:,.0f} times the shorter, or scale it down."
)

_bounded: ContextVar[_Picture | None] = ContextVar("bounded", default=None)


class _Picture:
    """What is being processed, for messages.

    Args:
        name: of the model.
        size: wide and high, in pixels.
    """

    def __init__(self, name: str, size: tuple[int, int]) -> None:
        self.name = name
        self.size = size

    def require(self, wide: float, high: float, *, count: float = 1, hint: str = "") -> None:
        """Make sure that so many pictures of a size may be made of it.

        Raises:
            InputError: they may not.
        """
        made = wide * high * count
        if made <= MOST_MADE_PIXELS:
            return
        times = max(self.size) / min(self.size)
        if not hint and times > 2 and made > self.size[0] * self.size[1]:
            # It grows with how long it is, so that a part of it that is less long is small enough.
            hint = SMALLER.format(times=max(1, times * MOST_MADE_PIXELS / made))
        many = f"{count:,.0f} pictures of " if count > 1 else ""
        raise InputError(
            f"The processor of {self.name} would make {many}{wide:,.0f} x {high:,.0f} pixels of this picture "
            f"of {self.size[0]:,} x {self.size[1]:,}; at most {MOST_MADE_PIXELS:,} are made.",
            hint or "Crop it or scale it down.",
        )


class _Watching(TorchFunctionMode):
    """Asks before a picture that is a tensor is scaled or padded."""

    def __init__(self, picture: _Picture) -> None:
        super().__init__()
        self.picture = picture

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at what makes larger tensors, and call it."""
        kwargs = kwargs or {}
        if func in (functional.interpolate, functional.pad):
            high, wide, count = _made_by(func, *args, **kwargs)
            self.picture.require(wide, high, count=count)
        return func(*args, **kwargs)


@contextlib.contextmanager
def bounded(name: str, size: tuple[int, int]) -> Iterator[None]:
    """Bound what is made of a picture by whatever runs inside, in this thread alone.

    Args:
        name: of the model.
        size: of the picture, wide and high.

    Raises:
        InputError: more than `MOST_MADE_PIXELS` would be made at once; nothing of it was made.
    """
    picture = _Picture(name, size)
    token = _bounded.set(picture)
    try:
        with _Watching(picture):
            yield
    finally:
        _bounded.reset(token)


def require_picture(processor: Any, name: str, size: tuple[int, int]) -> None:
    """Refuse a picture that a processor leaves as large as it is, or pads to a square before it scales it.

    Raises:
        InputError: it is too large for that.
    """
    maker = getattr(processor, "image_processor", processor)
    wide, high = size
    # OWLv2's pads to a square; all others are told a size to pad to.
    pads = getattr(type(maker), "pad", None)
    if getattr(maker, "do_pad", False) and "constant_value" in _parameters(pads):
        wide = high = max(size)
    elif getattr(maker, "do_resize", None):
        return
    _Picture(name, size).require(wide, high, hint="Crop it or scale it down.")


def require_sound(extractor: Any, name: str, samples: int, seconds: float) -> None:
    """Refuse a sound of which a processor would make too much.

    Args:
        extractor: of features.
        name: of the model.
        samples: that it is given.
        seconds: how long the sound is.

    Raises:
        InputError: it would.
    """

    def number(*names: str) -> int:
        found = (getattr(extractor, one, None) for one in names)
        return next((int(one) for one in found if isinstance(one, int) and one > 0), 0)

    # Whisper's pads every sound to its own length.
    count = max(samples, number("n_samples", "nb_max_samples"))
    hop, width = number("hop_length"), 1
    if hop:
        width = max(number("n_fft", "fft_length", "sample_size") // 2 + 1, number("num_mel_bins"))
        width = max(width, number("feature_size"))
        count = count // hop + 1
    made = count * width * SPECTRUM_BYTES
    if made > MOST_MADE_BYTES:
        what = f"{count:,} steps of {width:,} numbers" if hop else f"{count:,} samples"
        raise InputError(
            f"The processor of {name} would make {what} ({made / 1e9:,.1f} GB) of this sound of "
            f"{seconds:,.1f} s; at most {MOST_MADE_BYTES / 1e9:g} GB are made.",
            "Cut the sound, or choose a model whose processor makes less of it.",
        )


def _made_by(func: Any, given: Tensor, *args: Any, **kwargs: Any) -> tuple[float, float, float]:
    """Say how high and wide the pictures are that a function makes, and how many of three channels."""
    high, wide = (
        int(side) for side in (*([1, 1] if given.ndim < 2 else []), *given.shape[-2:])[-2:]
    )
    count = max(1.0, given.numel() / max(1, high * wide) / 3)
    told = dict(
        zip(
            ("size", "scale_factor") if func is functional.interpolate else ("pad",),
            args,
            strict=False,
        )
    )
    told |= kwargs
    if (size := told.get("size")) is not None:
        sides = [size, size] if isinstance(size, int) else [int(side) for side in size]
        high, wide = sides[-2:] if len(sides) > 1 else (high, sides[-1])
    elif (scale := told.get("scale_factor")) is not None:
        scales = [scale] if isinstance(scale, (int, float)) else list(scale)
        return high * scales[-2:][0], wide * scales[-1], count
    elif (pad := told.get("pad")) is not None:
        pad = [int(one) for one in pad]
        wide += sum(pad[:2])
        high += sum(pad[2:4])
    return high, wide, count


def _parameters(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return () if code is None else code.co_varnames[: code.co_argcount]


def _asking_first() -> None:
    """Let Pillow ask, inside `bounded`, before it scales a picture; outside it does what it always does."""
    scale = Image.Image.resize

    @functools.wraps(scale)
    def resize(self: Image.Image, size: Any, *args: Any, **kwargs: Any) -> Image.Image:
        picture = _bounded.get()
        if picture is not None:
            picture.require(*size)
        return scale(self, size, *args, **kwargs)

    Image.Image.resize = resize  # type: ignore[method-assign]


_asking_first()
