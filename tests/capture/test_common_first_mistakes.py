"""What somebody new may get wrong: each is one sentence with what came and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import viz
from tests.capture.architectures import build, token_ids
from tests.models.folders import word_tokenizer

IDS = {"input_ids": token_ids(9)}
LINEAR = nn.Linear(4, 4)


@pytest.fixture(scope="module")
def model():
    return viz.wrap_model(build("gpt2"), word_tokenizer(), name="small")


@pytest.fixture(scope="module")
def trace(model):
    return viz.capture(model, IDS)


def refused(call, message):
    """Whether a call is refused with a sentence and what to do."""
    with pytest.raises(viz.LoupeError, match=message) as caught:
        call()
    assert caught.value.hint
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("asked", [viz.capture, viz.check, viz.capture_generation])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("demo", r"a str, not a loaded one. Load it first: viz.load_model\('demo'\)"),
        (LINEAR, "a Linear, not a loaded one. Wrap it first"),
        (None, "model is None"),
    ],
)
def test_what_is_no_model_is_not_run(asked, given, message):
    refused(lambda: asked(given, "the cat"), message)


class AnyTokenizer:
    def __call__(self, text):
        return {"input_ids": [1, 2]}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("demo",), {}, r"is a str. .*viz.load_model\('demo'\)"),
        ((None,), {}, "is None"),
        ((nn.Linear,), {}, "is the class Linear. Make one"),
        ((LINEAR, "bert"), {}, "tokenizer is a str"),
        ((LINEAR, AnyTokenizer()), {}, "tokenizer is an AnyTokenizer"),
        ((LINEAR, word_tokenizer().backend_tokenizer), {}, "PreTrainedTokenizerFast"),
        ((LINEAR, hf.ViTImageProcessorPil()), {}, "Give it as processor="),
        ((LINEAR,), {"processor": "vit"}, "processor is a str"),
        ((nn.Linear(4, 4, device="meta"),), {}, "meta device"),
    ],
)
def test_what_cannot_be_wrapped_is_named(arguments, options, message):
    refused(lambda: viz.wrap_model(*arguments, **options), message)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_model_is_wrapped_once_and_compiled_ones_not_at_all(model):
    refused(lambda: viz.wrap_model(model), "a Model. It is wrapped already")
    refused(lambda: viz.wrap_model(torch.jit.trace(LINEAR, torch.randn(2, 4))), "is compiled")
    refused(lambda: viz.wrap_model(torch.compile(LINEAR)), "OptimizedModule is compiled")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "and None came"),
        (5, "and an int came"),
        (LINEAR, "a Linear came. Wrap it"),
        (Path("nowhere"), "no folder '.*nowhere'"),
        (__file__, "is a file. Give the folder"),
    ],
)
def test_what_is_no_name_is_not_loaded(name, message):
    refused(lambda: viz.load_model(name), message)


def test_devices_and_dtypes_that_are_none_are_named():
    refused(lambda: viz.load_model("demo", device="gpu"), "no device 'gpu'")
    refused(lambda: viz.load_model("demo", dtype=torch.int8), "no dtype torch.int8")
    assert viz.load_model("demo", device=torch.device("cpu")).layers == 6


@pytest.mark.parametrize("wrong", ["0", None, 0.0, True, [0], np.float32(0)])
def test_layers_and_heads_are_whole_numbers(trace, wrong):
    stack = trace.stacks["self"]
    for call in (stack.weights, stack.attended):
        refused(lambda call=call: call(wrong, 1), "The layer is .*. Give a whole number")
        if wrong is not None or call == stack.attended:
            refused(lambda call=call: call(1, wrong), "The head is .*. Give a whole number")
    refused(lambda: stack.heads(wrong), "The layer is")
    refused(lambda: stack.provenance(wrong), "The layer is")


@pytest.mark.parametrize("index", [np.int64(1), torch.tensor(1)])
def test_whole_numbers_of_any_make_are_taken(trace, index):
    stack = trace.stacks["self"]
    assert torch.equal(stack.weights(index, index), stack.weights(1, 1))


@pytest.mark.parametrize(
    "rows",
    ["the", ["a"], [0.5], [True, False], torch.ones(9).bool(), slice(0.5, 2), object(), [[1], []]],
)
def test_rows_are_whole_numbers(trace, rows):
    refused(lambda: trace.stacks["self"].weights(0, 1, rows), "No query is named by")
    refused(lambda: trace.stacks["self"].attended(0, 1, None, rows), "No key is named by")


def test_no_rows_are_none(trace):
    assert trace.stacks["self"].weights(0, 1, rows=[]).shape == (0, 9)


def test_a_stack_that_is_not_there_is_said_with_those_that_are(trace, tmp_path):
    refused(lambda: trace.stacks["encoder"], "no stack 'encoder'; this trace has self")
    trace.save(tmp_path / "t.safetensors")
    again = viz.load_trace(tmp_path / "t.safetensors")
    refused(lambda: again.stacks["encoder"], "no stack 'encoder'; this trace has self")


@pytest.mark.parametrize("item", ["0", 0.0, True])
def test_items_are_whole_numbers(model, item):
    refused(lambda: viz.capture(model, IDS, item=item), "The item is")


@pytest.mark.parametrize("count", ["5", 2.5, True])
def test_new_tokens_are_a_whole_number(model, count):
    refused(
        lambda: viz.capture_generation(model, "the cat", new_tokens=count), "number of new tokens"
    )


def test_only_a_text_is_written_on(model):
    refused(lambda: viz.capture_generation(model, IDS), "text is a dict")
    refused(lambda: viz.capture_generation(model, None), "text is None")


def test_a_batch_of_nothing_is_named():
    model = viz.wrap_model(nn.MultiheadAttention(8, 2, batch_first=True))
    empty = torch.zeros(0, 3, 8)
    refused(
        lambda: viz.capture(model, {"query": empty, "key": empty, "value": empty}),
        r"empty: shape \(0, 3, 8\)",
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [(None, "is None"), (5, "is an int"), ("", "is empty"), (".", "is a folder|could not be read")],
)
def test_paths_that_are_none_are_named(trace, path, message):
    refused(lambda: trace.save(path), message)
    refused(lambda: viz.load_trace(path), message)


def test_labels_and_complex_weights_are_named():
    refused(lambda: viz.load_weights(np.eye(3), queries=3), "labels of queries are an int")
    refused(lambda: viz.load_weights(np.eye(3) * 1j), "complex")
    labels = viz.load_weights(np.eye(3), queries=np.array(["a", "b", "c"])).queries.labels
    assert labels == ("a", "b", "c")
