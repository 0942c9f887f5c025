"""How far an order of heads can be trusted, against variants that are run one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from viz.effects import Head, Target, order_curves, permuted_heads
from viz.effects.knock_out import head_edit
from viz.effects.variants import predicted_without
from viz.errors import InputError

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
    heads = found.heads.sort_values("first_order", kind="stable")
    first = [Head(int(one.layer), int(one.head)) for one in heads.head(3).itertuples()]
    edits = [head_edit(found.trace, one) for one in first]
    (alone,) = predicted_without(found.captured, [edits], rows=[AT])
    assert of(curves, "first_order", "deletion")[3 / 8] == pytest.approx(alone, abs=1e-4)
    others = [Head(layer, head) for layer in range(2) for head in range(4)]
    rest = [head_edit(found.trace, one) for one in others if one not in first]
    (only,) = predicted_without(found.captured, [rest], rows=[AT])
    assert of(curves, "first_order", "insertion")[3 / 8] == pytest.approx(only, abs=1e-4)


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


def test_where_heads_cannot_be_silenced_one_by_one_nothing_is_tried():
    module = built(ENCODER_DECODER["relative bias"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    found = viz.effects(viz.wrap_model(module), inputs)
    with pytest.raises(InputError, match="silenced on its own first"):
        order_curves(found)


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
