"""Effects of heads on the loss, against plain hooks and plain autograd on the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as hf
from torch.nn import functional

import viz
from tests.effects.test_weight_gradients import CAUSAL, DECODER, ENCODER_DECODER, built
from tests.models.folders import byte_tokenizer, word_tokenizer
from viz.errors import CancelledError, InputError, ShapeError, TextError
from viz.survey.measured import NotMeasured
from viz.survey.probes.loss_effects import loss_effects, loss_estimates
from viz.survey.probes.text_loss import loss_pass, predicted_tokens

TEXTS = [
    "the cat sat on the mat because it was tired",
    "the dog did not, and the cat",
    "it sat on it",
]
HEADS, D = 4, 8

# The part that is handed what all heads of a layer put out, side by side.
PROJECTIONS = {
    "multi-head": "transformer.h.{}.attn.c_proj",
    "grouped queries": "model.layers.{}.self_attn.o_proj",
    "one key-value head": "model.layers.{}.self_attn.o_proj",
    "masked": "bert.encoder.layer.{}.attention.output.dense",
}


def model_of(name):
    if name == "masked":
        tokenizer = word_tokenizer()
        module = built_masked(len(tokenizer))
    else:
        tokenizer = byte_tokenizer()
        module = built(
            type(CAUSAL[name])(**{**CAUSAL[name].to_dict(), "vocab_size": len(tokenizer)})
        )
    return viz.wrap_model(module, tokenizer)


def built_masked(vocabulary):
    torch.manual_seed(3)
    module = hf.BertForMaskedLM(hf.BertConfig(**{**DECODER, "vocab_size": vocabulary})).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return module


def plain_loss(model, captured, change=None, name=""):
    """The loss of a plain pass, and what a projection of it was handed; `change` edits that."""
    seen = []

    def before(_part, args):
        given = args[0] if change is None else change(args[0])
        seen.append(given)
        return (given, *args[1:])

    handle = model.module.get_submodule(name).register_forward_pre_hook(before)
    logits = model.module(**captured.prepared.inputs).logits[0]
    handle.remove()
    loss = captured.objective
    return functional.cross_entropy(logits[loss.rows], loss.tokens), seen[0]


def by_autograd(model, captured, kind):
    """-sum dL/do . o of every head, [layer, head]."""
    rows = []
    for layer in range(2):
        loss, heads = plain_loss(
            *(model, captured, lambda given: given.detach().requires_grad_()),
            PROJECTIONS[kind].format(layer),
        )
        (gradient,) = torch.autograd.grad(loss, heads)
        rows.append(-(gradient * heads).view(-1, HEADS, D).sum(dim=(0, 2)).detach().numpy())
    return np.array(rows)


def by_hooks(model, captured, kind):
    """The loss without each head, less the loss, [layer, head]."""
    found = np.zeros((2, HEADS))
    for layer in range(2):
        for head in range(HEADS):

            def silence(given, head=head):
                kept = given.clone()
                kept[..., head * D : (head + 1) * D] = 0
                return kept

            name = PROJECTIONS[kind].format(layer)
            with torch.no_grad():
                without, _ = plain_loss(model, captured, silence, name)
                whole, _ = plain_loss(model, captured, None, name)
            found[layer, head] = float(without - whole)
    return found


def passes_of(model, texts, seed=0):
    draw = np.random.default_rng(seed)
    return [loss_pass(model, text, draw=draw) for text in texts]


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_estimates_are_those_of_autograd(kind):
    model = model_of(kind)
    (found,) = loss_estimates(model, TEXTS)
    captured = passes_of(model, TEXTS)
    counts = [predicted_tokens(one) for one in captured]
    each = [by_autograd(model, one, kind) for one in captured]
    np.testing.assert_allclose(found.value, np.average(each, axis=0, weights=counts), atol=1e-5)
    even = np.average(each[::2], axis=0, weights=counts[::2])
    np.testing.assert_allclose(found.halves, [even, each[1]], atol=1e-5)
    assert (found.score, found.stack) == ("loss_estimate", "self")
    assert (found.counted == sum(counts)).all()
    assert np.isnan(found.chance).all()
    assert np.abs(found.value).max() > 1e-3


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_effects_are_those_of_hooks_that_silence_a_head(kind):
    model = model_of(kind)
    heads = [("self", layer, head) for layer in range(2) for head in range(HEADS)]
    (found,) = loss_effects(model, TEXTS, heads)
    captured = passes_of(model, TEXTS)
    counts = [predicted_tokens(one) for one in captured]
    each = [by_hooks(model, one, kind) for one in captured]
    np.testing.assert_allclose(found.value, np.average(each, axis=0, weights=counts), atol=1e-5)
    np.testing.assert_allclose(found.halves[1], each[1], atol=1e-5)
    assert (found.score, found.counted.tolist()) == ("loss_effect", [[sum(counts)] * 4] * 2)


def test_the_loss_is_the_one_that_the_model_itself_says():
    model = model_of("grouped queries")
    (captured,) = passes_of(model, TEXTS[:1])
    ids = captured.prepared.inputs["input_ids"]
    with torch.no_grad():
        expected = float(model.module(input_ids=ids, labels=ids).loss)
    assert captured.value == pytest.approx(expected, abs=1e-5)
    assert predicted_tokens(captured) == ids.shape[1] - 1


def test_a_loss_that_rises_without_a_head_counts_above_0():
    model = model_of("grouped queries")
    # One step of training through one head's output projection alone makes it useful.
    output = model.module.model.layers[1].self_attn.o_proj.weight
    ids = torch.tensor([model.tokenizer(TEXTS[0])["input_ids"]])
    for _ in range(20):
        (gradient,) = torch.autograd.grad(model.module(input_ids=ids, labels=ids).loss, output)
        with torch.no_grad():
            output[:, :D] -= 0.3 * gradient[:, :D]
    (exact,) = loss_effects(model, TEXTS[:1], [("self", 1, 0)])
    assert exact.value[1, 0] > 0.1
    others = np.ones((2, HEADS), dtype=bool)
    others[1, 0] = False
    assert np.isnan(exact.value[others]).all()
    assert (exact.counted[others] == 0).all()


def test_masks_are_15_percent_of_the_text_and_follow_the_seed():
    model = model_of("masked")
    first, again, other = (
        passes_of(model, [" ".join(TEXTS)], seed)[0].prepared.inputs["input_ids"][0]
        for seed in (0, 0, 1)
    )
    plain = torch.tensor(model.tokenizer(" ".join(TEXTS))["input_ids"])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    hidden = first == model.tokenizer.mask_token_id
    assert hidden.sum() == round(0.15 * (len(plain) - 2))
    assert torch.equal(first[~hidden], plain[~hidden])
    assert not hidden[[0, -1]].any()


def test_a_text_of_one_token_is_left_out_and_counts_nothing():
    model = model_of("multi-head")
    assert len(model.tokenizer("a")["input_ids"]) == 1
    (alone,) = loss_estimates(model, TEXTS[:1])
    (beside,) = loss_estimates(model, ["a", TEXTS[0]])
    np.testing.assert_allclose(beside.value, alone.value, atol=1e-6)
    assert (beside.counted == alone.counted).all()
    # It was the only one of its half.
    assert np.isnan(beside.halves[0]).all()
    for found in (loss_estimates(model, ["a"]), loss_effects(model, ["a"], [("self", 0, 0)])):
        assert isinstance(found[0], NotMeasured)
        assert "No text has a token" in found[0].reason


def test_a_text_beyond_the_context_is_cut():
    model = model_of("multi-head")
    (found,) = loss_estimates(model, [" ".join(TEXTS * 40)])
    assert model.context_limit == 64
    assert 40 < found.counted[0, 0] <= 63


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: viz.load_model("minilm", device="cpu"), "predicts no tokens of a text"),
        (lambda: viz.wrap_model(built(CAUSAL["grouped queries"])), "has no tokenizer"),
        (
            lambda: viz.wrap_model(built(ENCODER_DECODER["relative bias"]), word_tokenizer()),
            "predicts no tokens of a text",
        ),
        (
            lambda: viz.wrap_model(
                hf.GPTNeoForCausalLM(
                    hf.GPTNeoConfig(
                        vocab_size=300,
                        hidden_size=32,
                        num_layers=2,
                        num_heads=4,
                        attention_types=[[["global", "local"], 1]],
                    )
                ).eval(),
                byte_tokenizer(),
            ),
            "computes its attention by itself",
        ),
    ],
    ids=["encoder", "no tokenizer", "encoder-decoder", "by hand"],
)
def test_what_predicts_no_text_is_not_measured_with_the_reason(model, said):
    given = model()
    for found in (loss_estimates(given, TEXTS), loss_effects(given, TEXTS, [("self", 0, 0)])):
        assert isinstance(found[0], NotMeasured)
        assert said in found[0].reason


def test_what_is_no_text_or_no_head_is_refused():
    model = model_of("multi-head")
    for texts, error in (([], InputError), ("a text", InputError), ([" "], TextError)):
        with pytest.raises(error):
            loss_estimates(model, texts)
    for heads, error in (
        ([], InputError),
        ([("self", 2, 0)], ShapeError),
        ([("self", 0, 4)], ShapeError),
        ([("cross", 0, 0)], ShapeError),
    ):
        with pytest.raises(error):
            loss_effects(model, TEXTS, heads)


def test_progress_is_told_and_may_cancel():
    model, told = model_of("multi-head"), []
    loss_estimates(model, TEXTS, progress=lambda *one: told.append(one))
    assert told == [(number, 3) for number in range(4)]
    told.clear()
    heads = [("self", 0, 0), ("self", 1, 0)]
    loss_effects(model, TEXTS, heads, progress=lambda *one: told.append(one))
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, 6), (6, 6))

    def stop(_done, _of):
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        loss_estimates(model, TEXTS, progress=stop)
    with pytest.raises(CancelledError):
        loss_effects(model, TEXTS, heads, progress=stop)
