"""What a shell prints of our objects: their size in one line, never their numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import build, token_ids
from tests.capture.test_local import LONGT5
from tests.capture.test_stack_building import IDS, PAIR, built


def test_a_trace_says_its_stacks_and_its_model():
    model = viz.wrap_model(build("llama"), name="small")
    trace = viz.capture(model, {"input_ids": token_ids(24)})
    assert repr(trace) == "Trace(self: 3 layers x 4 heads, 24 x 24 tokens, model 'small')"
    assert repr(trace.stacks["self"]) == "Stack(self: 3 layers x 4 heads, 24 x 24 tokens)"
    layer = "RecordedLayer(model.layers.1.self_attn: 4 heads, 24 x 24, registry)"
    assert repr(trace.stacks["self"].record(1)) == layer


def test_a_stack_says_what_its_rows_and_columns_count():
    module, inputs, _ = built("whisper")
    cross = viz.capture(viz.wrap_model(module), inputs).stacks["cross"]
    assert repr(cross) == "Stack(cross: 2 layers x 2 heads, 7 x 30 tokens)"
    ones = viz.load_weights([torch.ones(2, 1, 1), torch.ones(1, 1, 1)])
    assert repr(ones) == "Stack(self: 2 layers x 1 to 2 heads, 1 x 1 position)"


def test_every_kind_of_layer_is_one_line():
    torch.manual_seed(0)
    longt5 = hf.LongT5ForConditionalGeneration(hf.LongT5Config(**LONGT5)).eval()
    traces = [viz.capture(viz.wrap_model(longt5), PAIR)]
    for name in ("swin", "donut_swin"):
        module, inputs, _ = built(name)
        traces.append(viz.capture(viz.wrap_model(module), inputs))
    records = [r for trace in traces for stack in trace.stacks.values() for r in stack.records]
    kinds = {type(one).__name__ for record in records for one in (record, *_inner(record))}
    assert kinds >= {"SparseLayer", "ArrangedLayer", "WindowedLayer", "ReportedWindows"}
    for one in (inner for record in records for inner in (record, *_inner(record))):
        assert repr(one).startswith(f"{type(one).__name__}({one.name}: {one.heads} heads, ")
        assert len(repr(one)) < 120


def _inner(record):
    return [record.inner] if hasattr(record, "inner") else []


def test_a_model_says_what_is_known_of_it():
    model = viz.wrap_model(build("bert"), name="small")
    assert (
        repr(model)
        == f"Model('small': encoder, registry, 3 x 4 heads, {model.parameters:,} parameters)"
    )
    fresh = viz.wrap_model(torch.nn.Linear(4, 4))
    assert repr(fresh) == "Model('Linear': other, 20 parameters)"


def test_a_check_says_its_verdict():
    checked = viz.check(viz.wrap_model(build("bert")), IDS)
    assert repr(checked).startswith(
        "Check(3 of 3 layers compared with eager attention; weights differ "
    )
    assert repr(checked).endswith(": exact)")


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (0.0, "the captured run returns exactly what the model alone returns: exact"),
        (
            3e-7,
            "differs from the model's own by at most 3.0e-07 of the largest number in it: exact",
        ),
    ],
)
def test_a_check_says_how_far_the_output_is_off_in_words(difference, said):
    checked = viz.check(viz.wrap_model(build("bert")), IDS)
    assert replace(checked, output_difference=difference).summary().endswith(said)
