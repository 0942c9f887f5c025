"""Traces as files."""

from __future__ import annotations

import pytest
import torch

import viz
from tests.capture.architectures import build, token_ids


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
