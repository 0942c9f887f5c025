"""A query's weights over a picture and along a sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from viz.figures import (
    patch_at,
    picture_figure,
    sound_figure,
    usual_query,
)
from viz.inputs.units import Grid, numbered_units, patch_grid, patch_units


def test_the_grid_of_patches_is_read_off_their_names():
    assert patch_grid(patch_units(3, 5, before=2)) == Grid(2, 3, 5)
    assert patch_grid(patch_units(2, 2)) == (0, 2, 2)
    assert patch_grid(numbered_units("patch", 4)) is None
    assert patch_grid(numbered_units("token", 4)) is None


@pytest.mark.parametrize(
    ("x", "y", "label"),
    [
        (-0.5, -0.5, "0,0"),
        (9.4, 0, "0,0"),
        (9.6, 0, "0,1"),
        (24.5, 14.5, "1,2"),
        (49.5, 29.5, "2,4"),  # the far corner belongs to the last patch
        (-7, 99, "2,0"),
    ],
)
def test_a_point_belongs_to_the_patch_that_covers_it(x, y, label):
    units = patch_units(3, 5, before=2)
    assert units.labels[patch_at(x, y, (30, 50), Grid(2, 3, 5))] == label


def test_every_marker_of_the_picture_leads_to_its_own_patch():
    figure = picture_figure(
        np.zeros((31, 47, 3), np.uint8),
        np.ones(17, np.float32),
        Grid(2, 3, 5),
        pinned=None,
        dark=True,
    )
    points = zip(figure.data[2].x, figure.data[2].y, strict=True)
    assert [patch_at(x, y, (31, 47), Grid(2, 3, 5)) for x, y in points] == list(range(2, 17))


@pytest.mark.parametrize(("seconds", "query"), [(1.0, 5), (2.0, 10), (90.0, 10), (None, 10)])
def test_a_sound_opens_in_the_middle_of_what_is_heard(seconds, query):
    frames = replace(
        numbered_units("frame", 20), labels=tuple(f"{i / 10:.2f} s" for i in range(20))
    )
    assert usual_query(frames, seconds) == query


def test_a_picture_opens_on_its_class_token_or_in_its_middle():
    assert usual_query(patch_units(2, 2, before=1)) == 0
    assert usual_query(patch_units(2, 2)) == 2


def test_each_patch_is_lit_by_its_own_weight_and_the_query_is_framed():
    picture = np.zeros((30, 50, 3), np.uint8)
    weights = np.arange(17, dtype=np.float32) / 100
    figure = picture_figure(picture, weights, Grid(2, 3, 5), pinned=9, dark=False)
    light = figure.data[1]
    assert np.array_equal(light.z, weights[2:].reshape(3, 5))
    assert (light.x[0], light.y[0]) == (4.5, 4.5)
    frame = figure.layout.shapes[0]
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (19.5, 29.5, 9.5, 19.5)  # patch 1,2
    assert not picture_figure(picture, weights, Grid(2, 3, 5), pinned=1, dark=True).layout.shapes


def test_weights_stand_at_the_time_of_their_frames():
    times = np.array([0, 0.5, 1.0, 1.5], np.float32)
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    figure = sound_figure(np.ones(8, np.float32), 1.0, weights, times, dark=True)
    assert np.array_equal(figure.data[1].x, times)
    assert figure.layout.xaxis.range == (0, 1.0)
