"""What a model writes is shown as one pass over the finished text, proven to be what it did."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import build
from tests.capture.writing import TEXT, endless, own_weights, weights_off, writer
from tests.models.folders import save_encoder_decoder, word_tokenizer
from viz.errors import CancelledError, CaptureError


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "qwen3", "gemma2", "gpt_oss", "phi3"])
def test_rows_are_those_of_the_written_text_one_a_token(name):
    module = endless(build(name))
    model = writer(module)
    written = viz.capture_generation(model, TEXT, new_tokens=12)
    stack = written.stacks["self"]
    prompt = model.tokenizer(TEXT, return_tensors="pt")
    alone = module.generate(**prompt, do_sample=False, max_new_tokens=12)
    assert written.units.ids == tuple(alone[0, :-1].tolist())
    assert len(stack.queries) == len(stack.keys) == alone.shape[1] - 1
    assert len(written.output) == len(stack.queries)
    assert weights_off(written, own_weights(module, alone[:, :-1])) < 2e-6


def alibi(kind):
    """Models whose position biases are no rule: Bloom's, MPT's."""
    torch.manual_seed(7)
    if kind == "bloom":
        config = hf.BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4)
        return endless(hf.BloomForCausalLM(config))
    config = hf.MptConfig(vocab_size=97, d_model=32, n_layers=2, n_heads=4, max_seq_len=64)
    return endless(hf.MptForCausalLM(config))


@pytest.mark.parametrize("kind", ["bloom", "mpt"])
def test_position_biases_go_on_with_the_text(kind):
    module = alibi(kind)
    written = viz.capture_generation(writer(module), "the cat sat on the mat", new_tokens=5)
    ids = torch.tensor([written.units.ids])
    with torch.no_grad():
        own = module(ids, output_attentions=True).attentions
    assert written.text == "the cat sat on the mat"
    assert len(written.stacks["self"].queries) == 8 + 4  # the last of the five is never read
    torch.testing.assert_close(
        written.stacks["self"].weights(1, 2), own[1][0, 2], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("beams", [1, 3])
def test_an_encoder_decoder_writes_and_shows_its_three_stacks(tmp_path, beams):
    save_encoder_decoder(tmp_path)
    model = viz.load_model(str(tmp_path))
    trace = viz.capture_generation(model, "the cat sat", new_tokens=6, num_beams=beams)
    assert set(trace.stacks) == {"encoder", "decoder", "cross"}
    rows = trace.stacks["decoder"].queries
    assert 1 <= len(rows) <= 6
    assert trace.stacks["cross"].queries == rows
    assert trace.stacks["cross"].keys == trace.stacks["encoder"].keys == trace.units
    assert trace.units.spans[1] == (0, 3)  # the source keeps its places in the text
    prompt = model.tokenizer("the cat sat", return_tensors="pt").to(model.device)
    alone = model.module.generate(**prompt, do_sample=False, num_beams=beams, max_new_tokens=6)
    assert rows.ids == tuple(alone[0, :-1].tolist())


def test_two_texts_that_a_model_writes_of_one_source_have_two_keys(tmp_path):
    save_encoder_decoder(tmp_path)
    model = viz.load_model(str(tmp_path))
    traces = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        options = {"do_sample": True, "temperature": 5.0, "min_new_tokens": 6}
        traces.append(viz.capture_generation(model, "the cat sat", new_tokens=6, **options))
    rows = [trace.stacks["decoder"].queries.ids for trace in traces]
    assert rows[0] != rows[1]
    assert traces[0].key != traces[1].key


def test_the_real_model_writes_on_and_every_new_token_has_a_row():
    model = viz.load_model("smollm2")
    trace = viz.capture_generation(model, "The capital of France is", new_tokens=3)
    assert trace.units.labels[5] == "·Paris"
    assert len(trace.stacks["self"].queries) == 7
    assert trace.output is not None


def test_a_model_that_writes_nothing_is_said():
    model = viz.wrap_model(build("bert"), word_tokenizer())
    with pytest.raises(viz.LoupeError, match="writes no text"):
        viz.capture_generation(model, "the cat")


def test_a_model_in_training_mode_is_refused_before_it_writes():
    model = writer(endless(build("llama")))
    model.module.train()
    with pytest.raises(CaptureError, match=r"in training mode.*eval"):
        viz.capture_generation(model, "the cat")


def test_more_tokens_than_a_model_reads_are_refused_with_how_many_it_could_write():
    module = endless(build("gpt2"))  # 128 positions
    model = writer(module)
    with pytest.raises(
        viz.LoupeError, match=r"9 tokens and 121 new .*128\. Ask for at most 120 new"
    ):
        viz.capture_generation(model, TEXT, new_tokens=121)
    # The last of them is written and never read.
    assert len(viz.capture_generation(model, TEXT, new_tokens=120).units) == 128


def test_progress_is_told_while_it_writes_and_may_cancel():
    model = writer(endless(build("llama")))
    shares = []
    viz.capture_generation(model, TEXT, new_tokens=4, progress=lambda *told: shares.append(told))
    assert [share for phase, share in shares[:4]] == [0.25, 0.5, 0.75, 1.0]

    def stop(phase, share):
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        viz.capture_generation(model, TEXT, new_tokens=4, progress=stop)
    assert not model.module._forward_hooks
