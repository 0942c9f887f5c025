"""The steps of every attention within a model."""

from __future__ import annotations

import torch

import viz
from tests.models.custom.models import inputs, kinds
from tests.models.custom.weights import noise
from viz.models.custom import Attention, build_model
from viz.models.custom.recorded_steps import steps_within


def test_every_attention_of_a_model_shows_its_steps():
    name = "LoupeForConditionalGeneration"
    module = build_model(kinds()[name], seed=0).eval()
    found = steps_within(module, **inputs(name))
    stem = "transformer"
    assert list(found) == [
        f"{stem}.encoder.blocks.0.attention",
        f"{stem}.encoder.blocks.1.attention",
        f"{stem}.decoder.blocks.0.attention",
        f"{stem}.decoder.blocks.0.cross_attention",
        f"{stem}.decoder.blocks.1.attention",
        f"{stem}.decoder.blocks.1.cross_attention",
    ]
    trace = viz.capture(viz.wrap_model(module), inputs(name), item=1)
    for stack in trace.stacks.values():
        for layer, record in enumerate(stack.records):
            weights = found[record.name].weights[1, 2]
            torch.testing.assert_close(stack.weights(layer, 2), weights, atol=1e-6, rtol=0)


def test_only_those_that_are_wanted_are_computed_and_nothing_is_left_behind():
    name = "LoupeForCausalLM"
    module = build_model(kinds()[name], seed=0)
    wanted = "transformer.decoder.blocks.1.attention"
    assert list(steps_within(module, **inputs(name), names=[wanted])) == [wanted]
    assert not module.get_submodule(wanted)._forward_pre_hooks
    assert module.training


def test_an_attention_that_stands_alone_has_steps_too():
    module = Attention(8, 2).double().eval()
    x = noise(1, 5, 8)
    (found,) = steps_within(module, x).values()
    assert torch.equal(found.output, module.steps(x).output)
    assert not found.output.requires_grad
