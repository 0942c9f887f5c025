"""What is added up of a text, against the same written out key by key in float64, and parts joined in any order."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from tests.reference.survey_scores import by_class, head_scores
from viz.capture.layers import recorded_layer
from viz.inputs.units import Units
from viz.survey.sums.distribution_bins import BINS, bins_of, edges_of
from viz.survey.sums.example_candidates import KEPT, OF_ONE_WINDOW, draw
from viz.survey.sums.layer_sums import TextMeasure
from viz.survey.sums.row_blocks import TEXT_SCORES
from viz.survey.sums.stack_sums import ARRAYS, StackSums
from viz.survey.sums.text_facts import text_facts
from viz.survey.sums.token_classes import CLASS_NAMES, PUNCTUATION, separators, token_classes

TEXTS = ("", " the", "cat", ",", "\n", " 12", ".", " ", "ly", "</s>")


def named(count: int, seed: int) -> Units:
    """Units of all classes, of few kinds, so that tokens come again."""
    draws = np.random.default_rng(seed)
    kinds = draws.integers(0, len(TEXTS), count)
    special = tuple(bool(kind in (0, 9)) for kind in kinds)
    texts = tuple("" if own else TEXTS[kind] for kind, own in zip(kinds, special, strict=True))
    words = tuple(None if own else at // 2 for at, own in enumerate(special))
    return Units(
        kind="token",
        labels=tuple(TEXTS[kind] or "[CLS]" for kind in kinds),
        texts=texts,
        ids=tuple(int(kind) for kind in kinds),
        special=special,
        spans=(None,) * count,
        words=words,
        segments=(0,) * count,
    )


def measured(stack, window=0):
    """Sums over one text, as a survey adds them up."""
    facts = text_facts(stack)
    text = TextMeasure(facts)
    sums = StackSums.empty([one.heads for one in stack.records], facts.classes)
    sums.class_rows[window % 2] += np.bincount(facts.query_classes, minlength=len(facts.classes))
    drawn = draw(0, window, 0, [one.heads for one in stack.records], len(stack.queries))
    for layer, record in enumerate(stack.records):
        own, examples = text.of(record, drawn[layer])
        sums.add(layer, window % 2, own, text.chance(record), examples)
    return sums


def require_as_written_out(stack):
    sums = measured(stack)
    start = None
    if stack.aligned:
        start = len(stack.keys) - len(stack.queries)
    classes = [token_classes(one) for one in (stack.queries, stack.keys)]
    about = {
        "start": start,
        "marks": classes[1] == PUNCTUATION,
        "separators": separators(stack.keys),
    }
    for layer in range(stack.layers):
        for head in range(stack.heads(layer)):
            weights = stack.weights(layer, head).double().numpy()
            allowed = stack.attended(layer, head).numpy()
            alike = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
            pairs = (
                (weights, sums.total, sums.counted),
                (alike, sums.chance_total, sums.chance_counted),
            )
            for own, total, counted in pairs:
                expected = head_scores(own, allowed, stack.queries, stack.keys, **about)
                for number, score in enumerate(TEXT_SCORES):
                    values = expected.get(score, np.array([]))
                    assert counted[0, layer, head, number] == len(values), score
                    np.testing.assert_allclose(
                        total[0, layer, head, number],
                        values.sum(),
                        rtol=2e-5,
                        atol=2e-5,
                        err_msg=score,
                    )
            kinds = len(sums.classes)
            own = by_class(weights, *classes, kinds)
            np.testing.assert_allclose(sums.by_class[0, layer, head], own, atol=1e-5)
    shares = sums.shares.sum(axis=-1)
    np.testing.assert_array_equal(shares, sums.counted.sum(axis=0))


@pytest.mark.parametrize("name", CAUSAL)
def test_every_score_of_a_decoder_is_as_written_out(name):
    trace = viz.capture(viz.wrap_model(built(CAUSAL[name])), {"input_ids": IDS})
    units = named(IDS.shape[1], 5)
    require_as_written_out(replace(trace.stacks["self"], queries=units, keys=units))


@pytest.mark.parametrize("name", ENCODER_DECODER)
def test_every_score_of_an_encoder_decoder_is_as_written_out(name):
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    trace = viz.capture(viz.wrap_model(built(ENCODER_DECODER[name])), inputs)
    read, written = named(IDS.shape[1], 6), named(6, 7)
    for stack, queries, keys in (
        ("encoder", read, read),
        ("decoder", written, written),
        ("cross", written, read),
    ):
        require_as_written_out(replace(trace.stacks[stack], queries=queries, keys=keys))


def test_scores_are_the_same_in_blocks_of_a_few_rows(monkeypatch):
    trace = viz.capture(viz.wrap_model(built(CAUSAL["sliding window"])), {"input_ids": IDS})
    units = named(IDS.shape[1], 8)
    stack = replace(trace.stacks["self"], queries=units, keys=units)
    whole = measured(stack)
    monkeypatch.setattr(recorded_layer, "BLOCK_NUMBERS", 3 * 4 * 13)
    parts = measured(stack)
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-5)
    assert parts.examples.keys() == whole.examples.keys()
    for key, edges in whole.examples.items():
        assert [(one.query, one.key) for one in parts.examples[key]] == [
            (one.query, one.key) for one in edges
        ]


def test_the_heaviest_examples_are_the_largest_weights_off_the_sinks():
    trace = viz.capture(viz.wrap_model(built(CAUSAL["multi-head"])), {"input_ids": IDS})
    units = named(IDS.shape[1], 9)
    stack = replace(trace.stacks["self"], queries=units, keys=units)
    sums = measured(stack)
    for head in range(4):
        weights = stack.weights(1, head).numpy().copy()
        weights[:, [k == 0 or units.special[k] for k in range(len(units))]] = 0
        largest = np.sort(weights.max(axis=1))[::-1][:OF_ONE_WINDOW]
        found = sums.examples["heaviest", 1, head]
        np.testing.assert_allclose([one.weight for one in found], largest, rtol=1e-6)
        for one in (*found, *sums.examples.get(("chance", 1, head), ())):
            assert weights[one.query, one.key] == weights[one.query].max()


@pytest.fixture(scope="module")
def parts():
    """Sums over windows of one model, each by itself."""
    model = viz.wrap_model(built(CAUSAL["multi-head"]))
    found = []
    for number in range(14):
        ids = torch.randint(3, 97, (1, 9), generator=torch.Generator().manual_seed(number))
        stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
        units = named(9, number)
        found.append(measured(replace(stack, queries=units, keys=units), number))
    return found


@given(order=st.permutations(range(14)), cuts=st.sets(st.integers(1, 13), max_size=5))
@settings(max_examples=30)
def test_parts_joined_in_any_order_and_grouping_are_the_same(parts, order, cuts):
    def joined(numbers):
        whole = StackSums.empty(parts[0].heads, parts[0].classes)
        for number in numbers:
            whole.join(copy.deepcopy(parts[number]))
        return whole

    borders = [0, *sorted(cuts), 14]
    groups = [joined(order[a:b]) for a, b in pairwise(borders)]
    found = StackSums.empty(parts[0].heads, parts[0].classes)
    for group in groups:
        found.join(group)
    expected = joined(range(14))
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
    assert found.examples == expected.examples
    assert max(map(len, found.examples.values())) == KEPT


def test_sums_of_another_model_are_refused(parts):
    other = StackSums.empty([4, 4, 4], parts[0].classes)
    with pytest.raises(viz.LoupeError, match="3 layers cannot be joined with those over 2"):
        other.join(parts[0])


@given(st.floats(0, 1e6), st.sampled_from(TEXT_SCORES))
def test_a_number_falls_into_the_bin_whose_borders_hold_it(value, score):
    value = float(np.float32(value))
    (found,) = bins_of(torch.tensor([[value]]), (score,)).flatten().tolist()
    low, high = edges_of(score)[[found, found + 1]]
    assert low <= value * (1 + 1e-6)
    assert value <= high * (1 + 1e-6) or found == BINS - 1


@pytest.mark.parametrize(
    ("text", "special", "goes_on", "expected"),
    [
        ("[CLS]", True, False, "special token"),
        (" the", False, False, "start of a word"),
        ("ly", False, True, "rest of a word"),
        (" ...", False, False, "punctuation"),
        ("。", False, False, "punctuation"),
        (" $", False, False, "punctuation"),
        (" 1,024", False, False, "number"),
        ("٣", False, False, "number"),
        ("\n\n", False, False, "line break"),
        ("   ", False, False, "space"),
        ("", False, True, "rest of a word"),
        ("猫", False, False, "start of a word"),
    ],
)
def test_a_token_is_classed_by_its_own_text(text, special, goes_on, expected):
    words = (0, 0) if goes_on else (0, 1)
    units = Units(
        "token", (text,) * 2, ("x", text), (1, 2), (False, special), (None,) * 2, words, (0, 0)
    )
    classes = token_classes(units)
    assert CLASS_NAMES[classes[1]] == expected
