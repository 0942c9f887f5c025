"""How far an order of heads can be trusted, against variants that are run one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import viz
from tests.effects.test_knock_out import silenced
from tests.effects.test_weight_gradients import CAUSAL, IDS, built
from viz.effects import Target, order_curves, permuted_heads
from viz.errors import CancelledError, InputError

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2


@pytest.fixture(scope="module")
def found():
    return viz.effects(viz.wrap_model(built(CAUSAL["grouped queries"])), {"input_ids": IDS}, TARGET)


@pytest.fixture(scope="module")
def curves(found):
    return order_curves(found, steps=7, orders=5)


def of(curves, method, kind, order=0):
    frame = curves.curves
    chosen = (frame["method"] == method) & (frame["kind"] == kind) & (frame["order"] == order)
    return frame[chosen].set_index("share")["value"]


def test_a_curve_is_the_prediction_without_the_first_heads(found, curves):
    # Those that the estimate of silencing this position alone puts first, by plain hooks.
    estimates = found.gradients.first_order(rows=[AT])
    order = sorted(
        ((layer, head) for layer in range(2) for head in range(4)), key=lambda at: estimates[at]
    )
    first, rest = order[:3], order[3:]
    module, inputs = found.captured.model.module, {"input_ids": IDS}
    for kind, silent in (("deletion", first), ("insertion", rest)):
        said = silenced(module, inputs, found.objective, silent, [AT])
        assert of(curves, "first_order", kind)[3 / 8] == pytest.approx(said, abs=1e-4)


def test_every_curve_leads_from_all_heads_to_none_or_back(found, curves):
    names = curves.curves[["method", "order"]].drop_duplicates().itertuples(index=False)
    ends = set()
    for method, order in names:
        lost, won = (of(curves, method, kind, order) for kind in ("deletion", "insertion"))
        assert lost[0.0] == pytest.approx(found.value, abs=1e-4)
        assert won[1.0] == pytest.approx(found.value, abs=1e-4)
        ends |= {round(float(lost[1.0]), 3), round(float(won[0.0]), 3)}
    assert len(ends) == 1


def test_areas_are_means_along_the_curves(curves):
    areas = curves.areas.set_index(["method", "kind"])
    lost = of(curves, "at_position", "deletion")
    assert areas.loc[("at_position", "deletion"), "area"] == pytest.approx(
        np.trapezoid(lost.to_numpy(), lost.index.to_numpy())
    )
    drawn = [
        np.trapezoid(one.to_numpy(), one.index.to_numpy())
        for one in (of(curves, "random", "deletion", order) for order in range(5))
    ]
    row = areas.loc[("at_position", "deletion")]
    assert row["random"] == pytest.approx(np.mean(drawn))
    assert row["spread"] == pytest.approx(np.std(drawn, ddof=1))
    # What is known exactly of each head loses the prediction sooner than chance.
    assert row["area"] < row["random"]


def test_a_seed_gives_the_same_orders(found):
    first, again = (order_curves(found, steps=3, orders=2, seed=4).curves for _ in range(2))
    assert first.equals(again)


def test_where_every_head_was_not_silenced_nothing_is_tried():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    found = viz.effects(model, {"input_ids": IDS}, TARGET, every_head=False)
    assert found.at_position is None
    with pytest.raises(InputError, match="silenced on its own first"):
        order_curves(found)
    assert order_curves(found.with_every_head(), steps=1, orders=2).areas.notna().all(axis=None)


def test_another_heads_row_is_put_in_the_place_of_ones_own(found):
    frame = permuted_heads(found).set_index(["layer", "head"])
    heads = [(layer, head) for layer in range(2) for head in range(4)]
    rows = {one: found.weights("weight", *one, [AT])[0] for one in heads}
    for one in heads:
        gradient = found.weights("gradient", *one, [AT])[0]
        mine = float(rows[one] @ gradient)
        others = torch.tensor([float(rows[two] @ gradient) for two in heads if two != one])
        row = frame.loc[one]
        assert row["own"] == pytest.approx(mine, abs=1e-5)
        assert row["others"] == pytest.approx(float(others.mean()), abs=1e-5)
        assert row["spread"] == pytest.approx(float(others.std(correction=0)), abs=1e-5)
        assert row["larger"] == pytest.approx(float((others.abs() >= abs(mine)).float().mean()))


def test_rows_that_are_put_elsewhere_are_counted_and_can_be_stopped(found):
    told = []
    permuted_heads(found, progress=lambda done, of: told.append((done, of)))
    assert told == [(done, 8) for done in range(1, 9)]

    def stop(done, of):
        raise CancelledError("Stopped.", "")

    with pytest.raises(CancelledError):
        permuted_heads(found, progress=stop)
