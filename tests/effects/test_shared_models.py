"""One model that several people ask at once, and that others have captured since."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import viz
from tests.effects.test_weight_gradients import CAUSAL, IDS, built
from viz.effects import Head, Mlp, Target, logit_lens

TARGET = Target(position=-2, token=7, against=31)


def numbers(found):
    """What all methods say, in one list."""
    direct = found.direct.heads().flatten().tolist()
    mlps = found.knock_out(heads=[Mlp(0), Mlp(1), Head(1, 2)]).without
    tokens = found.tokens("attn_lrp")["effect"].tolist()
    return [*found.at_position.without, *direct, *mlps, *tokens]


def test_effects_of_two_texts_at_once_are_those_of_each_alone():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    texts = [{"input_ids": IDS}, {"input_ids": IDS.flip(1)[:, :9]}]
    alone = [numbers(viz.effects(model, one, TARGET)) for one in texts]

    def again(number):
        inputs = texts[number % 2]
        if number % 3 == 0:
            logit_lens(model, inputs)
        return numbers(viz.effects(model, inputs, TARGET))

    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(pool.map(again, range(12))):
            torch.testing.assert_close(
                torch.tensor(found), torch.tensor(alone[number % 2]), atol=1e-5, rtol=1e-4
            )
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.module.modules())


def test_what_was_captured_since_plays_no_part():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    found = viz.effects(model, {"input_ids": IDS}, TARGET)
    before = found.knock_out(heads=[(0, 1)]).without[0]
    # As a capture leaves it whose weights no kernel showed.
    model.plan = dataclasses.replace(model.plan, asked=True, registry=False)
    assert found.knock_out(heads=[(0, 1)]).without[0] == pytest.approx(before, abs=1e-6)
