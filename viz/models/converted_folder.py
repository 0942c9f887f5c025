"""From what a package carries to a folder in hub layout, once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from viz.errors import ModelError
from viz.models.catalogue import CatalogueEntry, Form
from viz.models.convert_dinov2 import dinov2_from_onnx
from viz.models.convert_whisper import whisper_from_ctranslate2


def convert(source: Path, entry: CatalogueEntry, target: Path) -> None:
    """Write a folder in hub layout.

    Args:
        source: the unpacked folder of the package.
        entry: what it is.
        target: the folder to make.

    Raises:
        ModelError: a package that the conversion needs is missing, or the file is another one.
    """
    try:
        CONVERSIONS[entry.form](source, entry.weights, target)
    except ImportError as error:
        raise ModelError(
            f"Converting {entry.title} needs a package that is not installed: {error.name}.",
            f'Install it with: pip install "attention-loupe[{entry.extra}]"',
        ) from error
    except (KeyError, ValueError, EOFError) as error:
        raise ModelError(
            f"The weights of {entry.title} are not as they were when this was written: {error}.",
            "Update this program, or fetch the model from Hugging Face.",
        ) from error


def _as_it_is(source: Path, _weights: str, target: Path) -> None:
    shutil.move(source, target)


def _from_gguf(source: Path, weights: str, target: Path) -> None:
    """Save a language model dequantised from GGUF."""
    import gguf  # noqa: F401 - transformers would only say later that it is missing
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=weights)
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=weights, dtype=torch.float32)
    # The weights are plain numbers by now; only the note of how they were stored keeps the
    # quantised form, and with it transformers would refuse to save them.
    model.is_quantized, model.hf_quantizer = False, None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(target)
    tokenizer.save_pretrained(target)


CONVERSIONS: dict[Form, Callable[[Path, str, Path], None]] = {
    "hub": _as_it_is,
    "gguf": _from_gguf,
    "ctranslate2": whisper_from_ctranslate2,
    "onnx": dinov2_from_onnx,
}
