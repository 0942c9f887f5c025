"""Generating with a key-value cache shows the same as one pass over the finished text."""

from __future__ import annotations

import pytest
import torch

import viz
from tests.capture.architectures import build
from tests.models.folders import word_tokenizer


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "qwen3", "gemma2", "gpt_oss", "phi3"])
def test_stitched_rows_equal_one_pass_over_the_finished_text(name):
    module = build(name)
    module.generation_config.eos_token_id = None
    model = viz.wrap_model(module, word_tokenizer())
    written = viz.capture_generation(model, "the cat sat on the mat because", new_tokens=12)
    ids = torch.tensor([written.units.ids])
    whole = viz.capture(model, {"input_ids": ids}).stacks["self"]
    stack = written.stacks["self"]
    assert stack.layers == whole.layers
    assert len(stack.queries) == len(stack.keys) == ids.shape[1]
    for layer in range(stack.layers):
        for head in range(stack.heads(layer)):
            torch.testing.assert_close(
                stack.weights(layer, head), whole.weights(layer, head), atol=1e-5, rtol=0
            )


def test_the_real_model_writes_on_and_every_new_token_has_a_row():
    model = viz.load_model("smollm2")
    trace = viz.capture_generation(model, "The capital of France is", new_tokens=3)
    assert trace.units.labels[5] == "·Paris"
    assert len(trace.stacks["self"].queries) == 7


def test_a_model_that_writes_nothing_is_said():
    model = viz.wrap_model(build("bert"), word_tokenizer())
    with pytest.raises(viz.LoupeError, match="writes no text"):
        viz.capture_generation(model, "the cat")
