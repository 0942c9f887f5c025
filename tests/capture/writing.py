"""Models that write, and what they look at by their own account."""

from __future__ import annotations

import copy

import torch

import viz
from tests.models.folders import word_tokenizer

TEXT = "the cat sat on the mat because"


def endless(module, **settings):
    """Let a model write until it is told to stop, with settings in its own generation_config."""
    module.generation_config.eos_token_id = None
    for name, value in settings.items():
        setattr(module.generation_config, name, value)
    return module.eval()


def writer(module, tokenizer=None):
    """Wrap a model that may write beyond what its configuration calls its limit."""
    return viz.wrap_model(module, tokenizer or word_tokenizer())


def own_weights(module, ids):
    """The weights of one eager pass over ids, [layer][head, query, key]."""
    eager = copy.deepcopy(module)
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        return [a[0] for a in eager(ids, output_attentions=True, use_cache=False).attentions]


def weights_off(trace, own):
    """How far a trace's weights are from those, at most."""
    stack = trace.stacks["self"]
    assert stack.layers == len(own)
    return max(
        float((stack.weights(layer, head) - own[layer][head]).abs().max())
        for layer in range(stack.layers)
        for head in range(stack.heads(layer))
    )
