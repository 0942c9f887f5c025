"""A query's weights over a picture and along a sound."""

from __future__ import annotations

import numpy as np

from viz.figures import grid_of, picture_figure, sound_figure
from viz.models.tokens import numbered_units, patch_units


def test_the_grid_of_patches_is_read_off_their_names():
    assert grid_of(patch_units(3, 5, before=2)) == (2, 3, 5)
    assert grid_of(patch_units(2, 2)) == (0, 2, 2)
    assert grid_of(numbered_units("patch", 4)) is None
    assert grid_of(numbered_units("token", 4)) is None


def test_each_patch_is_lit_by_its_own_weight_and_the_query_is_framed():
    picture = np.zeros((30, 50, 3), np.uint8)
    weights = np.arange(17, dtype=np.float32) / 100
    figure = picture_figure(picture, weights, (2, 3, 5), pinned=9, dark=False)
    light = figure.data[1]
    assert np.array_equal(light.z, weights[2:].reshape(3, 5))
    assert (light.x[0], light.y[0]) == (4.5, 4.5)
    frame = figure.layout.shapes[0]
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (19.5, 29.5, 9.5, 19.5)  # patch 1,2
    assert not picture_figure(picture, weights, (2, 3, 5), pinned=1, dark=True).layout.shapes


def test_weights_stand_at_the_time_of_their_frames():
    times = np.array([0, 0.5, 1.0, 1.5], np.float32)
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    figure = sound_figure(np.ones(8, np.float32), 1.0, weights, times, dark=True)
    assert np.array_equal(figure.data[1].x, times)
    assert figure.layout.xaxis.range == (0, 1.0)
