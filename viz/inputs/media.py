"""Images and sounds, read with every bound checked before they are decoded."""

from __future__ import annotations

import re
import warnings
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.signal import resample_poly
from torch import Tensor

from viz.errors import InputError
from viz.models.argument_checks import kind_of_value

# Larger pictures are scaled down by every model anyway; a bomb says that it is larger still.
MOST_PIXELS = 50_000_000

# An array's last dimension may hold grey, grey and alpha, RGB, or RGB and alpha.
MOST_CHANNELS = 4

# What an array of a picture may hold, said wherever one is refused.
ARRAY = "Give [height, width, 3], of numbers from 0 to 255 or from 0 to 1."

# Rates outside of these are mistakes, and resampling from them would take any amount of memory.
LEAST_RATE, MOST_RATE = 1_000, 768_000

# What libsndfile tells of a WAV whose header claims more bytes than follow; recorders that write
# as they go put the largest number there, which claims nothing.
CLAIMED_BYTES = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)
NO_CLAIM_BYTES = 0x7FFF_0000

# The length of an MP3 may be an estimate; that much less than it says is no rounding.
LEAST_SHARE = 0.95

# Longer sounds are for a transcriber, in seconds; Whisper reads 30 at a time.
MOST_SECONDS = 120

ImageSource = str | Path | Image.Image | NDArray[Any]
SoundSource = str | Path | tuple[NDArray[Any], int]


def read_image(source: ImageSource, *, called: str | None = None) -> Image.Image:
    """Read a picture as RGB; of an animation its first frame.

    Args:
        source: a file, a Pillow image, or an array [height, width, 3] or [height, width] (a last
            dimension of 4 is transparent, on white). Its numbers lie from 0 to 1 if none is larger
            and they are no bytes, else from 0 to 255.
        called: what messages call it, empty for no name; by where it lies if None.

    Raises:
        InputError: it is no picture, is empty, truncated, or larger than `MOST_PIXELS`; or an array
            of another shape, or of numbers outside those ranges.
    """
    name = _name("image", source, called)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if isinstance(source, (str, Path)):
                with Image.open(source) as image:
                    return _rgb(image)
            return _rgb(source if isinstance(source, Image.Image) else _from_array(source))
    except Image.DecompressionBombError as error:
        raise InputError(
            f"The image is too large to be opened: {error}.", "Scale it down first."
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{name} is not there.", "Check the name.") from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a folder.", "Give the file of an image.") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} could not be read as an image.", "Give a PNG, JPEG, WebP, GIF or BMP."
        ) from error
    except (OSError, SyntaxError, ValueError, TypeError) as error:
        raise InputError(
            f"{name} is damaged or truncated: {_reason(error)}.", "Save the image again."
        ) from error


