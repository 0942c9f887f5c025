"""Which heads changed most between two texts, or two models of one shape."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

import viz
from tests.compare.texts import TIRED
from viz.compare import changed
from viz.errors import AlignmentError, CancelledError, ShapeError


@pytest.fixture(scope="module")
def longer(demo):
    return viz.capture(demo, "Today the big animal did not cross the street, as it was wide!")


def test_every_head_has_the_numbers_of_its_own_comparison(tired, longer):
    found = changed(tired, longer)
    assert found.divergence.shape == (6, 12)
    assert found.measured == found.of
    for line in found.heads.itertuples():
        alone = viz.compare(tired, longer, layer=line.layer, head=line.head).overall
        for name in ("jensen_shannon", "total_variation", "centre_shift"):
            np.testing.assert_allclose(getattr(line, name), alone[name], atol=1e-7, err_msg=name)
        assert found.divergence[line.layer, line.head] == line.jensen_shannon


def test_heads_are_ranked_the_most_changed_first(tired, wide):
    heads = changed(tired, wide).heads
    assert heads["jensen_shannon"].is_monotonic_decreasing
    assert set(zip(heads["layer"], heads["head"], strict=True)) == set(np.ndindex(6, 12))


def test_a_text_against_itself_changed_no_head(tired):
    found = changed(tired, tired)
    assert not found.divergence.any()


def test_swapped_sides_diverge_as_far_and_shift_back(tired, longer):
    there, back = changed(tired, longer), changed(longer, tired)
    np.testing.assert_allclose(there.divergence, back.divergence, atol=1e-12)
    both = there.heads.merge(back.heads, on=["layer", "head"])
    np.testing.assert_allclose(both["centre_shift_x"], -both["centre_shift_y"], atol=1e-9)


def test_blocks_of_rows_change_no_number(tired, wide, monkeypatch):
    whole = changed(tired, wide).divergence
    monkeypatch.setattr(import_module("viz.compare.head_changes"), "BLOCK_CELLS", 1)
    np.testing.assert_allclose(changed(tired, wide).divergence, whole, atol=1e-7)


def test_too_many_cells_are_measured_at_rows_evenly_spaced_and_it_is_said(tired, wide, monkeypatch):
    monkeypatch.setattr(import_module("viz.compare.head_changes"), "MOST_CELLS", 72 * 16 * 5)
    few = changed(tired, wide)
    assert (few.measured, few.of) == (5, 16)
    alone = viz.compare(tired, wide, layer=3, head=1, rows=5).overall["jensen_shannon"]
    assert few.divergence[3, 1] == pytest.approx(alone, abs=1e-7)
    assert changed(tired, wide, rows=7).measured == 7


def test_a_layer_of_fewer_heads_has_no_number_where_it_has_none(tired):
    def given(seed):
        made = np.random.default_rng(seed)
        stack = viz.load_weights([made.dirichlet(np.ones(4), (heads, 4)) for heads in (3, 1)])
        return replace(tired, text=None, units=stack.queries, stacks={"self": stack})

    found = changed(given(0), given(1))
    np.testing.assert_array_equal(np.isnan(found.divergence), [[0, 0, 0], [0, 1, 1]])
    assert len(found.heads) == 4


def test_other_shapes_are_refused_with_what_can_be_compared(tired):
    loupe = viz.capture(viz.load_model("loupe"), TIRED)
    with pytest.raises(AlignmentError) as refused:
        changed(tired, loupe)
    assert "6 layers of 12 heads" in refused.value.message
    assert "Compare two heads, or all heads against all." in refused.value.hint


def test_a_stack_that_is_not_there_is_named(tired):
    with pytest.raises(ShapeError, match="There is no stack 'cross'"):
        changed(tired, tired, stack="cross")


def test_it_can_be_stopped_after_a_layer(tired, wide):
    shares = []

    def stop(phase, share):
        shares.append((phase, share))
        if len(shares) == 2:
            raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        changed(tired, wide, progress=stop)
    assert shares == [("compare", 1 / 6), ("compare", 2 / 6)]
