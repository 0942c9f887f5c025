"""A short text of any ids, to see what a model does with one."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from viz.inputs.input_copies import Inputs
from viz.models.context_length import context_limit
from viz.models.forward_signature import forward_parameters

# A model that also takes one of these may not run on a text alone.
OTHER_INPUTS = {
    *(
        "pixel_values",
        "pixel_values_videos",
        "image_embeds",
        "bbox",
        "visual_feats",
        "visual_embeds",
    ),
    *("input_features", "input_values", "audio_values", "flattened_patches"),
}

# Tokens of a sample: enough for masks, windows of tests and sinks to matter.
SAMPLE_TOKENS = 24


def sample_inputs(module: nn.Module) -> Inputs | None:
    """Make a short input of a model of text; None where only the user can tell what it reads."""
    config = getattr(module, "config", None)
    vocabulary = getattr(config, "vocab_size", None)
    text = isinstance(module, PreTrainedModel) and module.main_input_name == "input_ids"
    asks = set(forward_parameters(module))
    if not text or not isinstance(vocabulary, int) or asks & OTHER_INPUTS:
        return None
    count = min(SAMPLE_TOKENS, context_limit(module, None) or SAMPLE_TOKENS)
    device = next(module.parameters()).device
    ids = torch.arange(5, 5 + count, device=device)[None] % vocabulary
    inputs = {"input_ids": ids}
    if "attention_mask" in asks:
        inputs["attention_mask"] = torch.ones_like(ids)
    if getattr(config, "is_encoder_decoder", False):
        inputs["decoder_input_ids"] = ids[:, : count // 2]
    return inputs
