"""Masks that a model decides by what it reads: they move once something before them is changed."""

from __future__ import annotations

import pytest
import transformers as hf

import viz
from tests.effects.test_knock_out import silenced
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, GROUPED, IDS, built
from viz.effects import Edges, Target
from viz.effects.captured_pass import captured_pass
from viz.effects.content_masks import masks_follow_content
from viz.errors import CaptureError

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2


@pytest.fixture(scope="module")
def doge():
    # Keeps 6 keys of each row, chosen by the values.
    module = built(hf.DogeConfig(**GROUPED, head_dim=8, keep_window_size=6))
    return viz.effects(viz.wrap_model(module), {"input_ids": IDS}, TARGET)


def test_heads_are_silenced_as_by_a_plain_hook(doge):
    assert masks_follow_content(doge.captured)
    module = doge.captured.model.module
    for one, without in zip(doge.at_position.heads, doge.at_position.without, strict=True):
        said = silenced(module, {"input_ids": IDS}, doge.objective, [(one.layer, one.head)], [AT])
        assert without == pytest.approx(said, abs=1e-5)


def test_weights_of_one_layer_are_cut_and_of_several_refused(doge):
    keys = list(range(8))
    one = doge.knock_out(edges=[Edges(columns=keys, layers=[0])])
    assert one.without[0] != pytest.approx(doge.value, abs=1e-4)
    with pytest.raises(CaptureError, match="decides by what it reads"):
        doge.knock_out(edges=[Edges(columns=keys)])


def test_rules_biases_and_sinks_stay_where_they_are():
    for name in CAUSAL:
        model = viz.wrap_model(built(CAUSAL[name]))
        assert not masks_follow_content(captured_pass(model, {"input_ids": IDS}, TARGET))
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    model = viz.wrap_model(built(ENCODER_DECODER["relative bias"]))
    assert not masks_follow_content(captured_pass(model, inputs))
