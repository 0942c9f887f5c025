"""Texts that share a pass are captured as each of them is alone, and refused where that cannot be shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, built
from tests.models.folders import word_tokenizer
from viz.capture.batch_recorder import BatchRecorder
from viz.capture.shared_pass import capture_together, may_share_a_pass
from viz.capture.tiers.registry import observe
from viz.errors import CaptureError, VerificationError

# Of as many tokens each.
TEXTS = (
    "the cat sat on the mat because it was tired",
    "and the dog sat on the mat because it was",
    "the dog sat on the cat and it was not",
)

SHARING = {
    **{
        name: CAUSAL[name]
        for name in ("multi-head", "grouped queries", "sliding window", "one key-value head")
    },
    **ENCODER_DECODER,
}


def reader(config):
    """A small model that reads words, and was captured once."""
    model = viz.wrap_model(built(config), tokenizer=word_tokenizer())
    viz.capture(model, TEXTS[0])
    return model


@pytest.mark.parametrize("name", SHARING)
def test_every_weight_of_a_shared_pass_is_that_of_its_text_alone(name):
    model = reader(SHARING[name])
    alone = [viz.capture(model, text) for text in TEXTS]
    assert may_share_a_pass(model)
    together = capture_together(model, TEXTS, last_alone=alone[-1])
    for ours, expected in zip(together, alone, strict=True):
        assert (ours.text, ours.units, ours.output) == (expected.text, expected.units, None)
        assert ours.stacks.keys() == expected.stacks.keys()
        for stack, theirs in expected.stacks.items():
            require_same(ours.stacks[stack], theirs)


def require_same(ours, expected):
    assert (ours.queries, ours.keys, ours.layers) == (
        expected.queries,
        expected.keys,
        expected.layers,
    )
    for layer in range(expected.layers):
        torch.testing.assert_close(
            ours.weights(layer), expected.weights(layer), atol=1e-6, rtol=1e-5
        )
        proven, known = ours.provenance(layer), expected.provenance(layer)
        assert proven.output_error <= proven.tolerance
        assert proven.row_sum_error <= 1e-5
        for one in ("tier", "checked_rows", "flags", "mask", "scale", "dtype"):
            assert getattr(proven, one) == getattr(known, one), one


@pytest.mark.parametrize("name", ["soft cap, window", "sinks, window, experts"])
def test_a_model_that_is_set_to_another_attention_shares_no_pass(name):
    model = reader(CAUSAL[name])
    assert not may_share_a_pass(model)
    with pytest.raises(CaptureError, match="cannot read these 3 texts in one pass"):
        capture_together(model, TEXTS)


def test_texts_of_unequal_lengths_share_no_pass():
    with pytest.raises(CaptureError, match="cannot read these 2 texts in one pass"):
        capture_together(reader(CAUSAL["multi-head"]), [TEXTS[0], "the cat sat"])


def test_texts_that_look_at_one_another_are_refused():
    model = reader(CAUSAL["multi-head"])
    model.module.transformer.h[0].register_forward_hook(
        lambda _part, _given, out: out + out.mean(dim=0, keepdim=True)
    )
    alone = viz.capture(model, TEXTS[2])
    with pytest.raises(VerificationError, match="look at one another"):
        capture_together(model, [TEXTS[0], TEXTS[2]], last_alone=alone)


@pytest.fixture(scope="module")
def call():
    """What a layer asks of the kernel for two texts at once."""
    model, calls = reader(CAUSAL["grouped queries"]), []
    ids = torch.randint(5, 90, (2, 11), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), observe(calls.append):
        model.module(input_ids=ids)
    return model.module, calls[0]


def test_a_text_of_a_batch_that_its_weights_do_not_reproduce_is_refused(call):
    module, honest = call
    BatchRecorder(module, 2, 2)(honest)
    for text in (0, 1):
        output = honest.output.clone()
        output[text, -1] += 0.01
        with pytest.raises(VerificationError, match="failed its check"):
            BatchRecorder(module, 2, 2)(replace(honest, output=output))


def test_a_call_of_another_number_of_inputs_is_refused(call):
    module, honest = call
    with pytest.raises(VerificationError, match="holds 2 inputs in a pass over 3 texts"):
        BatchRecorder(module, 3, 2)(honest)


def test_texts_of_a_batch_that_look_by_masks_of_their_own_are_recorded_one_by_one(call):
    module, honest = call
    mask = torch.ones(2, 1, 11, 11, dtype=torch.bool).tril()
    mask[1, :, :, 1] = False
    mask[1, :, 1, 0] = True
    weights = (honest.query @ honest.key.repeat_interleave(2, 1).mT * honest.scale).masked_fill(
        ~mask, -torch.inf
    )
    value = honest.value.repeat_interleave(2, 1)
    output = (weights.softmax(-1) @ value).transpose(1, 2)
    recorder = BatchRecorder(module, 2, 1)
    recorder(replace(honest, mask=mask, is_causal=False, output=output))
    (first,), (second,) = recorder.items()
    assert first.provenance.mask == "causal"
    assert not second.may_look(torch.tensor([5]))[0, 0, 1]
