"""Sounds without the silence that fills them up: axes end with the sound, weights stay what they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.patterns.layers import recorded
from viz.capture.layers.heard_layer import heard, heard_in_all, on_padding
from viz.capture.layers.mask import Spans, full
from viz.capture.layers.recorded_layer import ReportedLayer
from viz.capture.stack import Stack
from viz.capture.verification import UNVERIFIED
from viz.inputs.units import numbered_units
from viz.patterns import overview, row_statistics
from viz.patterns.span_sums import sum_over

CPU = torch.device("cpu")


def frames(count, step=0.1):
    return replace(
        numbered_units("frame", count), labels=tuple(f"{i * step:.2f} s" for i in range(count))
    )


def encoder(count=30, mask=None):
    layer = recorded(count, count, mask or full(count, count, CPU))
    return Stack("encoder", (layer, layer), frames(count), frames(count))


def cross(words=5, count=30):
    layer = recorded(words, count, full(words, count, CPU))
    return Stack("cross", (layer,), numbered_units("token", words), frames(count))


@pytest.mark.parametrize(("seconds", "kept"), [(1.0, 10), (1.01, 11), (0.001, 1), (2.95, 30)])
def test_a_frame_that_begins_before_the_end_is_kept(seconds, kept):
    found = heard({"encoder": encoder()}, seconds)["encoder"]
    assert len(found.queries) == len(found.keys) == kept
    assert found.record(1).shape == (kept, kept)


def test_no_weight_is_changed_and_what_is_missing_lies_on_the_padding():
    whole = cross()
    found = heard({"cross": whole}, 1.2)["cross"]
    for head in range(4):
        kept = found.weights(0, head)
        assert torch.equal(kept, whole.weights(0, head)[:, :12])
        torch.testing.assert_close(
            kept.sum(dim=1) + on_padding(found, 0, head), torch.ones(5), atol=1e-6, rtol=0
        )
        assert on_padding(found, 0, head).min() > 0.1


def test_of_words_that_look_at_a_sound_every_word_stays():
    found = heard({"cross": cross()}, 1.2)["cross"]
    assert (len(found.queries), len(found.keys)) == (5, 12)
    assert found.keys.labels[-1] == "1.10 s"


def test_what_has_no_times_and_what_is_no_longer_than_the_sound_stays_as_it_is():
    layer = recorded(6, 6, full(6, 6, CPU))
    words = Stack("decoder", (layer,), numbered_units("token", 6), numbered_units("token", 6))
    stacks = {"decoder": words, "encoder": encoder()}
    assert heard(stacks, 3.0) == stacks
    assert heard(stacks, 1.0)["decoder"] is words


def test_how_long_the_model_hears_is_known_where_something_was_left_out():
    assert heard_in_all(heard({"cross": cross()}, 1.2)["cross"]) == 3.0
    assert heard_in_all(cross()) is None
    assert not on_padding(cross(), 0, 0).any()


def test_rows_that_look_behind_the_end_alone_have_no_weight_left():
    start = torch.arange(30).clamp(max=20)
    late = Spans(start=start, stop=start + 10)
    found = heard({"encoder": encoder(mask=late)}, 1.5)["encoder"]
    whole = encoder(mask=late)
    assert torch.equal(found.weights(0, 1), whole.weights(0, 1)[:15, :15])
    assert torch.equal(found.attended(0, 1), whole.attended(0, 1)[:15, :15])
    assert torch.equal(found.weights(0, 1, rows=[14]), whole.weights(0, 1)[14:15, :15])


def test_statistics_and_sums_are_those_of_what_is_kept():
    found = heard({"encoder": encoder()}, 1.5)["encoder"]
    weights = torch.stack([found.weights(0, head) for head in range(4)])
    statistics, pictures = overview(found, side=15)
    torch.testing.assert_close(
        torch.tensor(statistics.first[0]), weights[:, :, 0].mean(dim=1), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        torch.tensor(pictures.values[:4]).float(), weights, atol=1e-3, rtol=0
    )
    rows = row_statistics(found.record(0))
    torch.testing.assert_close(rows.mass, weights.sum(dim=-1), atol=1e-6, rtol=0)
    summed = sum_over(found.record(0), 2, None, "keys", range(3, 9))
    torch.testing.assert_close(summed, weights[2, :, 3:9].sum(dim=1), atol=1e-6, rtol=0)


def test_reported_weights_are_cut_alike():
    weights = torch.rand(2, 8, 8).softmax(dim=-1)
    whole = Stack("encoder", (ReportedLayer("a", weights, UNVERIFIED),), frames(8), frames(8))
    found = heard({"encoder": whole}, 0.5)["encoder"]
    assert torch.equal(found.weights(0, 1), weights[1, :5, :5])
    torch.testing.assert_close(on_padding(found, 0, 1), weights[1, :5, 5:].sum(dim=1))
