"""Windows that share a pass give the sums of windows that each have their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, built
from tests.models.folders import word_tokenizer
from viz.errors import CancelledError, LoupeError
from viz.survey import measured_passes
from viz.survey.measured_passes import PASS_TOKENS, WindowPasses
from viz.survey.measured_windows import measure_windows
from viz.survey.sums.stack_sums import ARRAYS
from viz.survey.texts.windows import Window

WORDS = (
    *("the", "cat", "sat", "on", "the", "mat", "because", "it", "was", "tired", ","),
    *("and", "the", "dog", "did", "not", "."),
)

# In words: some of one length, in no order, and one that no other is as long as.
LENGTHS = (9, 9, 12, 9, 5, 12, 9, 12, 9, 9)


def windows():
    """Windows of unequal lengths."""
    tokenizer, found = word_tokenizer(), []
    for number, length in enumerate(LENGTHS):
        text = " ".join(WORDS[(number * 5 + word) % len(WORDS)] for word in range(length))
        tokens = len(tokenizer(text)["input_ids"])
        found.append(Window(number, text, "texts", 0, tokens))
    return found


MODELS = {
    "windowed": CAUSAL["sliding window"],
    "relative bias": ENCODER_DECODER["relative bias"],
    "every head": CAUSAL["multi-head"],
}


def reader(config):
    return viz.wrap_model(built(config), tokenizer=word_tokenizer())


def counted(model):
    """How many texts each pass of the model reads, as they come."""
    passes: list[int] = []
    model.module.register_forward_pre_hook(
        lambda _part, _given, named: passes.append(len(named["input_ids"])), with_kwargs=True
    )
    return passes


def require_same(found, expected):
    assert (found.windows, found.tokens) == (expected.windows, expected.tokens)
    for name, stack in expected.stacks.items():
        for one in ARRAYS:
            np.testing.assert_allclose(
                getattr(found.stacks[name], one), getattr(stack, one), rtol=1e-6, atol=1e-6
            )
        assert found.stacks[name].examples.keys() == stack.examples.keys()
        for key, edges in stack.examples.items():
            places = [(one.window, one.query, one.key) for one in found.stacks[name].examples[key]]
            assert places == [(one.window, one.query, one.key) for one in edges]
    assert found.shown == expected.shown


@pytest.mark.parametrize("name", MODELS)
def test_windows_of_unequal_lengths_share_passes_and_give_the_same_sums(name, monkeypatch):
    model = reader(MODELS[name])
    passes, read = WindowPasses(model), counted(model)
    together = measure_windows(model, windows(), passes=passes)
    assert passes.shared
    assert max(read) > 1
    monkeypatch.setattr(measured_passes, "may_share_a_pass", lambda _model: False)
    read.clear()
    alone = measure_windows(model, windows())
    assert set(read) == {1}
    require_same(together.sums, alone.sums)


def test_a_model_whose_windows_look_at_one_another_reads_each_alone():
    model = reader(CAUSAL["multi-head"])
    model.module.transformer.h[0].register_forward_hook(
        lambda _part, _given, out: out + out.mean(dim=0, keepdim=True)
    )
    passes = WindowPasses(model)
    found = measure_windows(model, windows(), passes=passes)
    assert passes.shared is False
    expected = [viz.capture(model, one.text) for one in windows()]
    weights = [float(one.stacks["self"].weights(1, 0)[:, 0].sum()) for one in expected]
    first = found.sums.stacks["self"].total[:, 1, 0, 3].sum()
    assert first == pytest.approx(sum(weights), rel=1e-5)


def test_the_first_window_is_read_alone_too_and_later_ones_are_not():
    model = reader(CAUSAL["multi-head"])
    passes, read = WindowPasses(model), counted(model)
    measure_windows(model, windows(), passes=passes)
    assert read[0] == 1
    read.clear()
    measure_windows(model, windows(), passes=passes)
    assert sorted(read) == [1, 3, 6]


def test_a_pass_reads_no_more_tokens_than_it_may(monkeypatch):
    model = reader(CAUSAL["multi-head"])
    assert PASS_TOKENS >= 512
    monkeypatch.setattr(measured_passes, "PASS_TOKENS", 2 * windows()[0].tokens)
    passes, read = WindowPasses(model), counted(model)
    measure_windows(model, windows(), passes=passes)
    assert max(read) == 2
    monkeypatch.setattr(measured_passes, "HELD_BYTES", 1)
    read.clear()
    measure_windows(model, windows(), passes=passes)
    assert set(read) == {1}


@pytest.mark.parametrize("done", [1, 2, 5])
def test_a_survey_ends_between_windows_that_share_a_pass(done):
    model, seen = reader(CAUSAL["multi-head"]), []

    def before():
        if len(seen) == done:
            raise CancelledError("Enough.")

    passes = WindowPasses(model)
    found = measure_windows(model, windows(), passes=passes, before=before, seen=seen.append)
    assert [one.number for one in seen] == list(range(done))
    assert (found.shard.count, found.sums.windows) == (done, done)
    expected = measure_windows(model, windows()[:done])
    require_same(found.sums, expected.sums)
    # What was captured ahead of the end is not taken for another survey's.
    again = measure_windows(model, windows(), passes=passes)
    require_same(again.sums, measure_windows(model, windows()).sums)


def test_a_window_that_cannot_be_read_is_refused_alone(monkeypatch):
    model = reader(CAUSAL["multi-head"])
    whole = windows()
    whole[3] = Window(3, "", "texts", 0, whole[0].tokens)
    found = measure_windows(model, whole)
    assert (found.sums.windows, found.sums.refused) == (len(whole) - 1, 1)
    assert found.shard.count == len(whole)


def test_weights_that_are_no_numbers_refuse_every_window():
    model = reader(CAUSAL["multi-head"])
    measure_windows(model, windows()[:2])
    with torch.no_grad():
        model.module.transformer.h[0].attn.c_attn.weight.fill_(torch.nan)
    with pytest.raises(LoupeError, match="none of 10 windows"):
        measure_windows(model, windows())
