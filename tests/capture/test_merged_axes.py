"""Axes that hold more than one text's tokens: two sides of a decoder, and learnt prompts."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import transformers as hf

import viz
from tests.models.folders import word_tokenizer
from viz.capture.layers.recorded_layer import ReportedLayer
from viz.capture.provenance import Provenance
from viz.capture.stack_building import stacks_of
from viz.inputs.units import numbered_units, units_from_labels

TEXT = {
    **{"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
    **{"max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3},
    **{"layer_types": ["sliding_attention", "full_attention"]},
}
VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}


def merging(window):
    """T5Gemma 2: each decoder layer looks at its own tokens and at the source's in one softmax."""
    torch.manual_seed(0)
    text = {**TEXT, "sliding_window": window}
    vision = {**VISION, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    config = hf.T5Gemma2Config(
        encoder={"text_config": text, "vision_config": vision, "mm_tokens_per_image": 4},
        decoder=text,
    )
    config.decoder_start_token_id = 2
    return viz.wrap_model(hf.T5Gemma2ForConditionalGeneration(config).eval(), word_tokenizer())


@pytest.mark.parametrize("window", [2, 8])
def test_merged_keys_are_the_target_then_the_source_by_their_words(window):
    trace = viz.capture(merging(window), "the cat sat", target="on the mat")
    stack = trace.stacks["cross"]
    source = ("[CLS]", "the", "cat", "sat", "[SEP]")
    assert stack.keys.labels == (*stack.queries.labels, *source)
    assert stack.queries.labels[-3:] == ("on", "the", "mat")
    assert stack.keys.segments == (0,) * len(stack.queries) + (1,) * 5
    weights = stack.weights(1, 0)
    count = len(stack.queries)
    assert not weights[:, :count].triu(1).any()
    assert (weights[:, count:] > 0).all()


GIVEN = Provenance("given", None, 0.0, 0.0, 0, (), "", None, "float32")
SOURCE, TARGET = units_from_labels(["a", "b"]), units_from_labels(["x", "y", "z"])


def stacks_with(weights):
    layer = ReportedLayer("decoder.layers.0.attention", weights, GIVEN)
    return stacks_of([layer], (SOURCE, TARGET), partial(numbered_units, "token"))["self"]


def test_the_order_of_merged_keys_is_read_off_the_mask():
    own, other = torch.ones(1, 3, 3).tril(), torch.ones(1, 3, 2)
    after = stacks_with(torch.cat([own, other], dim=-1))
    assert after.keys.labels == ("x", "y", "z", "a", "b")
    before = stacks_with(torch.cat([other, own], dim=-1))
    assert before.keys.labels == ("a", "b", "x", "y", "z")


def test_merged_keys_that_no_mask_puts_in_order_are_numbered():
    everything = stacks_with(torch.ones(1, 3, 5))
    assert everything.keys.labels == tuple(f"token {number}" for number in range(5))


def prompting(prompts):
    config = hf.CpmAntConfig(
        **{"vocab_size": 97, "hidden_size": 32, "num_attention_heads": 4, "dim_head": 8},
        **{"dim_ff": 48, "num_hidden_layers": 2, "prompt_types": 8, "segment_types": 8},
        prompt_length=prompts,
    )
    torch.manual_seed(0)
    return viz.wrap_model(hf.CpmAntForCausalLM(config).eval(), word_tokenizer())


@pytest.mark.parametrize("prompts", [1, 4])
@pytest.mark.parametrize("own", [False, True])
def test_behind_a_learnt_prompt_the_words_are_named(prompts, own):
    model = prompting(prompts)
    text = "the cat sat"
    given = {"input_ids": [model.tokenizer(text)["input_ids"]]} if own else text
    stack = viz.capture(model, given).stacks["self"]
    assert stack.queries == stack.keys
    assert stack.keys.labels[prompts:] == ("[CLS]", "the", "cat", "sat", "[SEP]")
    assert stack.keys.labels[:prompts] == tuple(f"prompt {n + 1}" for n in range(prompts))
    assert all(stack.keys.special[:prompts])