def read_sound(source: SoundSource, rate: int, *, called: str | None = None) -> NDArray[np.float32]:
    """Read a sound as one channel at a sampling rate.

    Args:
        source: a file (WAV, FLAC, OGG, MP3), or samples [time] or [time, channel] and their rate.
        rate: wanted, in hertz.
        called: what messages call it, empty for no name; by where it lies if None.

    Returns:
        Shape [time], float32, in [-1, 1].

    Raises:
        InputError: it cannot be read, is empty, truncated, silent, or longer than `MOST_SECONDS`.
    """
    samples, given_rate = _samples(source, _name("sound", source, called))
    if samples.size == 0:
        raise InputError("The sound is empty: it has no samples.", "Check the recording.")
    if samples.ndim not in (1, 2) or given_rate <= 0:
        raise InputError(
            f"The sound has shape {samples.shape} at {given_rate} Hz.",
            "Give samples [time] or [time, channel] and their rate.",
        )
    if not bool(np.isfinite(samples).all()):
        raise InputError("The sound holds NaN or infinity.", "Check where it comes from.")
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = samples.T  # [channel, time], as torchaudio has it
    if not MOST_RATE >= given_rate >= LEAST_RATE:
        raise InputError(
            f"The sound claims {given_rate:,} samples a second; "
            f"{LEAST_RATE:,} to {MOST_RATE:,} are read.",
            "Save it again at a usual rate, such as 16,000.",
        )
    _refuse_long(len(samples) / given_rate)
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    if float(np.abs(mono).max()) == 0:
        raise InputError("The sound is silent: every sample is 0.", "Check the recording.")
    if given_rate != rate:
        common = gcd(given_rate, rate)
        mono = resample_poly(mono, rate // common, given_rate // common)
    result: NDArray[np.float32] = np.asarray(mono, dtype=np.float32)
    return result


def _rgb(image: Image.Image) -> Image.Image:
    """Decode a picture whose size, known before it is decoded, is not too large."""
    wide, high = image.size
    if wide * high == 0:
        raise InputError(f"The image is {wide} x {high} pixels.", "Give one with pixels.")
    if wide * high > MOST_PIXELS:
        raise InputError(
            f"The image is {wide:,} x {high:,} pixels; at most {MOST_PIXELS:,} are read.",
            "Scale it down first.",
        )
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
        upright = _eight_bit(upright)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        # On white, as a page shows it; what lies behind transparency is not part of the picture.
        see_through = upright.convert("RGBA")
        white = Image.new("RGBA", see_through.size, "white")
        return Image.alpha_composite(white, see_through).convert("RGB")
    return upright.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale numbers of 16 and 32 bits to bytes, which `convert` would clip."""
    array = np.asarray(image, dtype=np.float64)
    largest = 65_535.0 if array.max(initial=0) > 255 else 255.0
    return Image.fromarray(np.clip(array / largest * 255, 0, 255).astype(np.uint8))


def _from_array(source: Any) -> Image.Image:
    """Take an array of bytes, or of numbers up to 1 or up to 255.

    Raises:
        InputError: it is none, or has another shape or other numbers.
    """
    array = _numbers(source, "image", ARRAY)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in _channels()):
        first = array.ndim == 3 and array.shape[0] in _channels()
        raise InputError(
            f"The image has shape {array.shape}.",
            "Its channels come first; give [height, width, 3]: image.transpose(1, 2, 0)."
            if first
            else ARRAY,
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Image.fromarray(array if array.dtype == np.uint8 else _as_bytes(array))


def _channels() -> range:
    return range(1, MOST_CHANNELS + 1)


def _as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale numbers that are no bytes, whose range tells what they mean."""
    if not bool(np.isfinite(array).all()):
        raise InputError("The image holds NaN or infinity.", "Check where it comes from.")
    least, most = float(array.min(initial=0)), float(array.max(initial=0))
    if least < 0:
        raise InputError(
            f"The image holds {least:.3g}, and no colour is below 0.",
            f"{ARRAY} What is normalised already goes in as {{'pixel_values': tensor}}.",
        )
    if most > 255:
        raise InputError(f"The image holds {most:.6g}, and 255 is the lightest.", ARRAY)
    if 1 < most < 2:
        # Taken for one of 255, it would be all but black.
        raise InputError(
            f"The largest number of the image is {most:.3g}, a little over 1.",
            f"{ARRAY} Clip it, if it was to end at 1.",
        )
    scaled: NDArray[np.uint8] = (array * (255 if most <= 1 else 1)).astype(np.uint8)
    return scaled


def _numbers(source: Any, what: str, hint: str) -> NDArray[Any]:
    """Take an array of real numbers, of whatever makes one.

    Raises:
        InputError: it is none.
    """
    try:
        array = np.asarray(source.detach().cpu() if isinstance(source, Tensor) else source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"The {what} is {kind_of_value(source)} of no shape.", hint) from error
    if array.dtype.kind not in "biuf":
        of = f" of {array.dtype}" if isinstance(source, np.ndarray) else ""
        raise InputError(f"The {what} is {kind_of_value(source)}{of}, no array of numbers.", hint)
    return array


def _samples(source: SoundSource, name: str) -> tuple[NDArray[np.float32], int]:
    """Read the samples of a file, its length known first, or take those given."""
    if not isinstance(source, (str, Path)):
        return _given_samples(source)
    if not Path(source).exists():
        raise InputError(f"{name} is not there.", "Check the name.")
    try:
        with soundfile.SoundFile(source) as file:
            _refuse_long(file.frames / file.samplerate)
            claimed, samples = _claimed(file), file.read(dtype="float32")
            if len(samples) < LEAST_SHARE * claimed:
                raise InputError(
                    f"{name} is truncated: it says that it lasts {claimed / file.samplerate:,.1f} s, "
                    f"and {len(samples) / file.samplerate:,.1f} s are there.",
                    "Save or fetch it again.",
                )
            return samples, int(file.samplerate)
    except (OSError, RuntimeError, TypeError) as error:
        raise InputError(
            f"{name} could not be read: {_reason(error)}.", "Give a WAV, FLAC, OGG or MP3 file."
        ) from error


def _given_samples(source: Any) -> tuple[NDArray[np.float32], int]:
    """Take samples and their rate.

    Raises:
        InputError: it is something else, such as samples alone.
    """
    hint = "Give (samples, rate), such as (samples, 16_000), or the name of a file."
    if not isinstance(source, (tuple, list)) or len(source) != 2:
        alone = getattr(source, "shape", None)
        shape = f" of shape {tuple(alone)}" if alone is not None else ""
        raise InputError(f"The sound is {kind_of_value(source)}{shape} without a rate.", hint)
    samples = _numbers(source[0], "sound", hint)
    try:
        return samples.astype(np.float32), int(source[1])
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"The rate of the sound is {kind_of_value(source[1])}, no number.", hint
        ) from error


def _claimed(file: soundfile.SoundFile) -> float:
    """How many frames a file says that it has; libsndfile believes what it finds of a WAV."""
    claim = CLAIMED_BYTES.search(file.extra_info)
    if claim is None or int(claim[1]) >= NO_CLAIM_BYTES or int(claim[2]) == 0:
        return float(file.frames)
    share = int(claim[1]) / int(claim[2])
    return float(file.frames) * share


def _refuse_long(seconds: float) -> None:
    if seconds > MOST_SECONDS:
        raise InputError(
            f"The sound lasts {seconds:,.0f} s; at most {MOST_SECONDS} are read.", "Cut it."
        )


def _name(what: str, source: ImageSource | SoundSource, called: str | None) -> str:
    """Name a picture or a sound at the beginning of a sentence."""
    known = str(source) if isinstance(source, (str, Path)) and called is None else called
    return f"The {what} {known}" if known else f"The {what}"


def _reason(error: Exception) -> str:
    """Say why a file cannot be read, without the path that both libraries put into that."""
    reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).removeprefix("Error : ").rstrip(".")
