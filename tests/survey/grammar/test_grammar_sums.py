"""What is added up along a text's grammar, against the same written out word by word, and parts joined in any order."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from tests.reference.survey_grammar import along_relations, usual_weights
from tests.reference.survey_scores import by_class
from viz.capture.layers import recorded_layer
from viz.inputs.units import Units
from viz.survey.grammar.grammar_sums import ARRAYS, GrammarSums
from viz.survey.grammar.grammar_tables import relation_table
from viz.survey.grammar.offset_sums import NEAR, OFFSETS, offset_numbers, offset_sums
from viz.survey.grammar.parsed_text import PART_NAMES, Arc, ParsedText, parts_of, words_of
from viz.survey.grammar.stack_grammar import StackGrammar
from viz.survey.sums import uniform_weights
from viz.survey.sums.example_candidates import draw
from viz.survey.sums.layer_sums import TextMeasure
from viz.survey.sums.text_facts import text_facts

RELATIONS = ("amod", "det", "nsubj", "obj")


def drawn(count, seed):
    """Units of a text of letters, and words of one to three tokens with what each depends on; some tokens are of none."""
    draws = np.random.default_rng(seed)
    special = draws.random(count) < 0.15
    units = Units(
        "token", ("a",) * count, ("a",) * count, tuple(range(count)), tuple(special.tolist()),
        tuple((at, at + 1) for at in range(count)), (0,) * count, (0,) * count,
    )  # fmt: skip
    starts, stops, at = [], [], 0
    while at < count:
        size = int(draws.integers(1, 4))
        starts.append(at)
        stops.append(min(count, at + size))
        at += size + int(draws.random() < 0.2)
    words = len(starts)
    heads = draws.integers(0, words, words)
    arcs = tuple(
        Arc(word, int(head), RELATIONS[draws.integers(0, 4)])
        for word, head in enumerate(heads)
        if word != head
    )
    parts = tuple(draws.integers(0, len(PART_NAMES), words).tolist())
    return units, ParsedText("a" * count, tuple(starts), tuple(stops), parts, arcs)


def measured(stack, units, parsed, half=0):
    """Sums over one text, as a survey adds them up."""
    text, grammar = TextMeasure(text_facts(stack)), StackGrammar(stack, units, parsed, half)
    examples = draw(0, 0, 0, [one.heads for one in stack.records], len(stack.queries))
    for layer, record in enumerate(stack.records):
        looked = grammar.look(record)
        text.of(record, examples[layer], also=looked.add)
        grammar.add(layer, record, looked)
    return grammar.sums


def require_as_written_out(stack, units, parsed):
    sums = measured(stack, units, parsed)
    ours = [
        words_of(one, parsed) if one == units else np.full(len(one), -1)
        for one in (stack.queries, stack.keys)
    ]
    arcs = [(one.dependant, one.head, one.relation) for one in parsed.arcs]
    parts = [parts_of(one, parsed) for one in ours]
    table = relation_table({"self": sums})
    for layer in range(stack.layers):
        for head in range(stack.heads(layer)):
            weights = stack.weights(layer, head).double().numpy()
            allowed = stack.attended(layer, head).numpy()
            alike = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
            at = (layer, head)
            np.testing.assert_allclose(
                sums.by_part[(0, *at)], by_class(weights, *parts, len(PART_NAMES)), atol=1e-5
            )
            np.testing.assert_allclose(
                sums.chance_by_part[at], by_class(alike, *parts, len(PART_NAMES)), atol=1e-5
            )
            expected = along_relations(weights, allowed, *ours, arcs)
            chance = along_relations(alike, allowed, *ours, arcs)
            for number, relation in enumerate(sums.relations):
                for direction in range(2):
                    own = expected.get((relation, direction), np.array([]))
                    kind = (*at, number, direction)
                    assert sums.counted[(0, *kind)] == len(own)
                    np.testing.assert_allclose(sums.weight[(0, *kind)], own.sum(), atol=1e-5)
                    by_chance = chance.get((relation, direction), np.array([])).sum()
                    np.testing.assert_allclose(sums.chance[kind], by_chance, atol=1e-5)
            rows = table[(table["layer"] == layer) & (table["head"] == head)]
            assert len(rows) == len(expected)
            if not rows.empty:
                start = len(stack.keys) - len(stack.queries)
                usual = usual_weights(weights, allowed, start, NEAR)
                flat = np.array(
                    [
                        [
                            usual.get(max(-NEAR - 1, min(NEAR + 1, k - q - start)), 0.0)
                            for k in range(len(stack.keys))
                        ]
                        for q in range(len(stack.queries))
                    ]
                )
                flat = np.where(allowed, flat, 0.0)
                by_distance = along_relations(flat, allowed, *ours, arcs)
                for row in rows.itertuples():
                    kind = (row.relation, 0 if row.looks_from == "dependant" else 1)
                    assert row.by_distance == pytest.approx(by_distance[kind].mean(), abs=1e-5)
                    assert row.weight == pytest.approx(expected[kind].mean(), abs=1e-5)


@pytest.mark.parametrize("name", CAUSAL)
def test_every_relation_of_a_decoder_is_as_written_out(name):
    trace = viz.capture(viz.wrap_model(built(CAUSAL[name])), {"input_ids": IDS})
    for seed in range(3):
        units, parsed = drawn(IDS.shape[1], seed)
        require_as_written_out(
            replace(trace.stacks["self"], queries=units, keys=units), units, parsed
        )


@pytest.mark.parametrize("name", ENCODER_DECODER)
def test_an_encoder_follows_relations_and_what_is_written_follows_none(name):
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    trace = viz.capture(viz.wrap_model(built(ENCODER_DECODER[name])), inputs)
    units, parsed = drawn(IDS.shape[1], 4)
    written, _ = drawn(6, 5)
    for stack, queries, keys in (
        ("encoder", units, units),
        ("decoder", written, written),
        ("cross", written, units),
    ):
        require_as_written_out(
            replace(trace.stacks[stack], queries=queries, keys=keys), units, parsed
        )


def test_sums_are_the_same_in_blocks_of_a_few_rows(monkeypatch):
    trace = viz.capture(viz.wrap_model(built(CAUSAL["sliding window"])), {"input_ids": IDS})
    units, parsed = drawn(IDS.shape[1], 6)
    stack = replace(trace.stacks["self"], queries=units, keys=units)
    whole = measured(stack, units, parsed)
    monkeypatch.setattr(recorded_layer, "BLOCK_NUMBERS", 3 * 4 * IDS.shape[1])
    monkeypatch.setattr(uniform_weights, "BLOCK_NUMBERS", 2 * IDS.shape[1])
    parts = measured(stack, units, parsed)
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "run", "column"), [(50, 60, 0), (50, 60, 10), (7, 60, 40), (30, 20, -5), (1, 1, 0)]
)
def test_weight_is_added_up_by_how_far_it_goes(rows, run, column):
    matrix = np.random.default_rng(rows).random((2, rows, run))
    expected = np.zeros((2, OFFSETS))
    for row in range(rows):
        for key in range(run):
            offset = max(-NEAR - 1, min(NEAR + 1, key - column - row))
            expected[:, offset + NEAR + 1] += matrix[:, row, key]
    found = offset_sums(torch.from_numpy(matrix).float(), column)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    numbers = offset_numbers(torch.tensor([-100, -NEAR, 0, NEAR, 100]))
    assert numbers.tolist() == [0, 1, NEAR + 1, OFFSETS - 2, OFFSETS - 1]


@pytest.fixture(scope="module")
def parts():
    """Sums over texts of one model, each of which has relations of its own."""
    model = viz.wrap_model(built(CAUSAL["multi-head"]))
    found = []
    for number in range(8):
        ids = torch.randint(3, 97, (1, 9), generator=torch.Generator().manual_seed(number))
        stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
        units, parsed = drawn(9, number)
        stack = replace(stack, queries=units, keys=units)
        found.append(measured(stack, units, parsed, number % 2))
    return found


@given(order=st.permutations(range(8)), cut=st.integers(1, 7))
@settings(max_examples=25)
def test_parts_joined_in_any_order_are_the_same(parts, order, cut):
    def joined(numbers):
        whole = GrammarSums.empty(parts[0].heads)
        for number in numbers:
            whole.join(copy.deepcopy(parts[number]))
        return whole

    found, expected = joined(order[:cut]), joined(range(8))
    found.join(joined(order[cut:]))
    assert found.relations == expected.relations == tuple(sorted(found.relations))
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)


def test_sums_of_another_model_are_refused(parts):
    with pytest.raises(viz.LoupeError, match="3 layers cannot be joined with those over 2"):
        GrammarSums.empty([4, 4, 4]).join(parts[0])
