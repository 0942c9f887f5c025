"""The largest keys of each query against the whole pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import build, token_ids
from tests.capture.test_local import SMALL, lively
from tests.capture.test_stack_building import built
from viz.capture.layers import recorded_layer as layers_module
from viz.capture.layers.recorded_layer import ReportedLayer
from viz.capture.layers.sparse_layer import SparseLayer
from viz.errors import ShapeError
from viz.figures import sink_of
from viz.patterns import MOST_KEYS, largest_edges


def windowed():
    module = lively(hf.LongformerModel(hf.LongformerConfig(**SMALL, attention_window=8)))
    return viz.capture(viz.wrap_model(module), {"input_ids": token_ids(21)}).stacks["self"]


def given():
    shares = np.random.default_rng(0).dirichlet(np.full(40, 0.1), (2, 3, 9)).astype(np.float32)
    shares[0, 0, 4] = 0
    return viz.load_weights(shares)


def stack_of(name):
    if name == "longformer":
        return windowed()
    if name == "given":
        return given()
    if name in ("bart", "swin"):
        module, inputs, _ = built(name)
        stacks = viz.capture(viz.wrap_model(module), inputs).stacks
        return stacks["cross" if name == "bart" else "encoder_1"]
    return viz.capture(viz.wrap_model(build(name)), {"input_ids": token_ids(33)}).stacks["self"]


# Full, causal, windowed and with sinks; a target on its source, in windows, sparse, and as reported.
KINDS = ["bert", "llama", "mistral", "gpt_oss", "bart", "swin", "longformer", "given"]


@pytest.fixture(params=[8_000_000, 200], ids=["one block", "many blocks"])
def blocks_of(request, monkeypatch):
    """Walk through the same pattern in one block and in blocks of a few rows."""
    monkeypatch.setattr(layers_module, "BLOCK_NUMBERS", request.param)


def require_largest(edges, pattern, count):
    """Ask that each row holds its largest weights, ordered, each on the key that has it."""
    expected = -np.sort(-pattern, axis=1)[:, :count]
    np.testing.assert_allclose(edges.weights, expected, atol=1e-7)
    assert ((edges.keys >= 0) == (expected > 0)).all()
    at = np.maximum(edges.keys, 0)
    found = np.where(edges.keys >= 0, np.take_along_axis(pattern, at, axis=1), 0)
    np.testing.assert_allclose(found, edges.weights, atol=1e-7)
    for row in edges.keys:
        assert len(set(row[row >= 0])) == (row >= 0).sum()
    assert (edges.weights.dtype, edges.keys.dtype) == (np.float32, np.int32)


@pytest.mark.parametrize("count", [1, 5, MOST_KEYS])
@pytest.mark.parametrize("name", KINDS)
def test_each_row_has_its_largest_weights(name, count, blocks_of):
    stack = stack_of(name)
    for layer in range(stack.layers):
        for head in range(stack.heads(layer)):
            edges = largest_edges(stack, layer, head, count)
            require_largest(edges, stack.weights(layer, head).numpy(), count)
            assert edges.sink is None


def test_the_kinds_are_what_they_are_meant_to_be():
    assert isinstance(stack_of("longformer").record(0), SparseLayer)
    assert isinstance(stack_of("given").record(0), ReportedLayer)
    cross = stack_of("bart")
    assert (len(cross.queries), len(cross.keys)) == (7, 19)
    assert stack_of("gpt_oss").weights(0, 0).sum(dim=1).max() < 0.999


@pytest.mark.parametrize("name", KINDS)
def test_without_the_sink_the_next_largest_come_up(name, blocks_of):
    stack = marked(stack_of(name), keys={3})
    pattern = stack.weights(0, 1).numpy()
    edges = largest_edges(stack, 0, 1, 4, without_sink=True)
    assert edges.sink == sink_of(pattern, stack.keys)
    left = pattern.copy()
    left[:, edges.sink] = 0
    require_largest(edges, left, 4)


def test_without_special_tokens_nothing_comes_from_or_goes_to_them(blocks_of):
    stack = marked(stack_of("bert"), keys={0, 32}, queries={0, 32})
    left = stack.weights(1, 2).numpy().copy()
    left[[0, 32]], left[:, [0, 32]] = 0, 0
    require_largest(largest_edges(stack, 1, 2, 6, without_special=True), left, 6)


def marked(stack, keys, queries=()):
    """Say of some units that the tokenizer added them."""

    def special(units, places):
        return replace(units, special=tuple(place in places for place in range(len(units))))

    return replace(
        stack, keys=special(stack.keys, keys), queries=special(stack.queries, set(queries))
    )


def test_a_threshold_leaves_out_what_is_smaller():
    stack = stack_of("bert")
    pattern = stack.weights(0, 0).numpy()
    edges = largest_edges(stack, 0, 0, threshold=0.1)
    assert ((edges.keys >= 0).sum(axis=1) == (pattern >= 0.1).sum(axis=1)).all()
    assert (edges.weights[edges.keys < 0] == 0).all()
    fewer = largest_edges(stack, 0, 0).largest(3, threshold=0.1)
    again = largest_edges(stack, 0, 0, 3, threshold=0.1)
    np.testing.assert_array_equal(fewer.keys, again.keys)
    np.testing.assert_array_equal(fewer.weights, again.weights)


def test_of_equal_weights_the_first_key_comes_first():
    stack = viz.load_weights(torch.full((2, 5), 0.2))
    assert largest_edges(stack, 0, 0, 5).keys.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_what_is_not_there_is_said():
    stack = given()
    for layer, head, count in [(2, 0, 1), (0, 3, 1), (0, 0, 0), (0, 0, 17)]:
        with pytest.raises(ShapeError):
            largest_edges(stack, layer, head, count)


def test_a_single_key_is_no_sink():
    stack = viz.load_weights(torch.ones(3, 1))
    edges = largest_edges(stack, 0, 0, without_sink=True)
    assert edges.sink is None
    assert edges.keys.tolist() == [[0]] * 3


def test_progress_is_told_and_may_cancel(monkeypatch):
    monkeypatch.setattr(layers_module, "BLOCK_NUMBERS", 200)
    told = []
    largest_edges(stack_of("bert"), 0, 0, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1

    class Cancelled(BaseException):
        pass

    def cancel(_share):
        raise Cancelled

    with pytest.raises(Cancelled):
        largest_edges(stack_of("bert"), 0, 0, progress=cancel)
