"""Captured weights against the weights that the model's own eager attention reports."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import ARCHITECTURES, ENCODER, build, token_ids
from viz.capture.recorder import Recorder
from viz.capture.tiers.registry import observe

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
    with pytest.raises(viz.LoupeError, match="batch holds 2 inputs"):
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
    with pytest.raises(viz.LoupeError, match="training mode"):
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


@pytest.mark.parametrize("way", ["sdpa", "eager"])
def test_a_model_is_left_as_it_was_given(way):
    module = build("llama")
    module.set_attn_implementation(way)
    plain = copy.deepcopy(module)
    model = viz.wrap_model(module)
    ids = token_ids(30)
    viz.capture(model, {"input_ids": ids})
    assert module.config._attn_implementation == way
    with torch.no_grad():
        assert torch.equal(model.module(ids).logits, plain(ids).logits)


@pytest.mark.parametrize(
    "lie",
    [
        {"scale": 0.5},
        {"mask": None, "is_causal": False},
        {"softcap": 1.0},
        {"sinks": torch.zeros(4)},
        {"bias": torch.randn(1, 4, 12, 12)},
    ],
)
def test_a_call_that_tells_other_than_what_ran_is_refused(lie):
    """The recorder must notice when weights do not lead to the output that the kernel returned."""
    model = viz.wrap_model(build("llama"))
    model.module.set_attn_implementation("sdpa")
    calls = []
    with observe(calls.append), torch.inference_mode():
        model.module(token_ids(12))
    Recorder(model.module)(calls[0])
    with pytest.raises(viz.LoupeError, match="failed its check"):
        Recorder(model.module)(replace(calls[0], **lie))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["bert", "llama", "gemma2", "gpt_oss"])
def test_half_types_stay_within_their_own_rounding(name, dtype):
    module = build(name)
    ids = {"input_ids": token_ids(24)}
    exact = viz.capture(viz.wrap_model(copy.deepcopy(module)), ids).stacks["self"]
    half = viz.capture(viz.wrap_model(module.to(dtype)), ids).stacks["self"]
    assert half.provenance(0).dtype == str(dtype).removeprefix("torch.")
    # Queries and keys are rounded once each, and scores are at most some ten in size.
    allowed = 40 * torch.finfo(dtype).eps
    torch.testing.assert_close(half.weights(0, 1), exact.weights(0, 1), atol=allowed, rtol=0)


def test_a_longer_text_before_leaves_no_trace_in_dynamic_rotary_positions():
    config = copy.deepcopy(ARCHITECTURES["llama"][1])
    config.max_position_embeddings = 16
    config.rope_parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    torch.manual_seed(0)
    model = viz.wrap_model(hf.LlamaForCausalLM(config).eval())
    model = replace(model, context_limit=None)
    short = {"input_ids": token_ids(20)}
    before = viz.capture(model, short).stacks["self"].weights(1, 1)
    viz.capture(model, {"input_ids": token_ids(60)})
    assert torch.equal(viz.capture(model, short).stacks["self"].weights(1, 1), before)


def test_a_model_that_no_fast_kernel_serves_goes_by_its_eager_attention():
    """Its decoder builds its mask for eager attention alone; the outputs tell."""
    config = hf.BigBirdPegasusConfig(
        vocab_size=97,
        d_model=32,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=48,
        is_decoder=True,
        is_encoder_decoder=False,
    )
    module = hf.BigBirdPegasusForCausalLM(config).eval()
    inputs = {"input_ids": token_ids(24)}
    expected, output = eager_weights(copy.deepcopy(module), inputs)
    trace = viz.capture(viz.wrap_model(module), inputs)
    torch.testing.assert_close(trace.output, output[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trace.stacks["self"].weights(1, 2), expected[1][0, 2])


def test_a_classifier_is_captured_and_predicts_no_tokens():
    config = hf.BertConfig(**{**ENCODER, "num_labels": 3})
    model = viz.wrap_model(hf.BertForSequenceClassification(config).eval())
    assert model.kind == "encoder"
    assert viz.capture(model, {"input_ids": token_ids(9)}).stacks["self"].layers == 3


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"input_ids": [[1, 2], [3]]}, "input_ids is no array"),
        ({"input_ids": None}, "input_ids is no array"),
        ({"input_ids": [[5, 97]]}, "id 97 has no embedding"),
        ({"input_ids": [[5, -1]]}, "id -1 has no embedding"),
        ([[5, 6]], "inputs are a list"),
        ({}, "inputs are empty"),
    ],
)
def test_inputs_that_are_none_are_named(inputs, message):
    with pytest.raises(viz.LoupeError, match=message):
        viz.capture(viz.wrap_model(build("bert")), inputs)


def test_weights_that_are_no_numbers_are_refused():
    """NaN planted after loading is met in the layer that it reaches first."""
    module = build("gpt2")
    model = viz.wrap_model(module)
    projection = module.transformer.h[1].attn.c_attn
    with torch.no_grad():
        projection.weight[:, -1] = float("nan")
    with pytest.raises(viz.LoupeError, match=r"Layer .*h\.1\.attn failed its check"):
        viz.capture(model, {"input_ids": token_ids(9)})
