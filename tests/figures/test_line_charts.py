"""Charts of growth and pictures of matrices say what their axes and colours are."""

from __future__ import annotations

import numpy as np
import pytest

from viz.figures import Curve, growth_figure, matrix_figure


def test_axes_of_growth_say_that_they_are_logarithmic_and_have_a_unit():
    curves = {"one": Curve("one", [16, 32], [5e-5, 2e-4])}
    figure = growth_figure(curves, name="time", unit="s", dark=False)
    assert figure.layout.xaxis.title.text == "tokens (log scale)"
    assert figure.layout.yaxis.title.text == "time (log scale)"
    ticks = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    assert ticks[5 * 10.0**-5] == "50 µs"
    assert ticks[10.0**-3] == "1 ms"
    assert list(figure.data[0].customdata) == ["50 µs", "200 µs"]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_every_cell_of_a_matrix_has_its_names_and_its_own_number(scale):
    values = np.array([[0.0, 1.0], [0.01, 0.99]])
    figure = matrix_figure(
        values, ["a", "a"], ["<b>", "c"], kind="weights", largest=1.0, dark=False, scale=scale
    )
    drawn = figure.data[0]
    assert list(drawn.x) == ["&lt;b&gt; (0)", "c (1)"]
    assert list(drawn.y) == ["a (0)", "a (1)"]
    assert np.array_equal(drawn.z if scale == "linear" else drawn.customdata, values)
    if scale == "log":
        assert np.allclose(drawn.z[1], [-2, np.log10(0.99)])
        assert (drawn.zmin, drawn.zmax, drawn.colorbar.title.text) == (-4, 0, "log scale")
