"""Frames that are named by their time, and units that only look like frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from viz.inputs.frame_times import frame_seconds, times_of
from viz.inputs.modalities import _seconds
from viz.inputs.prepared import Prepared
from viz.inputs.units import numbered_units


def prepared(inputs, seconds):
    units = numbered_units("position", 0)
    return Prepared(inputs, units, None, None, (), other="frame", seconds=seconds)


@pytest.mark.parametrize(
    ("steps", "count"), [(3000, 1500), (3000, 3000), (701, 351), (1001, 125), (584, 146)]
)
def test_frames_that_convolutions_made_of_the_steps_are_named_by_their_time(steps, count):
    units = prepared({"input_features": torch.zeros(1, 80, steps)}, steps / 100).unnamed(count)
    times = times_of(units)
    assert times[0] == 0
    assert frame_seconds(times) == pytest.approx(steps / 100 / count, rel=1e-3)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((1, 1024, 128), 1214),
        ((1, 1024, 128), 514),
        ((1, 1, 1001, 64), 4096),
        ((1, 1, 1001, 64), 64),
    ],
)
def test_pieces_of_a_spectrogram_have_no_time(shape, count):
    units = prepared({"input_features": torch.zeros(shape)}, 10.24).unnamed(count)
    assert times_of(units) is None
    assert (units.kind, units.labels[1]) == ("position", "position 1")


def test_frames_of_samples_are_named_by_their_time():
    units = prepared({"input_values": torch.zeros(1, 16_000)}, 1.0).unnamed(49)
    assert units.labels[:2] == ("0.00 s", "0.02 s")


class Extractor:
    sampling_rate, hop_length, feature_size = 16_000, 160, 80


@pytest.mark.parametrize("shape", [(1, 80, 3000), (1, 3000, 80)])
def test_a_spectrogram_lasts_as_long_as_its_steps(shape):
    assert _seconds(Extractor(), {"input_features": torch.zeros(shape)}) == 30.0


def test_a_spectrogram_with_fewer_steps_than_bands_is_short():
    assert _seconds(Extractor(), {"input_features": torch.zeros(1, 50, 80)}) == 0.5
    assert _seconds(Extractor(), {"input_features": torch.zeros(1, 80, 80)}) == 0.8


def test_times_are_read_off_the_names_of_frames():
    frames = replace(numbered_units("frame", 3), labels=("0.00 s", "0.02 s", "10.04 s"))
    np.testing.assert_allclose(times_of(frames), [0, 0.02, 10.04], rtol=1e-6)
    assert times_of(numbered_units("frame", 3)) is None
    assert times_of(numbered_units("frame", 0)) is None
    assert times_of(replace(frames, labels=("it", "is", "10.04 s"))) is None
