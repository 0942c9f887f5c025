"""What a browser gets of effects from the tile routes, over real HTTP."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.service.tile_browser import (
    OTHER,
    TEXT,
    get,
    numbers,
)
from viz.effects import Target
from viz.service import Analysis, Request


@pytest.fixture(scope="module")
def spoken(bench) -> Analysis:
    """Of a model that predicts."""
    return bench.analyse("me", Request("loupe", TEXT), lambda *_: None)


@pytest.fixture(scope="module")
def effects(bench, spoken):
    """Effects of the last prediction, and where parts of a head's are."""
    target = Target()
    found = bench.effects("me", spoken.request, target, lambda *_: None)
    name = bench.effects_name("me", spoken.request, target)
    return found, lambda kind: f"/loupe/{spoken.token}/self/effects/{name}/{kind}/2/3"


@pytest.mark.parametrize("kind", ["weight_gradient", "gradient", "positive", "value_norm", "share"])
def test_a_tile_of_effects_is_shares_of_the_largest(client, effects, kind):
    found, at = effects
    answer = get(client, f"{at(kind)}/tile/max/0/0/0")
    assert answer.status_code == 200
    shape = int(answer.headers["X-Rows"]), int(answer.headers["X-Columns"])
    got = numbers(answer, "<f2").reshape(shape).astype(np.float32)
    stack = found.trace.stacks["self"]
    whole = found.weights(kind, 2, 3).numpy()
    attended = stack.attended(2, 3).numpy()
    largest = np.abs(whole[attended]).max()
    rows, columns = shape
    np.testing.assert_array_equal(np.isnan(got), ~attended[:rows, :columns])
    shares = np.where(attended, whole, 0)[:rows, :columns] / largest
    np.testing.assert_allclose(np.nan_to_num(got), shares, atol=1e-3)
    assert np.nanmax(np.abs(got)) == pytest.approx(np.abs(shares).max(), abs=1e-3)


def test_effects_are_for_the_browser_that_has_their_page_open(client, bench, spoken, effects):
    _, at = effects
    path = f"{at('weight_gradient')}/tile/max/0/0/0"
    assert get(lambda: client(OTHER), path).status_code == 404
    # Nor are those of another text to be had by the name of this one's result.
    other = bench.analyse("me", Request("demo", "Another text."), lambda *_: None)
    assert get(client, path.replace(spoken.token, other.token)).status_code == 410
    assert get(client, path.replace("/effects/", "/effects/0")).status_code == 410
    refused = get(client, f"{at('importance')}/tile/max/0/0/0")
    assert refused.status_code == 404
    assert "no kind of weights" in refused.json()["error"]
    assert get(client, f"{at('gradient')}/tile/max/5/0/0").status_code == 404


def test_what_a_weight_does_and_which_do_most(client, effects):
    found, at = effects
    base = at("weight_gradient")
    whole = found.weights("weight_gradient", 2, 3)
    told = get(client, f"{base}/weight/40/12").json()["weight"]
    assert told == pytest.approx(float(whole[40, 12]), rel=1e-5)
    assert get(client, f"{base}/weight/12/40").json()["weight"] is None
    listed = get(client, f"{base}/edges").json()
    values, queries, keys = (torch.tensor(listed[name]) for name in ("weights", "queries", "keys"))
    torch.testing.assert_close(values, whole[queries, keys])
    assert float(values[0].abs()) == pytest.approx(float(whole.abs().max()))
    assert bool((values.abs().diff() <= 1e-9).all())
    summed = numbers(get(client, f"{base}/sums/queries/10/20"), "<f4")
    np.testing.assert_allclose(summed, whole[10:20].sum(dim=0).numpy(), atol=1e-6)
    summed = numbers(get(client, f"{base}/sums/keys/0/5"), "<f4")
    np.testing.assert_allclose(summed, whole[:, :5].sum(dim=1).numpy(), atol=1e-6)
