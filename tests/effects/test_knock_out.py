"""Heads set to 0, against a plain pass whose output projection is handed a 0 in their place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from viz.effects import Head, Mlp, Target, Together, knock_out, weight_gradients
from viz.errors import CancelledError, InputError, ShapeError

PAGE = (Path(__file__).parents[2] / "docs" / "effects.md").read_text()
TARGET = Target(position=-2, token=7, against=31)
PROJECTIONS = {
    "multi-head": "transformer.h.{}.attn.c_proj",
    "norms of queries and keys": "model.layers.{}.self_attn.o_proj",
    "rotary on a part": "gpt_neox.layers.{}.attention.dense",
    "grouped queries": "model.layers.{}.self_attn.o_proj",
    "sliding window": "model.layers.{}.self_attn.o_proj",
    "soft cap, window": "model.layers.{}.self_attn.o_proj",
    "sinks, window, experts": "model.layers.{}.self_attn.o_proj",
}
SIDES = {
    "relative bias": {
        "encoder": "encoder.block.{}.layer.0.SelfAttention.o",
        "decoder": "decoder.block.{}.layer.0.SelfAttention.o",
        "cross": "decoder.block.{}.layer.1.EncDecAttention.o",
    },
    "learnt positions": {
        "encoder": "model.encoder.layers.{}.self_attn.out_proj",
        "decoder": "model.decoder.layers.{}.self_attn.out_proj",
        "cross": "model.decoder.layers.{}.encoder_attn.out_proj",
    },
}


def plainly(module, inputs, projection, head, chosen, queries=None, instead=None):
    """The prediction of a plain pass whose output projection gets 0, or something else, from a head of four."""
    rows = slice(None) if queries is None else queries

    def zero(_part, args):
        heads = args[0].clone().unflatten(-1, (4, -1))
        heads[:, rows, head] = 0 if instead is None else instead[:, rows, head]
        return (heads.flatten(-2), *args[1:])

    handle = module.get_submodule(projection).register_forward_pre_hook(zero)
    try:
        with torch.no_grad():
            return float(chosen.of(module(**inputs).logits[0]))
    finally:
        handle.remove()


def silenced(
    module, inputs, chosen, heads, queries=None, projection=PROJECTIONS["grouped queries"]
):
    """The prediction of a plain pass in which several heads put out 0 at once, (layer, head) of four."""
    rows = slice(None) if queries is None else queries

    def zero(mine):
        def hook(_part, args):
            states = args[0].clone().unflatten(-1, (4, -1))
            for head in mine:
                states[:, rows, head] = 0
            return (states.flatten(-2), *args[1:])

        return hook

    handles = []
    for layer in {layer for layer, _ in heads}:
        part = module.get_submodule(projection.format(layer))
        mine = [head for at, head in heads if at == layer]
        handles.append(part.register_forward_pre_hook(zero(mine)))
    with torch.no_grad():
        said = float(chosen.of(module(**inputs).logits[0]))
    for handle in handles:
        handle.remove()
    return said


@pytest.mark.parametrize("queries", [None, [11]])
def test_several_heads_are_silenced_at_once(queries):
    module = built(CAUSAL["grouped queries"])
    some = [(0, 1), (0, 3), (1, 2)]
    every = [(layer, head) for layer in range(2) for head in range(4)]
    found = knock_out(
        viz.wrap_model(module),
        {"input_ids": IDS},
        TARGET,
        heads=[
            Together(tuple(Head(*one) for one in some)),
            Together((Head(0, None), Head(1, None))),
            Together((Head(0, 1), Mlp(1))),
        ],
        queries=queries,
    )
    for heads, without in zip((some, every), found.without, strict=False):
        said = silenced(module, {"input_ids": IDS}, found.objective, heads, queries)
        assert without == pytest.approx(said, abs=1e-5)
    assert set(found.table["part"]) == {"several"}
    assert found.table["layer"].isna().all()


@pytest.mark.parametrize("queries", [None, [11], [0, 3]])
@pytest.mark.parametrize("name", PROJECTIONS)
def test_every_head_of_a_decoder_is_knocked_out_exactly(name, queries):
    module = built(CAUSAL[name])
    found = knock_out(viz.wrap_model(module), {"input_ids": IDS}, TARGET, queries=queries)
    assert [(one.layer, one.head) for one in found.heads] == [
        (layer, head) for layer in range(2) for head in range(4)
    ]
    for one, without in zip(found.heads, found.without, strict=True):
        projection = PROJECTIONS[name].format(one.layer)
        expected = plainly(
            module, {"input_ids": IDS}, projection, one.head, found.objective, queries
        )
        assert without == pytest.approx(expected, abs=1e-5 * max(1.0, abs(found.value)))
    changes = found.table["change"].abs()
    assert changes.is_monotonic_decreasing
    # What is far behind a window reaches the prediction through no layer.
    assert (changes.max() > 1e-3) == (name != "sliding window" or queries != [0, 3])


def mixed(module, ids, projection):
    """What an output projection is handed in a plain pass, [batch, query, head, d]."""
    seen = []
    handle = module.get_submodule(projection).register_forward_pre_hook(
        lambda _part, args: seen.append(args[0].unflatten(-1, (4, -1)))
    )
    with torch.no_grad():
        module(ids)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("queries", [None, [11]])
@pytest.mark.parametrize("replacement", ["mean", "resample"])
@pytest.mark.parametrize("name", PROJECTIONS)
def test_the_mean_or_another_text_takes_a_heads_place(name, replacement, queries):
    module = built(CAUSAL[name])
    other = IDS.flip(1)
    found = knock_out(
        viz.wrap_model(module),
        {"input_ids": IDS},
        TARGET,
        heads=[(0, 1), (1, 2)],
        queries=queries,
        replacement=replacement,
        other={"input_ids": other} if replacement == "resample" else None,
    )
    for one, without in zip(found.heads, found.without, strict=True):
        projection = PROJECTIONS[name].format(one.layer)
        if replacement == "mean":
            own = mixed(module, IDS, projection)
            instead = own.mean(dim=1, keepdim=True).expand_as(own)
        else:
            instead = mixed(module, other, projection)
        expected = plainly(
            module, {"input_ids": IDS}, projection, one.head, found.objective, queries, instead
        )
        assert without == pytest.approx(expected, abs=1e-5 * max(1.0, abs(found.value)))
        assert abs(expected - found.value) > 1e-4


@pytest.mark.parametrize("queries", [None, [11]])
def test_all_heads_of_a_layer_are_knocked_out_at_once(queries):
    module = built(CAUSAL["grouped queries"])
    found = knock_out(
        viz.wrap_model(module),
        {"input_ids": IDS},
        TARGET,
        heads=[(0, None), (1, 3), (1, None)],
        queries=queries,
    )
    for one, without in zip(found.heads, found.without, strict=True):
        expected = plainly(
            module,
            {"input_ids": IDS},
            PROJECTIONS["grouped queries"].format(one.layer),
            slice(None) if one.head is None else one.head,
            found.objective,
            queries,
        )
        assert without == pytest.approx(expected, abs=1e-5 * max(1.0, abs(found.value)))
    assert found.table["head"].isna().sum() == 2


def passes(module):
    """Shapes of the texts that a model is run on from now on."""
    seen = []
    module.register_forward_pre_hook(
        lambda _part, _args, options: seen.append(tuple(options["input_ids"].shape)),
        with_kwargs=True,
    )
    return seen


@pytest.mark.parametrize("name", CAUSAL)
def test_at_the_position_of_the_prediction_all_heads_are_one_batch_of_tokens(name):
    module = built(CAUSAL[name])
    model = viz.wrap_model(module)
    seen = passes(module)
    found = knock_out(model, {"input_ids": IDS}, TARGET, queries=[11])
    assert len(found.heads) == 8
    # The capture and what heads put out, the position alone, and once more with all of its variants.
    assert {shape for shape in seen if shape != (1, 13)} == {(1, 1), (9, 1)}
    assert seen.count((9, 1)) == 1


def test_a_bidirectional_model_is_run_whole():
    module = hf.BertForMaskedLM(
        hf.BertConfig(vocab_size=97, hidden_size=32, num_attention_heads=4, intermediate_size=48)
    ).eval()
    model = viz.wrap_model(module)
    found = knock_out(model, {"input_ids": IDS}, TARGET, heads=[(1, 2)], queries=[11])
    projection = "bert.encoder.layer.1.attention.output.dense"
    expected = plainly(module, {"input_ids": IDS}, projection, 2, found.objective, [11])
    assert found.without[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"replacement": "noise"}, "no replacement 'noise'"),
        ({"replacement": "resample"}, "second text goes with"),
        ({"other": {"input_ids": IDS}}, "second text goes with"),
        (
            {"replacement": "resample", "other": {"input_ids": IDS[:, :5]}},
            "has 5 tokens, and the one to be explained 13",
        ),
    ],
)
def test_what_cannot_take_a_heads_place_is_said(how, said):
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    with pytest.raises(InputError, match=said):
        knock_out(model, {"input_ids": IDS}, TARGET, heads=[(0, 0)], **how)


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("stack", ["encoder", "decoder", "cross"])
def test_every_head_of_an_encoder_decoder_is_knocked_out_exactly(name, stack):
    module = built(ENCODER_DECODER[name])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    heads = [Head(1, 2, stack), Head(0, 3, stack)]
    found = knock_out(viz.wrap_model(module), inputs, Target(token=7, measure="logit"), heads=heads)
    for one, without in zip(heads, found.without, strict=True):
        projection = SIDES[name][stack].format(one.layer)
        expected = plainly(module, inputs, projection, one.head, found.objective)
        assert without == pytest.approx(expected, abs=1e-5 * max(1.0, abs(found.value)))


def test_what_is_left_of_a_model_is_as_it_was():
    module = built(CAUSAL["grouped queries"])
    model = viz.wrap_model(module)
    with torch.no_grad():
        before = module(IDS).logits
    knock_out(model, {"input_ids": IDS}, TARGET, heads=[(0, 0)])
    with torch.no_grad():
        assert torch.equal(module(IDS).logits, before)


def test_the_worked_example_is_what_the_model_does():
    rows = re.findall(
        r"\| layer (\d+), head (\d+) \| ([\d.]+) \| (-?[\d.]+) \| (-?[\d.]+) \|", PAGE
    )
    assert len(rows) == 6
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    text = "When Mary and John went to the store, John gave a drink to"
    target = Target(token=" Mary", against=" John")
    estimates = weight_gradients(model, text, target)
    heads = [(int(layer), int(head)) for layer, head, *_ in rows]
    seen = []
    found = knock_out(
        model, text, target, heads=heads, progress=lambda done, of: seen.append((done, of))
    )
    assert seen[-1] == (6, 6)
    assert found.value == pytest.approx(6.14, abs=5e-3)
    assert estimates.value == pytest.approx(found.value, abs=1e-3)
    changes = found.table.set_index(["layer", "head"])
    for head, (*_, without, change, estimate) in zip(heads, rows, strict=True):
        assert changes.loc[head, "without"] == pytest.approx(float(without), abs=6e-3)
        assert changes.loc[head, "change"] == pytest.approx(float(change), abs=6e-3)
        assert float(estimates.first_order()[head]) == pytest.approx(float(estimate), abs=6e-3)
    row = estimates.trace.stacks["self"].weights(23, 3, [13])[0]
    labels = estimates.trace.units.labels
    assert float(row[max(i for i, one in enumerate(labels) if "John" in one)]) > 0.7
    assert float(row[labels.index("·Mary")]) < 0.06


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"heads": [(2, 0)]}, ShapeError, "There is no layer 2"),
        ({"heads": [(0, 4)]}, ShapeError, "There is no head 4 in layer 0"),
        ({"heads": [Head(0, 0, "cross")]}, ShapeError, "There is no stack 'cross'"),
        ({"queries": [13]}, ShapeError, "There is no query 13"),
    ],
)
def test_a_head_or_a_position_that_is_none_is_said(how, error, said):
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    with pytest.raises(error, match=said):
        knock_out(model, {"input_ids": IDS}, TARGET, **how)


def test_several_inputs_are_refused_and_a_run_can_be_cancelled():
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    with pytest.raises(InputError, match="batch"):
        knock_out(model, {"input_ids": IDS.expand(2, -1)}, TARGET)

    def cancel(done, of):
        raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        knock_out(model, {"input_ids": IDS}, TARGET, progress=cancel)
