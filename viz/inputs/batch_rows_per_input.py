"""Rows that are no inputs of a batch but shares of one: codebooks of a sound, frames of a film."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from viz.inputs.input_copies import copies
from viz.models.forward_errors import RUN_ERRORS
from viz.models.head_count import head_count
from viz.models.preserve_state import preserved
from viz.models.random_state import random_state, restore_random

# What was seen, by the number of rows.
_known: weakref.WeakKeyDictionary[nn.Module, dict[int, int]] = weakref.WeakKeyDictionary()

# What configurations call the number of rows that make up one input.
SHARES = ("num_codebooks", "num_frames")


def rows_of_one(module: nn.Module, inputs: Mapping[str, Any], rows: int) -> int:
    """Say how many of the rows that a model is given are one input.

    MusicGen's decoder takes a row for each codebook, X-CLIP's tower one for each frame. Whether they do is seen
    in a pass: some part that attends then holds so many fewer.

    Args:
        module: the model.
        inputs: of it.
        rows: that its main input has.

    Cost: one pass, the first time that a model is given so many rows, where its configuration knows such a
    number.
    """
    if module.training:
        return 1  # which the capture refuses
    config = getattr(module, "config", None)
    told = [getattr(config, name, None) for name in SHARES]
    counts = [one for one in told if isinstance(one, int) and one > 1 and rows % one == 0]
    if not counts or not isinstance(module, PreTrainedModel):
        return 1
    known = _known.setdefault(module, {})
    if rows not in known:
        held = _held_at_once(module, inputs)
        known[rows] = next((count for count in counts if rows // count in held and rows > 1), 1)
    return known[rows]


def _held_at_once(module: nn.Module, inputs: Mapping[str, Any]) -> set[int]:
    """Run once, and note how many inputs the parts that attend hold; random numbers stay where they were."""
    held: set[int] = set()
    owner = threading.get_ident()

    def note(_part: nn.Module, _given: Any, output: Any) -> None:
        first = output[0] if isinstance(output, (tuple, list)) and output else output
        if threading.get_ident() == owner and isinstance(first, Tensor) and first.ndim > 2:
            held.add(len(first))

    parts = [part for part in module.modules() if head_count(part) is not None]
    state = random_state()
    handles = [part.register_forward_hook(note) for part in parts]
    try:
        with torch.inference_mode(), preserved(module):
            module(**copies(inputs))
    except RUN_ERRORS:
        return set()  # the pass that is captured says why
    finally:
        restore_random(state)
        for handle in handles:
            handle.remove()
    return held
