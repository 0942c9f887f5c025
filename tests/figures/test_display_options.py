"""Ways to show a pattern never change the stored numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viz.figures import Display, apply, pattern_figure
from viz.inputs.units import Units, patch_units


def units(words, special=()):
    count = len(words)
    return Units(
        kind="token",
        labels=tuple(f"t{i}" for i in range(count)),
        texts=("x",) * count,
        ids=tuple(range(count)),
        special=tuple(i in special for i in range(count)),
        spans=((0, 1),) * count,
        words=tuple(None if i in special else word for i, word in enumerate(words)),
        segments=(0,) * count,
    )


PLAIN = units([0, 1, 2, 3])
P = np.array(
    [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.3, 0.5, 0], [0.1, 0.15, 0.5, 0.25]], dtype=np.float32
)


def test_as_usual_nothing_is_changed():
    shown = apply(P, PLAIN, PLAIN, Display())
    assert np.array_equal(shown.values, P)
    assert np.array_equal(shown.raw, P)
    assert shown.notes == ()


def test_words_sum_over_keys_and_average_over_queries():
    shown = apply(P, units([0, 0, 1, 1]), units([0, 0, 1, 1]), Display(words=True))
    np.testing.assert_allclose(shown.raw, [[1.0, 0.0], [0.375, 0.625]], atol=1e-7)
    assert shown.key_labels == ("t0t1", "t2t3")


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.integers(0, 1000))
def test_merging_keeps_the_sum_of_every_row(words, seed):
    pattern = np.random.default_rng(seed).dirichlet(np.ones(len(words)), len(words))
    before = pattern.copy()
    axis = units(sorted(words))
    shown = apply(pattern.astype(np.float32), axis, axis, Display(words=True, top_k=2))
    np.testing.assert_allclose(shown.raw.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(pattern, before)


def test_special_tokens_go_with_their_rows_and_columns():
    axis = units([0, 0, 1, 2], special={0, 3})
    shown = apply(P, axis, axis, Display(hide_special=True))
    np.testing.assert_array_equal(shown.values, P[1:3, 1:3])


def test_without_the_sink_rows_are_renormalised_and_the_stored_weight_stays():
    shown = apply(P, PLAIN, PLAIN, Display(without_sink=True))
    np.testing.assert_array_equal(shown.sink, P[:, 0])
    np.testing.assert_array_equal(shown.raw, P[:, 1:])
    np.testing.assert_array_equal(shown.values[0], [0, 0, 0])
    np.testing.assert_allclose(shown.values[1:].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(shown.values[3], np.array([0.15, 0.5, 0.25]) / 0.9, atol=1e-6)


def test_the_sink_may_be_a_special_token_at_the_end():
    pattern = np.array([[0.1, 0.2, 0.7]] * 3, dtype=np.float32)
    axis = units([0, 1, 2], special={2})
    assert apply(pattern, axis, axis, Display(without_sink=True)).sink_label == "t2"


@pytest.mark.parametrize("without_sink", [False, True])
@pytest.mark.parametrize("hide_special", [False, True])
def test_the_notes_say_once_whether_rows_were_renormalised(without_sink, hide_special):
    axis = units([0, 0, 1, 2], special={0, 3})
    display = Display(without_sink=without_sink, hide_special=hide_special)
    shown = apply(P, axis, axis, display)
    said = "; ".join(shown.notes)
    assert ("special tokens hidden" in said) == hide_special
    assert ("rows renormalised over what is shown" in said) == without_sink
    assert ("not renormalised" in said) == (hide_special and not without_sink)
    sums = shown.values.sum(axis=1)
    assert not without_sink or bool(np.all(np.isclose(sums, 1) | (sums == 0)))


@pytest.mark.parametrize(
    ("display", "kept"),
    [(Display(threshold=0.3), 6), (Display(top_k=1), 5), (Display(top_k=9), 10)],
)
def test_thinning_blanks_and_says_so(display, kept):
    shown = apply(P, PLAIN, PLAIN, display)
    assert np.count_nonzero(shown.values) == kept
    assert np.array_equal(shown.raw, P)
    assert bool(shown.notes) == (kept < 10)


@pytest.mark.parametrize("display", [Display(), Display(scale="log"), Display(without_sink=True)])
@pytest.mark.parametrize("dark", [False, True])
def test_the_figure_draws_rows_downwards_and_names_both_axes(display, dark):
    figure = pattern_figure(apply(P, PLAIN, PLAIN, display), display=display, dark=dark)
    assert figure.layout.yaxis.title.text == "query (attends)"
    assert figure.layout.yaxis.autorange == "reversed"
    pattern_axis = figure.layout.xaxis2 if display.without_sink else figure.layout.xaxis
    assert pattern_axis.title.text == "key (attended to)"
    bar = figure.data[0].colorbar.title.text
    assert bar == ("weight (log)" if display.scale == "log" else "weight")


def test_a_token_with_markup_is_shown_as_it_is():
    evil = units([0, 1])
    evil = Units(**{**evil.to_json(), "labels": ("<script>", "<b>")})
    display = Display()
    figure = pattern_figure(apply(P[:2, :2], evil, evil, display), display=display, dark=False)
    assert figure.data[0].x[0] == "&lt;script&gt; 0"


def test_cells_that_may_not_be_looked_at_are_told_from_zero():
    attended = np.tril(np.ones((4, 4), dtype=bool))
    nothing_on_itself = P * (1 - np.eye(4, dtype=np.float32))
    shown = apply(nothing_on_itself, PLAIN, PLAIN, Display(), attended=attended)
    grey, weights = pattern_figure(shown, display=Display(), dark=True).data
    assert np.array_equal(np.isnan(grey.z), attended)
    assert np.array_equal(np.isnan(weights.z), ~attended)
    assert weights.z[1, 1] == 0
    everywhere = apply(P, PLAIN, PLAIN, Display(), attended=np.ones((4, 4), dtype=bool))
    assert len(pattern_figure(everywhere, display=Display(), dark=True).data) == 1


def test_a_token_that_is_written_from_the_right_stays_on_its_side_of_its_position():
    mixed = dataclasses.replace(PLAIN, labels=("كلب", "dog", "שלום", "."))
    figure = pattern_figure(apply(P, mixed, mixed, Display()), display=Display(), dark=False)
    for names in (figure.data[0].x, figure.data[0].y):
        assert list(names) == ["\u2068كلب\u2069 0", "dog 1", "\u2068שלום\u2069 2", ". 3"]


def test_names_of_patches_have_one_form_and_few_ticks():
    patches = patch_units(16, 16, before=1)
    weights = np.full((257, 257), 1 / 257, np.float32)
    figure = pattern_figure(
        apply(weights, patches, patches, Display()), display=Display(), dark=False
    )
    for names, axis in (
        (figure.data[0].x, figure.layout.xaxis),
        (figure.data[0].y, figure.layout.yaxis),
    ):
        assert list(names[:3]) == ["[CLS]", "0,0", "0,1"]
        assert len(set(names)) == 257
        assert axis.nticks == 12
        assert axis.title.text.endswith("patches as row,column")


def test_names_of_frames_are_their_times_and_words_keep_their_positions():
    frames = dataclasses.replace(PLAIN, labels=("0.00 s", "0.02 s", "0.04 s", "0.06 s"))
    figure = pattern_figure(apply(P, PLAIN, frames, Display()), display=Display(), dark=False)
    assert list(figure.data[0].x) == ["0.00 s", "0.02 s", "0.04 s", "0.06 s"]
    assert list(figure.data[0].y) == ["t0 0", "t1 1", "t2 2", "t3 3"]
    assert figure.layout.xaxis.title.text == "key (attended to)"


def test_many_labels_are_small_so_that_they_never_touch():
    many = units(range(24))
    weights = np.full((24, 24), 1 / 24, np.float32)
    figure = pattern_figure(apply(weights, many, many, Display()), display=Display(), dark=False)
    assert figure.layout.xaxis.tickfont.size == 10
    few = pattern_figure(apply(P, PLAIN, PLAIN, Display()), display=Display(), dark=False)
    assert few.layout.xaxis.tickfont.size is None
