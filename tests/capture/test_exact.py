"""Captured weights against the weights that the model's own eager attention reports."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import viz
from tests.capture.architectures import ARCHITECTURES, build, token_ids

TOLERANCE = 1e-5


def eager_weights(module, inputs):
    """Run an untouched copy the slow way and return its weights and its output."""
    with torch.no_grad():
        result = module(**inputs, output_attentions=True)
    logits = getattr(result, "logits", None)
    return result.attentions, logits if logits is not None else result[0]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("length", [1, 2, 37])
def test_weights_equal_eager_and_output_is_unchanged(name, length):
    module = build(name)
    inputs = {"input_ids": token_ids(length)}
    expected, output = eager_weights(copy.deepcopy(module), inputs)
    trace = viz.capture(viz.wrap_model(module), inputs)
    stack = trace.stacks["self"]
    assert stack.layers == len(expected)
    for layer, batch in enumerate(expected):
        assert stack.provenance(layer).tier == "registry"
        for head in range(stack.heads(layer)):
            weights = stack.weights(layer, head)
            torch.testing.assert_close(weights, batch[0, head].float(), atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(trace.output, output[0], atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize("name", ["bert", "modernbert", "gpt2", "llama", "mistral", "phi3"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_left_out_on_either_side(name, side):
    module = build(name)
    ids = token_ids(20)
    mask = torch.ones_like(ids)
    real = slice(6, 20) if side == "left" else slice(0, 14)
    mask[:, :6] = mask[:, :6] * (side == "right")
    mask[:, 14:] = mask[:, 14:] * (side == "left")
    inputs = {"input_ids": ids, "attention_mask": mask}
    expected, _ = eager_weights(copy.deepcopy(module), inputs)
    stack = viz.capture(viz.wrap_model(module), inputs).stacks["self"]
    for layer, batch in enumerate(expected):
        for head in range(stack.heads(layer)):
            weights = stack.weights(layer, head)[real]
            torch.testing.assert_close(weights, batch[0, head, real], atol=TOLERANCE, rtol=0)
            assert float(weights[:, mask[0] == 0].abs().sum()) == 0


def test_one_text_of_a_batch_is_traced_as_the_batch_ran_it():
    module = build("llama")
    ids = torch.cat([token_ids(12, 1), token_ids(12, 2)])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    expected, _ = eager_weights(copy.deepcopy(module), inputs)
    model = viz.wrap_model(module)
    for item in (0, 1):
        stack = viz.capture(model, inputs, item=item).stacks["self"]
        torch.testing.assert_close(
            stack.weights(1, 2), expected[1][item, 2], atol=TOLERANCE, rtol=0
        )
    with pytest.raises(viz.LoupeError, match="batch holds 2 texts"):
        viz.capture(model, inputs)


def test_slices_are_cut_from_the_whole():
    stack = viz.capture(viz.wrap_model(build("mistral")), {"input_ids": token_ids(40)}).stacks[
        "self"
    ]
    whole = stack.weights(2, 1)
    rows, columns = [39, 3, 20], [0, 19, 38, 20]
    part = stack.weights(2, 1, rows=rows, columns=columns)
    torch.testing.assert_close(part, whole[rows][:, columns], atol=1e-7, rtol=0)
    part = stack.weights(2, 1, rows=slice(10, 30, 7), columns=slice(5, 33))
    torch.testing.assert_close(part, whole[10:30:7, 5:33], atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 0), "no layer 3"),
        ((-1, 0), "no layer -1"),
        ((0, 4), "no head 4"),
        ((0, 0, [9]), "no query 9"),
        ((0, 0, None, [-1]), "no key -1"),
    ],
)
def test_what_does_not_exist_is_named(arguments, message):
    stack = viz.capture(viz.wrap_model(build("gpt2")), {"input_ids": token_ids(9)}).stacks["self"]
    with pytest.raises(viz.LoupeError, match=message):
        stack.weights(*arguments)


def test_queries_and_keys_do_not_keep_the_fused_projection_alive():
    trace = viz.capture(viz.wrap_model(build("gpt2")), {"input_ids": token_ids(50)})
    kept = [part for layer in trace.stacks["self"].records for part in (layer.query, layer.key)]
    storages = {part.untyped_storage().data_ptr(): part.untyped_storage().nbytes() for part in kept}
    assert sum(storages.values()) == sum(part.numel() * part.element_size() for part in kept)


def test_threads_share_a_model_and_not_their_traces():
    model = viz.wrap_model(build("llama"))
    texts = [{"input_ids": token_ids(length, length)} for length in range(10, 26)]
    alone = [viz.capture(model, text).stacks["self"] for text in texts]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda text: viz.capture(model, text).stacks["self"], texts))
    for one, other in zip(alone, together, strict=True):
        assert one.layers == other.layers == 3
        torch.testing.assert_close(one.weights(2, 3), other.weights(2, 3), atol=1e-6, rtol=0)


def test_a_model_in_training_mode_is_refused():
    module = build("gpt2")
    model = viz.wrap_model(module)
    module.train()
    with pytest.raises(viz.LoupeError, match="dropout"):
        viz.capture(model, {"input_ids": token_ids(9)})


def test_progress_can_cancel_and_the_model_runs_again():
    class Cancelled(BaseException):
        pass

    def cancel(phase, share):
        if phase == "forward" and share > 0.3:
            raise Cancelled

    model = viz.wrap_model(build("bert"))
    with pytest.raises(Cancelled):
        viz.capture(model, {"input_ids": token_ids(9)}, progress=cancel)
    assert viz.capture(model, {"input_ids": token_ids(9)}).stacks["self"].layers == 3


def test_without_an_observer_the_model_runs_as_sdpa_does():
    module = build("llama")
    plain = copy.deepcopy(module)
    plain.set_attn_implementation("sdpa")
    model = viz.wrap_model(module)
    ids = token_ids(30)
    with torch.no_grad():
        assert torch.equal(model.module(ids).logits, plain(ids).logits)


def test_weights_changed_behind_our_back_are_refused():
    """A model that alters its queries after handing them over fails the check, and says where."""
    module = build("gpt2")
    model = viz.wrap_model(module)
    projection = module.transformer.h[1].attn.c_attn
    with torch.no_grad():
        projection.weight[:, -1] = float("nan")
    with pytest.raises(viz.LoupeError, match=r"Layer .*h\.1\.attn failed its check"):
        viz.capture(model, {"input_ids": token_ids(9)})
