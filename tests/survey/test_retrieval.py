"""Retrieval scores, against loops over the rows of the answer."""

from __future__ import annotations

import numpy as np
import pytest
import transformers as hf

import viz
from tests.effects.test_weight_gradients import CAUSAL, built
from viz.errors import CancelledError, InputError, ShapeError, TextError
from viz.inputs.text import count_tokens
from viz.survey.measured import NotMeasured
from viz.survey.probes.needles import WORDS, with_needle
from viz.survey.probes.retrieval import retrieval_scores

HAYSTACKS = [
    "It was a long day. The ship lay still on the water, and nobody spoke. Then the wind came! ",
    "He went up the hill and looked at the town below him while the sun went down behind it ",
]


@pytest.fixture(scope="module")
def loupe():
    return viz.load_model("loupe", device="cpu", dtype="float32")


def needles_of(model, count, most_tokens, seed=0):
    draw = np.random.default_rng(seed)
    return [
        with_needle(
            *(model, HAYSTACKS[number % 2]),
            depth=(number + 0.5) / count,
            most_tokens=most_tokens,
            draw=draw,
        )
        for number in range(count)
    ]


def by_loops(model, needle):
    """Hits and chance of every head at each token of the answer that the needle has, [token, 2, layer, head]."""
    stack = viz.capture(model, needle.text).stacks["self"]
    offsets = model.tokenizer(needle.text, return_offsets_mapping=True)["offset_mapping"]
    first, last = needle.hidden
    hidden = {
        place
        for place, (start, end) in enumerate(offsets)
        if start >= first - 1 and first < end <= last
    }
    first, last = needle.answered
    ids, rows = stack.keys.ids, []
    for place, (start, end) in enumerate(offsets):
        right = [key for key in hidden if ids[key] == ids[place]]
        if start < first - 1 or not first < end <= last or not right:
            continue
        found = np.zeros((2, stack.layers, stack.heads(0)))
        for layer in range(stack.layers):
            for head in range(stack.heads(layer)):
                weights = stack.weights(layer, head, rows=[place - 1])[0]
                found[:, layer, head] = int(weights.argmax()) in right, len(right) / place
        rows.append(found)
    return rows


def test_scores_are_what_loops_over_the_answer_find(loupe):
    (found,) = retrieval_scores(loupe, HAYSTACKS, needles=3, seed=5)
    each = [by_loops(loupe, needle) for needle in needles_of(loupe, 3, 256, seed=5)]
    value, chance = np.mean([row for rows in each for row in rows], axis=0)
    np.testing.assert_allclose(found.value, value, atol=1e-6)
    np.testing.assert_allclose(found.chance, chance, atol=1e-6)
    np.testing.assert_allclose(found.halves[1], np.mean(each[1], axis=0)[0], atol=1e-6)
    assert (found.counted == sum(map(len, each))).all()
    assert (found.score, found.stack) == ("retrieval", "self")
    # Heads of the middle layer go on with what came before.
    assert found.value[1].min() > 0.3 > 20 * found.chance[1].max()
    assert found.value[[0, 2]].max() < 0.2


def test_needles_stand_between_sentences_at_every_depth(loupe):
    text = " ".join(f"This is sentence number {number}." for number in range(40))
    draw = np.random.default_rng(0)
    shares = []
    for depth in (0.1, 0.5, 0.9):
        needle = with_needle(loupe, text, depth=depth, most_tokens=10**6, draw=draw)
        before = needle.text[: needle.hidden[0]]
        assert before.endswith("The secret words of the day are ")
        assert before.split(" The secret")[0].endswith(".")
        shares.append(needle.hidden[0] / len(needle.text))
        words = needle.text[slice(*needle.hidden)]
        assert words == needle.text[slice(*needle.answered)]
        assert len(set(words.split(" "))) == 6
        assert set(words.split(" ")) <= set(WORDS)
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[2] > 0.6


def test_a_text_that_is_too_long_is_cut(loupe):
    draw = np.random.default_rng(0)
    needle = with_needle(loupe, "so it goes " * 5000, depth=0.5, most_tokens=200, draw=draw)
    assert 150 < count_tokens(loupe, needle.text) <= 200
    (found,) = retrieval_scores(loupe, ["so it goes " * 5000], needles=1)
    assert found.counted.min() > 0
    assert np.isnan(found.halves[1]).all()


def test_words_of_the_needle_are_not_in_the_text(loupe):
    text = ", ".join(WORDS[:-6]) + "."
    needle = with_needle(loupe, text, depth=0.5, most_tokens=10**6, draw=np.random.default_rng(0))
    assert set(needle.text[slice(*needle.hidden)].split(" ")) == set(WORDS[-6:])


def test_what_writes_no_text_on_is_not_measured():
    for model, why in (
        (viz.load_model("minilm", device="cpu"), "writes no text on"),
        (viz.wrap_model(built(CAUSAL["grouped queries"])), "has no tokenizer"),
    ):
        (found,) = retrieval_scores(model, HAYSTACKS)
        assert isinstance(found, NotMeasured)
        assert why in found.reason


def test_what_is_no_list_of_texts_is_refused(loupe):
    for given, error in (([], InputError), ("a text", InputError), ([" "], TextError)):
        with pytest.raises(error):
            retrieval_scores(loupe, given)
    with pytest.raises(ShapeError, match="number of needles is 0"):
        retrieval_scores(loupe, HAYSTACKS, needles=0)


def test_progress_counts_needles_and_may_cancel(loupe):
    told = []
    retrieval_scores(loupe, HAYSTACKS, needles=2, progress=lambda *one: told.append(one))
    assert told == [(0, 2), (1, 2), (2, 2)]

    def stop(_done, _of):
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        retrieval_scores(loupe, HAYSTACKS, progress=stop)


def test_keys_outside_a_window_are_no_chance():
    tokenizer = viz.load_model("loupe", device="cpu").tokenizer
    config = hf.MistralConfig(
        **{
            **CAUSAL["sliding window"].to_dict(),
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 256,
        }
    )
    (found,) = retrieval_scores(viz.wrap_model(built(config), tokenizer), HAYSTACKS, needles=2)
    # None of the five keys that a position sees is in the needle.
    assert (found.counted > 0).all()
    assert (found.chance == 0).all()
    assert (found.value == 0).all()
