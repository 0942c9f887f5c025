"""One number a head, with the selected heads outlined."""

from __future__ import annotations

import numpy as np

from viz.figures import OKABE_ITO, statistic_figure


def test_selected_heads_are_outlined_in_the_colours_of_their_lines_the_first_on_top():
    values = np.ones((3, 4), dtype=np.float32)
    figure = statistic_figure(values, "entropy", selected=[(2, 1), (0, 3)], dark=False)
    colours = {(s.y0 + 0.5, s.x0 + 0.5): s.line.color for s in figure.layout.shapes}
    assert colours == {(2, 1): OKABE_ITO[0], (0, 3): OKABE_ITO[1]}
    assert (figure.layout.shapes[-1].y0, figure.layout.shapes[-1].x0) == (1.5, 0.5)
