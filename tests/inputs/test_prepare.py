"""Texts that cannot be run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

import viz
from tests.models.folders import save_small, word_tokenizer
from viz.errors import TextTooLongError
from viz.inputs.input_checks import MAX_CHARACTERS, check_text
from viz.inputs.text import count_tokens, cut_text
from viz.models.run_cost import STREAMED_FROM, estimate, require_room


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return viz.load_model(str(save_small(tmp_path_factory.mktemp("small"))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n\t\u3000", "holds only spaces"),
        ("a\x00b", "null byte at character 2"),
        ("ab\ud83d", "lone surrogate.* at character 3"),
        ("x" * 10_000_000, "10,000,000 characters"),
        (7, "is an int"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(model, text, message):
    with pytest.raises(viz.LoupeError, match=message):
        check_text(text)
    if isinstance(text, str):
        with pytest.raises(viz.LoupeError, match=message):
            viz.capture(model, text)


def test_a_text_over_the_limit_says_how_much_and_can_be_cut(model):
    text = "the cat sat on the mat " * 30
    with pytest.raises(TextTooLongError, match=r"reads 128, so it is \d+ over") as caught:
        viz.capture(model, text)
    assert caught.value.limit == 128
    shorter = cut_text(model, text)
    assert text.startswith(shorter)
    assert count_tokens(model, shorter) == 128
    assert len(viz.capture(model, shorter).units) == 128


def test_a_text_that_fits_is_not_cut(model):
    assert cut_text(model, "the cat") == "the cat"


def test_the_largest_text_is_within_the_limit():
    assert check_text("x" * MAX_CHARACTERS)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "inputs are empty"),
        ({"ids": [[1]]}, "no input_ids"),
        ({"input_ids": [1, 2]}, "have shape"),
        ({"input_ids": [[]]}, r"shape \(1, 0\)"),
        ({"input_ids": [[5] * 200]}, "200 tokens"),
    ],
)
def test_inputs_that_cannot_be_run_are_named(model, inputs, message):
    with pytest.raises(viz.LoupeError, match=message):
        viz.capture(model, inputs)


class Reader(nn.Module):
    """A module of one's own that reads ids, and nothing else that a tokenizer makes."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(97, 16)
        self.attend = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        return self.attend(x, x, x)[0]


class Masked(Reader):
    def forward(self, input_ids, attention_mask):
        x = self.embed(input_ids)
        return self.attend(x, x, x, key_padding_mask=attention_mask == 0)[0]


class Open(Reader):
    def forward(self, input_ids, **more):
        assert set(more) == {"attention_mask", "token_type_ids"}
        return super().forward(input_ids)


class Unnamed(Reader):
    def forward(self, x, mask=None):
        return super().forward(x)


def marking_tokenizer():
    tokenizer = word_tokenizer()
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


@pytest.mark.parametrize("kind", [Reader, Masked, Open])
def test_a_forward_is_given_what_it_takes_of_what_a_tokenizer_makes(kind):
    model = viz.wrap_model(kind(), marking_tokenizer())
    trace = viz.capture(model, "the cat sat", pair="on the mat")
    assert len(trace.stacks["self"].queries) == len(trace.units) == 9


def test_a_forward_that_takes_no_ids_reads_no_text():
    model = viz.wrap_model(Unnamed(), marking_tokenizer())
    with pytest.raises(viz.LoupeError, match="takes x, mask, and no input_ids"):
        viz.capture(model, "the cat sat")


def test_what_does_not_fit_into_memory_is_refused_before_it_runs(model, monkeypatch):
    monkeypatch.setattr("viz.models.run_cost.available_memory_bytes", lambda _: 10_000)
    with pytest.raises(viz.LoupeError, match="100 tokens need about"):
        require_room(model, 100)


def test_estimates_grow_with_the_text(model):
    short, long = estimate(model, 10), estimate(model, 100)
    assert short.memory_bytes < long.memory_bytes
    assert short.seconds < long.seconds
    assert short.fits
    assert not estimate(model, 129).fits


@pytest.mark.parametrize("tokens", [100, STREAMED_FROM, 8 * STREAMED_FROM])
def test_what_is_foreseen_is_the_pass_and_the_drawing_of_every_head(model, tokens):
    cost = estimate(model, tokens)
    assert cost.pass_seconds > 0
    assert cost.seconds == cost.pass_seconds + cost.drawing_seconds


def test_the_drawing_of_a_long_text_outgrows_the_work_on_each_token(model):
    """Twice the tokens: four times the pairs, of which drawing is made."""
    short, long = estimate(model, 4 * STREAMED_FROM), estimate(model, 8 * STREAMED_FROM)
    assert long.drawing_seconds == pytest.approx(4 * short.drawing_seconds)
    assert long.pass_seconds < 4 * short.pass_seconds
    held = estimate(replace(model, tier="eager"), 8 * STREAMED_FROM)
    assert held.drawing_seconds != long.drawing_seconds
