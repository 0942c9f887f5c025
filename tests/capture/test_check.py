"""A model is compared with itself."""

from __future__ import annotations

import pytest
import torch

import viz
from tests.capture.architectures import build, token_ids
from tests.capture.test_stacks import built
from viz.cli import main


@pytest.mark.parametrize("name", ["bart", "clip", "swin"])
def test_every_layer_is_compared(name):
    module, inputs, _ = built(name)
    checked = viz.check(viz.wrap_model(module), inputs)
    assert checked.layers["difference"].notna().all()
    assert checked.largest < 1e-5
    assert checked.output_difference < 1e-5


def test_a_difference_is_found_and_the_model_captures_as_before():
    module = build("llama")
    model = viz.wrap_model(module)
    inputs = {"input_ids": token_ids(9)}
    honest = module.model.layers[1].self_attn.q_proj.forward
    state = {"calls": 0}

    def wavering(x):
        state["calls"] += 1
        return honest(x) * (1 if state["calls"] % 2 else 1.5)

    before = viz.capture(model, inputs).stacks["self"].weights(1, 0)
    module.model.layers[1].self_attn.q_proj.forward = wavering
    checked = viz.check(model, inputs)
    assert checked.largest > 1e-2
    module.model.layers[1].self_attn.q_proj.forward = honest
    assert torch.equal(viz.capture(model, inputs).stacks["self"].weights(1, 0), before)


def test_the_command_prints_every_layer(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check", "demo"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.count("registry") == 6
    assert printed.rstrip().endswith("exact")


def test_a_module_without_an_eager_way_is_said():
    model = viz.wrap_model(torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True))
    with pytest.raises(viz.LoupeError, match="no eager attention"):
        viz.check(model, {"src": torch.randn(1, 5, 32)})
