"""Whole and sparse weights give the same answers."""

import pytest
import torch

from viz.capture.replay.weight_matrices import apart, is_identity, least, moved, row_sums


def weights(queries=6, keys=6, heads=2):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(heads, queries, keys, generator=generator)
    near = (torch.arange(queries)[:, None] - torch.arange(keys)).abs() <= 1
    return scores.masked_fill(~near, -torch.inf).softmax(-1).nan_to_num()


def both(whole):
    return whole, whole.to_sparse().coalesce()


@pytest.mark.parametrize("one", both(weights(6, 5)))
def test_sums_and_the_least(one):
    whole = weights(6, 5)
    torch.testing.assert_close(row_sums(one), whole.sum(-1))
    numbers = whole if not one.is_sparse else whole[whole > 0]
    assert least(one) == float(numbers.min())


@pytest.mark.parametrize("keys", [4, 6, 9])
def test_looking_at_oneself_alone(keys):
    alone = torch.eye(6, keys).expand(2, 6, keys).clone()
    assert [is_identity(one) for one in both(alone)] == [True, True]
    alone[1, 3, 0] = 0.5
    assert [is_identity(one) for one in both(alone)] == [False, False]


def test_how_far_a_product_is_from_an_output():
    whole = weights()
    values = torch.randn(6, 2 * 3, generator=torch.Generator().manual_seed(1))
    output = torch.cat([whole[h] @ values[:, 3 * h : 3 * h + 3] for h in range(2)], dim=1)
    output[4, 5] += 0.25
    expected = torch.tensor([0, 0, 0, 0, 0.25, 0])
    for one in both(whole):
        torch.testing.assert_close(apart(one, values, output), expected, atol=1e-6, rtol=0)


PLACES = {
    "turned": ([5, 4, 3, 2, 1, 0], [5, 4, 3, 2, 1, 0]),
    "without padding": ([0, 1, 2, 3, -1, -1], [0, 1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize("name", PLACES)
def test_rows_and_columns_are_laid_out_anew(name):
    down, across = (torch.tensor(one) for one in PLACES[name])
    whole = weights()
    expected = torch.zeros(2, int(down.max()) + 1, int(across.max()) + 1)
    for query, row in enumerate(down.tolist()):
        for key, column in enumerate(across.tolist()):
            if row >= 0:
                expected[:, row, column] = whole[:, query, key]
    for one in both(whole):
        found = moved(one, down, across)
        assert torch.equal(found.to_dense() if found.is_sparse else found, expected)


@pytest.mark.parametrize(
    ("down", "across"),
    [
        ([0, 1, 2, 2, 3, 4], [0, 1, 2, 3, 4, 5]),  # two rows at one place
        ([0, 1, 2, 4, 5, 6], [0, 1, 2, 3, 4, 5]),  # nobody at 3
        ([0, 1, 2, 3, 4, 5], [0, 1, 2, -1, 3, 4]),  # a column that is looked at left out
    ],
)
def test_what_would_lose_weights_is_refused(down, across):
    for one in both(weights()):
        assert moved(one, torch.tensor(down), torch.tensor(across)) is None
