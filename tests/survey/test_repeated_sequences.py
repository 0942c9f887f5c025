"""Scores on random tokens that come twice: against loops over eager attention, and heads that are known."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, SMALL, built
from tests.models.folders import word_tokenizer
from viz.errors import CancelledError, ShapeError
from viz.survey.measured import Measured, NotMeasured
from viz.survey.probes.random_tokens import repeated_inputs, text_frame, text_tokens
from viz.survey.probes.repeated_sequences import anti_induction, repeated_scores

ENCODER = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}


def encoder(**options):
    config = hf.BertConfig(
        **{**SMALL, **ENCODER, "num_hidden_layers": 2, "max_position_embeddings": 64, **options}
    )
    return hf.BertModel(config).eval()


def targets_of(name, ids, query):
    """The keys that a head of a kind looks at from a query, by its definition."""
    earlier = [key for key in range(query) if ids[key] == ids[query]]
    return {
        "repeated_previous": [query - 1] if query else [],
        "repeated_duplicate": earlier,
        "repeated_induction": [key + 1 for key in earlier],
    }[name]


def by_loops(module, inputs, name):
    """Score and chance of every head, [2, layer, head], by loops over eager attention; and how many queries counted."""
    module.set_attn_implementation("eager")
    rows = []
    for one in inputs:
        ids = one["input_ids"][0].tolist()
        with torch.no_grad():
            layers = module(**one, output_attentions=True).attentions
        weights = torch.stack([layer[0] for layer in layers]).double().numpy()
        for query in range(len(ids)):
            keys = targets_of(name, ids, query)
            if keys:
                mass = weights[:, :, query, keys].sum(axis=-1)
                seen = query + 1 if module.config.model_type != "bert" else len(ids)
                rows.append(np.stack([mass, np.full(mass.shape, len(keys) / seen)]))
    return np.mean(rows, axis=0), len(rows)


@pytest.mark.parametrize("kind", ["multi-head", "grouped queries", "rotary on a part", "encoder"])
def test_scores_are_what_loops_over_eager_attention_find(kind):
    module = encoder() if kind == "encoder" else built(CAUSAL[kind])
    model = viz.wrap_model(module)
    options = {"sequences": 3, "length": 9, "seed": 4}
    found = {one.score: one for one in repeated_scores(model, **options)}
    inputs = list(repeated_inputs(model, **options))
    assert set(found) == {"repeated_previous", "repeated_duplicate", "repeated_induction"}
    for name, one in found.items():
        (value, chance), counted = by_loops(module, inputs, name)
        assert one.stack == "self"
        np.testing.assert_allclose(one.value, value, atol=1e-5)
        np.testing.assert_allclose(one.chance, chance, atol=1e-6)
        assert (one.counted == counted).all()


def test_a_value_lies_between_its_halves():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    for one in repeated_scores(model, sequences=4, length=6):
        np.testing.assert_allclose(one.halves.mean(axis=0), one.value, atol=1e-6)
        assert not np.allclose(one.halves[0], one.halves[1])
    for one in repeated_scores(model, sequences=1, length=6):
        np.testing.assert_allclose(one.halves[0], one.value)
        assert np.isnan(one.halves[1]).all()


def test_tokens_follow_the_seed():
    model = viz.wrap_model(built(CAUSAL["multi-head"]))
    first, again, other = (
        repeated_scores(model, sequences=2, length=6, seed=seed)[2].value for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_different_tokens_of_text_come_twice_within_special_ones():
    tokenizer = word_tokenizer()
    tokenizer.add_tokens(["added"])
    model = viz.wrap_model(encoder(vocab_size=len(tokenizer)), tokenizer)
    assert (text_frame(model).before, text_frame(model).behind) == ((2,), (3,))
    (inputs,) = repeated_inputs(model, sequences=1, length=10, seed=0)
    first, *ids, last = inputs["input_ids"][0].tolist()
    assert (first, last) == (2, 3)
    assert ids[:10] == ids[10:]
    assert len(set(ids)) == 10
    assert min(ids) > 4
    assert tokenizer.convert_tokens_to_ids("added") not in text_tokens(model)


def test_unused_tokens_are_not_drawn():
    model = viz.load_model("minilm", device="cpu")
    (inputs,) = repeated_inputs(model, sequences=1, length=200, seed=0)
    names = model.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    assert names[0] == "[CLS]"
    assert names[-1] == "[SEP]"
    assert not [name for name in names[1:-1] if re.fullmatch(r"\[.+\]", name)]


def test_a_short_context_and_a_small_vocabulary_shorten_sequences():
    short = viz.wrap_model(encoder(max_position_embeddings=21), word_tokenizer())
    (inputs,) = repeated_inputs(short, sequences=1, length=64, seed=0)
    assert inputs["input_ids"].shape == (1, 2 + 2 * 9)
    few = viz.wrap_model(
        hf.GPT2LMHeadModel(
            hf.GPT2Config(**{**SMALL, "vocab_size": 8}, n_embd=8, n_layer=1, n_head=1)
        ).eval()
    )
    (inputs,) = repeated_inputs(few, sequences=1, length=64, seed=0)
    assert sorted(inputs["input_ids"][0, :5].tolist()) == [3, 4, 5, 6, 7]
    assert all(one.counted.any() for one in repeated_scores(few, sequences=2))


def test_an_encoder_decoder_reads_and_writes_them():
    module = built(ENCODER_DECODER["relative bias"])
    found = repeated_scores(viz.wrap_model(module), sequences=2, length=8)
    assert {one.stack for one in found} == {"encoder", "decoder"}
    by_name = {(one.score, one.stack): one for one in found}
    # What is written begins with one token more.
    assert by_name["repeated_previous", "encoder"].counted[0, 0] == 2 * 15
    assert by_name["repeated_previous", "decoder"].counted[0, 0] == 2 * 16
    assert by_name["repeated_duplicate", "decoder"].counted[0, 0] == 2 * 8


def test_what_reads_no_tokens_is_not_measured():
    config = hf.ViTConfig(**ENCODER, num_hidden_layers=1, image_size=32, patch_size=16)
    found = repeated_scores(viz.wrap_model(hf.ViTModel(config).eval()))
    assert [type(one) for one in found] == [NotMeasured] * 3
    assert "takes no input_ids" in found[0].reason
    tiny = encoder(max_position_embeddings=4)
    (reason, *_) = repeated_scores(viz.wrap_model(tiny, word_tokenizer()))
    assert "reads no 4 tokens in a row" in reason.reason


def test_progress_counts_sequences_and_may_cancel():
    model = viz.wrap_model(built(CAUSAL["multi-head"]))
    told = []
    repeated_scores(model, sequences=3, length=4, progress=lambda *one: told.append(one))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def stop(_done, _of):
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        repeated_scores(model, sequences=3, length=4, progress=stop)


@pytest.mark.parametrize(
    "options", [{"sequences": 0}, {"sequences": 10**6}, {"length": 1}, {"length": 10**6}]
)
def test_sizes_are_bounded(options):
    model = viz.wrap_model(built(CAUSAL["multi-head"]))
    with pytest.raises(ShapeError, match="Give "):
        repeated_scores(model, **options)


def score_of(name, value):
    value = np.array([value])
    halves = np.stack([value, value])
    return Measured(name, "self", value, value / 10, halves, np.full(value.shape, 7))


def test_anti_induction_counts_heads_that_write_against_what_they_see():
    found = anti_induction(
        score_of("repeated_induction", [0.5, 0.8]), score_of("copying", [-0.5, 0.9])
    )
    np.testing.assert_allclose(found.value, [[0.25, 0]])
    np.testing.assert_allclose(found.chance, [[0.025, 0]])
    np.testing.assert_allclose(found.halves, [[[0.25, 0]]] * 2)
    assert (found.score, found.counted.tolist()) == ("repeated_anti_induction", [[7, 7]])
    other = replace(score_of("copying", [0.0, 0.0]), stack="decoder")
    with pytest.raises(ShapeError, match="one stack of one model"):
        anti_induction(score_of("repeated_induction", [0.5, 0.8]), other)


@pytest.fixture(scope="module")
def language():
    return viz.load_model("smollm2", device="cpu", dtype="float32")


def leading(one, count):
    """The heads that score highest, the highest first."""
    order = np.argsort(-one.value, axis=None)[:count]
    return [divmod(int(number), one.value.shape[1]) for number in order]


def test_known_heads_of_a_language_model_lead(language):
    found = {one.score: one for one in repeated_scores(language, sequences=4)}
    induction, previous = found["repeated_induction"], found["repeated_previous"]
    first, *others = leading(induction, 5)
    assert first == (18, 6)
    assert {(17, 3), (17, 4), (17, 5)} < set(others)
    assert induction.value[first] > 0.8 > 50 * induction.chance[first]
    assert leading(previous, 1) == [(16, 0)]
    assert previous.value[16, 0] > 0.8 > 20 * previous.chance[16, 0]
    np.testing.assert_allclose(induction.halves[0], induction.halves[1], atol=0.1)
