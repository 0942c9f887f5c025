"""Signed effects of heads."""

from __future__ import annotations

import numpy as np
import pytest

from viz.figures import effects_figure


@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_symmetric_about_nothing(dark):
    values = np.array([[0.5, -2.0], [np.nan, 0.0]], dtype=np.float32)
    figure = effects_figure(values, "change (logits)", selected=[(0, 1)], dark=dark)
    heat, marks = figure.data
    assert (heat.zmin, heat.zmax) == (-2.0, 2.0)
    colours = dict(heat.colorscale)
    assert colours[0.0] != colours[1.0]
    # What is not known cannot be clicked.
    assert list(zip(marks.y, marks.x, strict=True)) == [(0, 0), (0, 1), (1, 1)]


def test_of_nothing_rounding_stays_pale():
    figure = effects_figure(np.full((2, 2), 1e-9, dtype=np.float32), "change (logits)")
    assert figure.data[0].zmax == pytest.approx(1e-3)
