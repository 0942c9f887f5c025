"""Scores say how much of a head's weight lies where a known habit would put it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import viz
from tests.patterns.layers import padded, recorded, window
from viz.analysis import (
    HeadScores,
    induction_scores,
    lag_scores,
    mean_scores,
    previous_token_scores,
    reverse_scores,
    same_targets,
    sorting_scores,
    target_scores,
)
from viz.capture.layers import recorded_layer as layers
from viz.capture.layers.mask import causal
from viz.capture.stack import Stack
from viz.errors import ShapeError
from viz.inputs.units import numbered_units

CPU = torch.device("cpu")


def given_stack(*patterns: torch.Tensor, labels: str | None = None, name: str = "self") -> Stack:
    """One layer whose heads have these patterns."""
    return viz.load_weights(torch.stack(patterns), labels, name=name)


def stack_of(*records) -> Stack:
    queries, keys = records[0].shape
    units = numbered_units("token", keys)
    return Stack("self", records, units.part(keys - queries, keys), units)


def shifted(count: int) -> torch.Tensor:
    """The pattern of a perfect previous-token head."""
    pattern = torch.diag(torch.ones(count - 1), -1)
    pattern[0, 0] = 1
    return pattern


def even(count: int) -> torch.Tensor:
    """A causal pattern without a preference."""
    lower = torch.ones(count, count).tril()
    return lower / lower.sum(dim=-1, keepdim=True)


def test_a_perfect_previous_token_head_scores_1_and_an_even_one_the_baseline():
    scores = previous_token_scores(given_stack(shifted(5), even(5)))
    expected = (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4
    np.testing.assert_allclose(scores.scores, [[1, expected]], rtol=1e-6)
    np.testing.assert_allclose(scores.uniform[0, 1], expected, rtol=1e-6)
    assert scores.counted.tolist() == [[4, 4]]
    assert scores.best == (0, 0, 1.0, pytest.approx(scores.uniform[0, 0]))


def test_a_perfect_induction_head_scores_1():
    pattern = torch.eye(6)
    pattern[3:] = 0
    for query, key in ((3, 1), (4, 2), (5, 3)):
        pattern[query, key] = 1
    layer = recorded(6, 6, causal(6, CPU), heads=1, key_heads=1)
    units = numbered_units("token", 6)
    ids = (7, 8, 9, 7, 8, 9)
    units = type(units)(
        **{name: getattr(units, name) for name in units.__slots__ if name != "ids"}, ids=ids
    )
    reported = layers.ReportedLayer("by hand", pattern[None], layer.provenance)
    scores = induction_scores(Stack("self", (reported, layer), units, units))
    assert scores.scores[0, 0] == 1
    # Of an honest causal mask the baseline is one key of 4, of 5 and of 6.
    assert scores.uniform[1, 0] == pytest.approx((1 / 4 + 1 / 5 + 1 / 6) / 3)
    assert scores.counted.tolist() == [[3], [3]]


def test_the_anti_diagonal_scores_1_for_reversing():
    pattern = torch.eye(4).flip(0)
    assert reverse_scores(given_stack(pattern, name="cross")).best.score == 1
    assert reverse_scores(given_stack(torch.eye(4), name="cross")).best.score == 0


def test_looking_at_each_rank_scores_1_for_sorting():
    values = [30, 10, 20]
    pattern = torch.zeros(3, 3)
    pattern[[0, 1, 2], [1, 2, 0]] = 1
    assert sorting_scores(given_stack(pattern, name="cross"), values).best.score == 1


def test_a_stripe_scores_by_its_lag():
    pattern = torch.diag(torch.ones(4), -2) + torch.diag(torch.tensor([1.0, 1, 0, 0, 0, 0]))
    stack = given_stack(pattern)
    assert lag_scores(stack, 2).best.score == 1
    assert lag_scores(stack, 3).best.score == 0


def test_a_reported_weight_of_0_on_a_target_counts_as_a_miss():
    pattern = even(4)
    pattern[2] = torch.tensor([1.0, 0, 0, 0])
    scores = previous_token_scores(given_stack(pattern))
    assert scores.counted.tolist() == [[3]]
    assert scores.scores[0, 0] == pytest.approx((1 / 2 + 0 + 1 / 4) / 3)
    assert scores.uniform[0, 0] == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)


def reference(stack: Stack, wanted: list[int], labels: list[int]) -> list[tuple[float, float, int]]:
    """The definition, by a loop over rows, for the heads of the first layer."""
    found = []
    for head in range(stack.heads(0)):
        weights, allowed = stack.weights(0, head), stack.attended(0, head)
        rows = []
        for query, want in enumerate(wanted):
            keys = [key for key, label in enumerate(labels) if label == want and want != -1]
            keys = [key for key in keys if allowed[query, key]]
            if keys:
                mass = float(weights[query, keys].sum())
                rows.append((mass, len(keys) / int(allowed[query].sum())))
        means = np.mean(rows, axis=0) if rows else (np.nan, np.nan)
        found.append((float(means[0]), float(means[1]), len(rows)))
    return found


@settings(deadline=None, max_examples=40)
@given(
    st.integers(2, 9),
    st.sampled_from(["causal", "window", "padded"]),
    st.sampled_from([None, "sinks"]),
    st.data(),
)
def test_scores_are_what_their_definition_says(count, kind, sinks, data):
    masks = {"causal": causal(count, CPU), "window": window(count, 2), "padded": padded(count, 1)}
    layer = recorded(count, count, masks[kind], sinks=torch.randn(4) if sinks else None)
    label = st.lists(st.integers(-1, 2), min_size=count, max_size=count)
    wanted, labels = data.draw(label), data.draw(label)
    stack = stack_of(layer)
    scores = target_scores(stack, same_targets(wanted, labels))
    for head, (mass, alike, rows) in enumerate(reference(stack, wanted, labels)):
        np.testing.assert_allclose(scores.scores[0, head], mass, atol=1e-6)
        np.testing.assert_allclose(scores.uniform[0, head], alike, atol=1e-6)
        assert scores.counted[0, head] == rows


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 12), st.data())
def test_weights_on_targets_and_on_the_rest_sum_to_1(count, data):
    half = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    stack = stack_of(recorded(count, count, window(count, count)))
    wanted = [1] * count
    on = target_scores(stack, same_targets(wanted, half))
    off = target_scores(stack, same_targets(wanted, [1 - one for one in half]))
    rows = count * np.ones_like(on.counted)
    both = np.nan_to_num(on.scores) * on.counted + np.nan_to_num(off.scores) * off.counted
    # Rows that see one kind only are counted for that kind alone.
    np.testing.assert_allclose(both / rows, 1, atol=1e-5)
    best = on if on.counted.any() else off
    assert np.nanmax(best.scores) <= 1 + 1e-5


def test_blocks_do_not_change_a_score(monkeypatch):
    stack = stack_of(recorded(40, 40, causal(40, CPU)))
    whole = previous_token_scores(stack)
    monkeypatch.setattr(layers, "BLOCK_NUMBERS", 4 * 40 * 3)
    np.testing.assert_allclose(previous_token_scores(stack).scores, whole.scores, rtol=1e-6)


def test_no_head_is_ever_held_as_a_whole(monkeypatch):
    largest = []
    rows = layers.RecordedLayer.rows

    def watched(self, heads, block):
        weights, first = rows(self, heads, block)
        largest.append(weights.shape[1])
        return weights, first

    monkeypatch.setattr(layers.RecordedLayer, "rows", watched)
    monkeypatch.setattr(layers, "BLOCK_NUMBERS", 4 * 64 * 8)
    previous_token_scores(stack_of(recorded(64, 64, causal(64, CPU))))
    assert max(largest) == 8
    assert sum(largest) == 63


def test_layers_with_fewer_heads_are_left_empty():
    stack = stack_of(
        recorded(6, 6, causal(6, CPU), heads=4), recorded(6, 6, causal(6, CPU), heads=2)
    )
    scores = previous_token_scores(stack)
    assert np.isnan(scores.scores[1, 2:]).all()
    assert len(scores.as_frame()) == 6
    assert scores.as_frame()["score"].is_monotonic_decreasing


def test_a_text_that_is_written_is_scored_by_its_place_among_the_keys():
    whole = recorded(9, 9, causal(9, CPU))
    end = type(whole)(
        **{
            **{name: getattr(whole, name) for name in whole.__slots__},
            "query": whole.query[:, 5:],
            "mask": type(whole.mask)(whole.mask.start[5:], whole.mask.stop[5:]),
        }
    )
    part, full = stack_of(end), stack_of(whole)
    mean = np.mean([full.weights(0, 1)[row, row - 1] for row in range(5, 9)])
    assert previous_token_scores(part).scores[0, 1] == pytest.approx(mean)


def test_progress_is_told_and_may_cancel():
    stack = stack_of(*[recorded(6, 6, causal(6, CPU)) for _ in range(4)])
    told = []
    previous_token_scores(stack, progress=lambda phase, share: told.append((phase, share)))
    assert told == [("score", number / 4) for number in range(4)]


def test_means_of_texts_count_every_query_the_same():
    short, long = even(3), shifted(7)
    parts = [previous_token_scores(given_stack(one)) for one in (short, long)]
    joined = mean_scores(parts)
    assert joined.counted.tolist() == [[8]]
    assert joined.scores[0, 0] == pytest.approx(((1 / 2 + 1 / 3) + 6) / 8)


def test_scores_of_different_models_are_not_joined():
    one = previous_token_scores(given_stack(even(3)))
    two = previous_token_scores(given_stack(even(3), even(3)))
    for parts in ([one, two], []):
        with pytest.raises(ShapeError, match="not of the same heads"):
            mean_scores(parts)


def test_what_cannot_be_scored_is_said():
    stack = stack_of(recorded(4, 4, causal(4, CPU)))
    scores = induction_scores(stack)
    assert isinstance(scores, HeadScores)
    with pytest.raises(ShapeError, match="Nothing can be scored"):
        _ = scores.best
    with pytest.raises(ShapeError, match="3 queries and 4 keys"):
        target_scores(stack, same_targets([1, 1, 1], [1, 1, 1, 1]))
    cross = given_stack(even(4), name="cross")
    with pytest.raises(ShapeError, match="do not stand among its keys"):
        previous_token_scores(cross)


def test_a_real_language_model_has_both_halves_of_an_induction_circuit():
    model = viz.load_model("smollm2", device="cpu")
    words = torch.randint(1_000, 40_000, (1, 40), generator=torch.Generator().manual_seed(0))
    ids = torch.cat([torch.tensor([[1]]), words, words], dim=1)
    stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
    induction, previous = induction_scores(stack).best, previous_token_scores(stack).best
    assert induction.score > 0.6 > 20 * induction.uniform
    assert previous.score > 0.6 > 5 * previous.uniform
    # The second half builds on the first, so that it stands in a later layer.
    assert induction.layer > previous.layer
