"""The entropy of rows is found from their scores, and by the logarithms of their weights where there are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from viz.attention_formula import weights_of
from viz.survey.sums.row_scores import entropy_of_scores, entropy_of_weights


def written_out(scores, sinks):
    """Entropy in float64, the long way."""
    scores = scores.double()
    column = torch.full((*scores.shape[:2], 1), -torch.inf, dtype=torch.float64)
    if sinks is not None:
        column = sinks.double().view(-1, 1, 1).expand(*scores.shape[:2], 1)
    weights = torch.softmax(torch.cat([scores, column], dim=-1), dim=-1)[..., :-1].nan_to_num(0.0)
    return torch.special.entr(weights).sum(dim=-1)


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("sinks", [None, -5.0, 3.0, 200.0])
def test_the_entropy_of_scores_is_that_of_their_weights(size, sinks):
    draws = torch.Generator().manual_seed(int(size))
    scores = torch.randn(3, 7, 50, generator=draws) * size - 20 * size
    scores[:, 2, 10:] = -torch.inf
    scores[1, 4] = -torch.inf  # may look at nothing
    scores[0, 5, :-1] = -torch.inf  # may look at one key
    logits = None if sinks is None else torch.tensor([sinks, sinks - 20 * size, -20 * size])
    weights = weights_of(scores, sinks=logits)
    expected = written_out(scores, logits)
    found = entropy_of_scores(scores.clone(), weights, weights.sum(dim=-1))
    assert torch.isfinite(found).all()
    # Where a sink takes nearly all, what is left of a row's weight has no more digits than its logarithm.
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(entropy_of_weights(weights), expected, rtol=2e-5, atol=2e-6)
