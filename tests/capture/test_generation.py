"""Generating with a key-value cache shows the same as one pass over the finished text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import build
from tests.models.folders import save_encoder_decoder, word_tokenizer
from viz.capture.recorder import Recorder


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


def test_what_was_checked_of_every_new_row_is_kept(monkeypatch):
    """Each step is checked as a pass of its own; the worst of them is what a layer says."""
    checked = {}
    record = Recorder.add

    def noting(recorder, layer):
        late = len(checked.get(layer.name, ())) == 5
        flags = (*layer.provenance.flags, *(("noted",) if late else ()))
        error = 3e-6 if late else layer.provenance.output_error
        layer = replace(
            layer, provenance=replace(layer.provenance, flags=flags, output_error=error)
        )
        checked.setdefault(layer.name, []).append(layer.provenance)
        record(recorder, layer)

    monkeypatch.setattr(Recorder, "add", noting)
    module = build("mistral")
    module.generation_config.eos_token_id = None
    model = viz.wrap_model(module, word_tokenizer())
    stack = viz.capture_generation(model, "the cat sat", new_tokens=12).stacks["self"]
    for layer in range(stack.layers):
        shown, steps = stack.provenance(layer), checked[stack.record(layer).name]
        assert len(steps) == 12
        assert shown.output_error == max(step.output_error for step in steps) == 3e-6
        assert shown.row_sum_error == max(step.row_sum_error for step in steps)
        assert shown.checked_rows == sum(step.checked_rows for step in steps)
        assert set(shown.flags) == {flag for step in steps for flag in step.flags}
        assert "noted" in shown.flags
        assert shown.mask == "causal, window of 7 tokens"


def alibi(kind):
    """Models whose position biases are no rule: Bloom's, MPT's."""
    torch.manual_seed(7)
    if kind == "bloom":
        config = hf.BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4)
        return hf.BloomForCausalLM(config).eval()
    config = hf.MptConfig(vocab_size=97, d_model=32, n_layers=2, n_heads=4, max_seq_len=64)
    return hf.MptForCausalLM(config).eval()


@pytest.mark.parametrize("kind", ["bloom", "mpt"])
def test_position_biases_go_on_with_the_text(kind):
    module = alibi(kind)
    module.generation_config.eos_token_id = None
    written = viz.capture_generation(
        viz.wrap_model(module, word_tokenizer()), "the cat sat on the mat", new_tokens=5
    )
    ids = torch.tensor([written.units.ids])
    with torch.no_grad():
        own = module(ids, output_attentions=True).attentions
    stack = written.stacks["self"]
    assert written.text == "the cat sat on the mat"
    assert len(stack.queries) == 8 + 4  # the last of the five is never read
    torch.testing.assert_close(stack.weights(1, 2), own[1][0, 2], atol=1e-5, rtol=0)


def test_an_encoder_decoder_writes_and_shows_its_three_stacks(tmp_path):
    save_encoder_decoder(tmp_path)
    trace = viz.capture_generation(viz.load_model(str(tmp_path)), "the cat sat", new_tokens=4)
    assert set(trace.stacks) == {"encoder", "decoder", "cross"}
    assert 1 <= len(trace.stacks["decoder"].queries) <= 4


def test_the_real_model_writes_on_and_every_new_token_has_a_row():
    model = viz.load_model("smollm2")
    trace = viz.capture_generation(model, "The capital of France is", new_tokens=3)
    assert trace.units.labels[5] == "·Paris"
    assert len(trace.stacks["self"].queries) == 7


def test_a_model_that_writes_nothing_is_said():
    model = viz.wrap_model(build("bert"), word_tokenizer())
    with pytest.raises(viz.LoupeError, match="writes no text"):
        viz.capture_generation(model, "the cat")
