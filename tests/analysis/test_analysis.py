"""Edges and predictions against the whole pattern and the whole vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import viz
from tests.capture.architectures import build, token_ids
from viz.analysis import predictions, strongest_edges
from viz.capture.layers import recorded_layer as layers_module


@pytest.mark.parametrize("block", [8_000_000, 100])
def test_the_strongest_edges_are_those_of_the_whole_pattern(block, monkeypatch):
    monkeypatch.setattr(layers_module, "BLOCK_NUMBERS", block)
    model = viz.wrap_model(build("mistral"))
    stack = viz.capture(model, {"input_ids": token_ids(30)}).stacks["self"]
    pattern = stack.weights(1, 2).numpy()
    edges = strongest_edges(stack, 1, 2, 15)
    np.testing.assert_allclose(edges["weight"], np.sort(pattern.ravel())[::-1][:15], atol=1e-6)
    for edge in edges.itertuples():
        assert pattern[edge.query, edge.key] == pytest.approx(edge.weight, abs=1e-6)
    without = strongest_edges(stack, 1, 2, 15, skip_key=0)
    assert 0 not in set(without["key"])


def test_fewer_edges_than_asked_for_are_all_there_are():
    model = viz.wrap_model(build("gpt2"))
    stack = viz.capture(model, {"input_ids": token_ids(3)}).stacks["self"]
    assert len(strongest_edges(stack, 0, 0, 50)) == 6


def test_predictions_are_the_softmax_of_the_logits():
    trace = viz.capture(viz.wrap_model(build("llama")), {"input_ids": token_ids(9)})
    ranked = predictions(trace, count=5)
    expected = torch.softmax(trace.output, dim=-1).topk(5)
    torch.testing.assert_close(ranked.probabilities, expected.values)
    assert ranked.at(4, None)["token"].tolist() == [str(i) for i in expected.indices[4].tolist()]
    with pytest.raises(viz.LoupeError, match="no position 9"):
        ranked.at(9, None)


def test_an_encoder_predicts_nothing_and_says_so():
    trace = viz.capture(viz.wrap_model(build("bert")), {"input_ids": token_ids(9)})
    with pytest.raises(viz.LoupeError, match="no language-model head"):
        predictions(trace)
