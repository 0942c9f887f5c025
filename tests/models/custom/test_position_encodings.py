"""Positions, by hand and by what they are for."""

from __future__ import annotations

import math

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from tests.models.custom.weights import TOLERANCE, noise
from viz.errors import ShapeError
from viz.models.custom.position_encodings import (
    LearnedPositions,
    SinusoidalPositions,
    alibi_bias,
    alibi_slopes,
    rotate,
    sinusoids,
)


def test_sinusoids_are_those_of_the_paper():
    table = sinusoids(50, 12)
    for place in (0, 1, 7, 49):
        for pair in range(6):
            angle = place / 10_000 ** (2 * pair / 12)
            assert float(table[place, 2 * pair]) == pytest.approx(math.sin(angle), abs=1e-6)
            assert float(table[place, 2 * pair + 1]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_sinusoids_of_an_odd_width_end_with_a_sine():
    assert torch.equal(
        sinusoids(9, 5), torch.cat([sinusoids(9, 5)[:, :4], sinusoids(9, 5)[:, 4:]], 1)
    )
    assert sinusoids(9, 5).shape == (9, 5)
    assert float(sinusoids(9, 5)[3, 4]) == pytest.approx(math.sin(3 / 10_000 ** (4 / 5)), abs=1e-6)


def test_rotary_positions_are_those_of_llama():
    heads = noise(2, 3, 11, 8)
    speeds = 10_000 ** (-torch.arange(0, 8, 2, dtype=torch.float64) / 8)
    angles = torch.outer(torch.arange(11, dtype=torch.float64), speeds).repeat(1, 2)[None]
    expected, _ = apply_rotary_pos_emb(heads, heads, angles.cos(), angles.sin())
    torch.testing.assert_close(rotate(heads), expected, **TOLERANCE)


def test_a_turned_vector_keeps_its_length():
    heads = noise(2, 40, 6)
    torch.testing.assert_close(rotate(heads).norm(dim=-1), heads.norm(dim=-1))
    assert torch.equal(rotate(heads)[:, 0], heads[:, 0])


def test_rotary_positions_of_far_places_keep_their_fraction():
    far = rotate(torch.ones(1, 100_001, 2))[0, -1]
    assert float(far[0]) == pytest.approx(math.cos(100_000) - math.sin(100_000), abs=1e-6)


@pytest.mark.parametrize("heads", [1, 2, 4, 6, 8, 12, 16])
def test_alibi_slopes_are_those_of_bloom(heads):
    bias = build_alibi_tensor(torch.ones(1, 5), heads, torch.float32)
    torch.testing.assert_close(alibi_slopes(heads), bias[:, 0, 1])


def test_alibi_falls_off_with_distance():
    bias = alibi_bias(2, 3, 4)
    near, far = 2**-4, 2**-8
    assert bias[0].tolist() == [
        [0, -near, -2 * near, -3 * near],
        [-near, 0, -near, -2 * near],
        [-2 * near, -near, 0, -near],
    ]
    assert torch.equal(bias[1], bias[0] * far / near)


def test_positions_are_added_to_embeddings():
    x = torch.randn(2, 7, 6)
    torch.testing.assert_close(SinusoidalPositions()(x) - x, sinusoids(7, 6).expand(2, 7, 6))
    learned = LearnedPositions(9, 6)
    torch.testing.assert_close(learned(x) - x, learned.table.weight[:7].expand(2, 7, 6))


def test_learned_positions_end_where_their_table_does():
    with pytest.raises(
        ShapeError, match=r"There are 10 tokens, and positions were learned for 9\."
    ):
        LearnedPositions(9, 6)(torch.randn(1, 10, 6))
