"""Traces as files."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import viz
from tests.capture.architectures import build, token_ids
from viz.capture.layers.heard_layer import heard, on_padding


@pytest.mark.parametrize("name", ["bert", "mistral", "gpt_oss"])
def test_a_saved_trace_answers_as_the_one_it_was(name, tmp_path):
    trace = viz.capture(viz.wrap_model(build(name)), {"input_ids": token_ids(24)})
    path = tmp_path / "run.safetensors"
    trace.save(path)
    again = viz.load_trace(path)
    assert again.key == trace.key
    assert again.units == trace.units
    assert again.model == trace.model
    assert torch.equal(again.output, trace.output)
    for layer in range(3):
        stack, other = trace.stacks["self"], again.stacks["self"]
        assert torch.equal(stack.weights(layer, 1), other.weights(layer, 1))
        assert stack.provenance(layer) == other.provenance(layer)


def test_files_that_are_no_traces_are_named(tmp_path):
    with pytest.raises(viz.LoupeError, match="could not be read"):
        viz.load_trace(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("not a trace")
    with pytest.raises(viz.LoupeError, match="could not be read"):
        viz.load_trace(tmp_path / "text.safetensors")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    trace = viz.capture(viz.wrap_model(build("bert")), {"input_ids": token_ids(4)})
    with pytest.raises(viz.LoupeError, match="could not be written"):
        trace.save(tmp_path / "missing" / "run.safetensors")


def test_a_sound_that_was_cut_to_its_length_is_kept_as_it_is_shown(tmp_path):
    trace = viz.capture(viz.wrap_model(build("bert")), {"input_ids": token_ids(24)})
    times = replace(trace.units, labels=tuple(f"{number / 10:.2f} s" for number in range(24)))
    timed = {name: replace(one, queries=times, keys=times) for name, one in trace.stacks.items()}
    cut = replace(trace, stacks=heard(timed, 1.2))
    assert cut.stacks["self"].record(0).shape == (12, 12)
    cut.save(tmp_path / "sound.safetensors")
    again = viz.load_trace(tmp_path / "sound.safetensors")
    stack, other = cut.stacks["self"], again.stacks["self"]
    assert torch.equal(stack.weights(1, 2), other.weights(1, 2))
    assert torch.equal(on_padding(stack, 1, 2), on_padding(other, 1, 2))
    assert other.queries == stack.queries
