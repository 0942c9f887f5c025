"""What an encoder-decoder writes when nobody says what: its own words."""

from __future__ import annotations

from typing import Any

import torch

from viz.inputs.prepared import Prepared
from viz.models.forward_errors import RUN_ERRORS
from viz.models.model import Model
from viz.models.preserve_state import preserved

# Tokens that are written at most; longer ones are for a translator or a transcriber.
MOST_WRITTEN = 64

# One text, of greedy choices, whatever the model's own configuration asks for.
PLAINLY = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "return_dict_in_generate": False,
}


def write(model: Model, prepared: Prepared) -> str | None:
    """Let a model write, greedily, and return the text; empty if it writes nothing, None if it cannot.

    Args:
        model: an encoder-decoder.
        prepared: what it reads.
    """
    module: Any = model.module
    inputs = {k: v for k, v in prepared.inputs.items() if k != "decoder_input_ids"}
    try:
        with model.lock, torch.inference_mode(), preserved(module):
            ids = module.generate(**inputs, max_new_tokens=MOST_WRITTEN, **PLAINLY)
    except RUN_ERRORS:
        return None
    if model.tokenizer is None:
        return None
    return str(model.tokenizer.decode(ids[0].tolist(), skip_special_tokens=True))
