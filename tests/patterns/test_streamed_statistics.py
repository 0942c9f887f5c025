"""Statistics out of the fast kernel against the whole matrix in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.patterns.layers import CPU, LAYERS, noise, recorded, whole, window
from viz.capture.layers.mask import causal, full
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.patterns.detail import head_detail
from viz.patterns.max_pooling import pool_edges
from viz.patterns.streamed_statistics import row_statistics


def plain(layer, head: int) -> dict[str, np.ndarray]:
    """Every statistic of every row, the plain way."""
    weights, _ = whole(layer, head)
    queries, keys = weights.shape
    place = np.arange(queries) + keys - queries
    away = np.abs(np.arange(keys) - place[:, None])
    logs = np.log(np.where(weights > 0, weights, 1.0))

    def beside(at: np.ndarray) -> np.ndarray:
        inside = (at >= 0) & (at < keys)
        return np.where(inside, weights[np.arange(queries), at.clip(0, keys - 1)], 0.0)

    return {
        "mass": weights.sum(1),
        "entropy": -(weights * logs).sum(1),
        "distance": (weights * away).sum(1),
        "first": weights[:, 0],
        "current": beside(place),
        "previous": beside(place - 1),
    }


def assert_right(layer) -> None:
    statistics = row_statistics(layer)
    for head in range(layer.heads):
        for name, expected in plain(layer, head).items():
            got = getattr(statistics, name)[head].numpy()
            # Relative to what a row can be, because sums of long rows round as such.
            scale = max(1.0, float(expected.max()))
            np.testing.assert_allclose(got / scale, expected / scale, atol=3e-6, err_msg=name)
        weights, _ = whole(layer, head)
        down, across = (
            pool_edges(count, size)
            for count, size in zip(weights.shape, statistics.thumbnail.shape[1:], strict=True)
        )
        means = [
            [weights[a:b, c:d].mean() for c, d in itertools.pairwise(across)]
            for a, b in itertools.pairwise(down)
        ]
        np.testing.assert_allclose(statistics.thumbnail[head].numpy(), means, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_every_statistic_of_every_kind_of_layer_is_exact(name):
    assert_right(LAYERS[name]())


@settings(deadline=None, max_examples=40)
@given(
    queries=st.integers(1, 90),
    more=st.integers(0, 40),
    groups=st.sampled_from([1, 2, 4]),
    width=st.integers(1, 40),
    kind=st.sampled_from(["causal", "full", "window"]),
    sinks=st.booleans(),
    alibi=st.booleans(),
)
def test_any_shape_of_layer_is_exact(queries, more, groups, width, kind, sinks, alibi):
    keys = queries + (more if kind == "full" else 0)
    mask = {
        "causal": lambda: causal(queries, CPU),
        "full": lambda: full(queries, keys, CPU),
        "window": lambda: window(queries, 1 + more),
    }[kind]()
    assert_right(
        recorded(
            queries,
            keys,
            mask,
            key_heads=groups,
            width=width,
            sinks=noise(4) if sinks else None,
            bias=noise(4, 1, keys) if alibi else None,
        )
    )


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ("reported", "sparse")])
def test_the_log_sum_exp_of_every_row_is_exact(name):
    layer = LAYERS[name]()
    totals = row_statistics(layer).totals
    weights, allowed = whole(layer, 2)
    query = layer.query[2].double()
    score = (query @ layer.key[2 * len(layer.key) // layer.heads].double().T) * layer.scale
    if layer.softcap is not None:
        score = torch.tanh(score / layer.softcap) * layer.softcap
    if layer.bias is not None:
        score = score + layer.bias[min(2, len(layer.bias) - 1)].double()
    rebuilt = np.where(allowed, np.exp(score.numpy() - totals[2].double().numpy()[:, None]), 0.0)
    np.testing.assert_allclose(np.nan_to_num(rebuilt), weights, atol=3e-6)


def test_bfloat16_queries_and_keys_are_taken_for_what_they_are():
    layer = LAYERS["causal"]()
    half = RecordedLayer(
        **{
            **{name: getattr(layer, name) for name in layer.__slots__},
            "query": layer.query.bfloat16(),
            "key": layer.key.bfloat16(),
        }
    )
    assert_right(half)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("without", [None, 0, 5])
def test_what_a_key_receives_and_the_strongest_edges_are_exact(name, without):
    layer = LAYERS[name]()
    weights, _ = whole(layer, 1)
    detail = head_detail(layer, 1, row_statistics(layer).totals, edges=20, side=16, without=without)
    np.testing.assert_allclose(detail.received.numpy(), weights.sum(0), atol=1e-4)
    seen = weights.copy()
    if without is not None and without < seen.shape[1]:
        seen[:, without] = 0
    best = np.sort(seen[seen > 0].ravel())[::-1][:20]
    np.testing.assert_allclose(detail.weights.numpy(), best, atol=1e-6)
    at = seen[detail.queries.numpy(), detail.keys.numpy()]
    np.testing.assert_allclose(detail.weights.numpy(), at, atol=1e-6)
    down, across = (
        pool_edges(count, size)
        for count, size in zip(weights.shape, detail.largest.shape, strict=True)
    )
    largest = [
        [weights[a:b, c:d].max() for c, d in itertools.pairwise(across)]
        for a, b in itertools.pairwise(down)
    ]
    np.testing.assert_allclose(detail.largest.numpy(), largest, atol=1e-6)
