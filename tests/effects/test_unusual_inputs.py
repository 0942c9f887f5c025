"""Short, long, half-precision and batched inputs: exact, or one sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_knock_out import silenced
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, GROUPED, IDS, SMALL, built
from viz.effects import (
    Edges,
    Head,
    Target,
    Together,
    knock_out,
    misleading,
    permuted_heads,
    smallest_edges,
)
from viz.effects.target import Objective
from viz.errors import CaptureError, InputError, LoupeError, ShapeError

TARGET = Target(position=-2, token=7, against=31)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_text_of_one_token_has_effects(name):
    found = viz.effects(viz.wrap_model(built(CAUSAL[name])), {"input_ids": IDS[:, :1]})
    assert found.heads["at_position"].notna().all()
    whole = Together(tuple(Head(layer, None) for layer in range(2)))
    assert torch.isfinite(torch.tensor(found.knock_out(heads=[whole]).without[0]))
    for method in ("gradient_times_input", "attn_lrp", "relevance", "rollout", "flow"):
        assert len(found.tokens(method)) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_the_same_is_said_more_coarsely(dtype):
    module = built(CAUSAL["grouped queries"])
    whole = viz.effects(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    half = viz.effects(viz.wrap_model(module.to(dtype)), {"input_ids": IDS}, TARGET)
    assert half.captured.model.dtype is dtype
    for name in ("at_position", "share", "first_order"):
        ours = half.heads.set_index(["layer", "head"])[name].sort_index()
        exact = whole.heads.set_index(["layer", "head"])[name].sort_index()
        assert (ours - exact).abs().max() < 0.05 * exact.abs().max() + 0.02


def test_a_text_beyond_what_a_model_reads_is_said():
    config = hf.GPT2Config(**SMALL, n_embd=32, n_layer=1, n_head=4, n_positions=512)
    ids = torch.randint(3, 97, (1, 20_000), generator=torch.Generator().manual_seed(0))
    with pytest.raises(LoupeError, match=r"20,?000.*512"):
        viz.effects(viz.wrap_model(built(config)), {"input_ids": ids})


def test_nothing_at_all_is_no_set_of_edges():
    found = viz.effects(viz.wrap_model(built(CAUSAL["multi-head"])), {"input_ids": IDS}, TARGET)
    for name in ("rows", "columns", "layers", "heads"):
        with pytest.raises(InputError, match=f"no {name}"):
            found.knock_out(edges=[Edges(**{name: []})])
    with pytest.raises(InputError, match="set of edges is empty"):
        found.knock_out(edges=[[]])
    for what in ({"edges": [Edges(stack="cross")]}, {"heads": [Head(0, 0, "cross")]}):
        with pytest.raises(ShapeError, match="no stack 'cross'"):
            found.knock_out(**what)


def test_two_sets_of_edges_are_cut_at_once():
    model = viz.wrap_model(built(CAUSAL["multi-head"]))
    found = viz.effects(model, {"input_ids": IDS}, TARGET)
    two = [Edges(columns=[3], layers=[0]), Edges(columns=[5], layers=[1])]
    both, whole = found.knock_out(
        edges=[two, Edges(columns=[3, 5])],
    ).without
    assert both != pytest.approx(whole, abs=1e-5)
    same = found.knock_out(
        edges=[[Edges(columns=[3]), Edges(columns=[5], layers=[0]), Edges(columns=[5], layers=[1])]]
    ).without[0]
    assert same == pytest.approx(whole, abs=1e-5)


def test_the_tokens_of_what_is_read_are_explained_and_not_those_of_what_is_written():
    # As long as each other, so that their numbers alone tell them apart.
    for name, config in ENCODER_DECODER.items():
        module = built(config)
        written = IDS.flip(1)
        inputs = {"input_ids": IDS, "decoder_input_ids": written}
        found = viz.effects(viz.wrap_model(module), inputs, TARGET)
        encoder = module.get_encoder()
        embedded = encoder.embed_tokens(IDS).detach().requires_grad_()
        hidden = encoder(inputs_embeds=embedded).last_hidden_state
        logits = module(encoder_outputs=(hidden,), decoder_input_ids=written).logits
        (gradient,) = torch.autograd.grad(found.objective.of(logits[0]), embedded)
        expected = (gradient * embedded).detach()[0].sum(dim=-1)
        ours = torch.tensor(found.tokens("gradient_times_input")["effect"].to_numpy())
        torch.testing.assert_close(
            ours.float(),
            expected,
            atol=1e-5,
            rtol=1e-3,
            msg=lambda said, name=name: f"{name}: {said}",
        )
        total = found.tokens("integrated_gradients")
        assert len(total) == IDS.shape[1]


def test_what_is_left_out_may_stand_before_or_behind_or_in_another_text():
    module = built(CAUSAL["grouped queries"])
    model = viz.wrap_model(module)
    found = viz.effects(model, {"input_ids": IDS}, TARGET)
    effect = found.tokens("leave_one_out")["effect"]
    at = IDS.shape[1] - 2
    assert np.isnan(effect[at])
    assert effect[at + 1] == pytest.approx(0, abs=1e-5)
    for gone in (0, 4):
        kept = [one for one in range(IDS.shape[1]) if one != gone]
        with torch.no_grad():
            said = float(found.objective.of_row(module(IDS[:, kept]).logits[0, at - 1]))
        assert effect[gone] == pytest.approx(said - found.value, abs=1e-5)
    module = built(ENCODER_DECODER["learnt positions"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    found = viz.effects(viz.wrap_model(module), inputs, TARGET)
    kept = [one for one in range(IDS.shape[1]) if one != 4]
    with torch.no_grad():
        logits = module(IDS[:, kept], decoder_input_ids=inputs["decoder_input_ids"]).logits[0]
    said = float(found.objective.of(logits))
    assert found.tokens("leave_one_out")["effect"][4] == pytest.approx(said - found.value, abs=1e-5)


def test_padding_takes_no_part_in_a_mean():
    states = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    vector = torch.ones(8)
    own = Objective(None, -1, None, "similarity", vector, torch.tensor([0, 1, 2]))
    mean = states[:3].mean(dim=0)
    assert float(own.of(states)) == pytest.approx(float(mean @ vector / mean.norm()), abs=1e-6)


def test_targets_are_told_apart_by_their_direction():
    one, same, other = (
        Target(direction=torch.tensor(values)) for values in ([1.0, 2.0], [1.0, 2.0], [2.0, 1.0])
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != Target()


def test_an_adapter_that_is_not_merged_adds_to_its_heads():
    config = hf.LlamaConfig(**GROUPED)
    module = built(config)
    projection = module.model.layers[1].self_attn.o_proj

    class Adapted(torch.nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base = base
            self.down = torch.nn.Linear(32, 2, bias=False)
            self.up = torch.nn.Linear(2, 32, bias=False)

        def forward(self, states):
            return self.base(states) + self.up(self.down(states))

    plain = viz.effects(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    torch.manual_seed(1)
    module.model.layers[1].self_attn.o_proj = adapted = Adapted(projection).eval()
    found = viz.effects(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    merged = projection.weight + adapted.up.weight @ adapted.down.weight
    with torch.no_grad():
        projection.weight.copy_(merged)
    module.model.layers[1].self_attn.o_proj = projection
    whole = viz.effects(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    torch.testing.assert_close(found.direct.heads(), whole.direct.heads(), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found.direct.heads(), plain.direct.heads(), atol=1e-3)


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda f: viz.effects(f.captured.model, {"input_ids": IDS}, " Mary"), "Give a Target"),
        (
            lambda f: viz.effects(f.captured.model, {"input_ids": IDS}, target=Target()),
            "third argument",
        ),
        (lambda f: viz.effects(f.captured.model, {"input_ids": IDS}, pair="b"), "second text"),
        (lambda _: Target(" is"), "position is ' is'"),
        (lambda _: Target(position=True), "position is True"),
        (lambda _: Target(token=1.5), "token is 1.5"),
        (lambda _: Target(token=True), "token is True"),
        (lambda f: f.knock_out(heads=(0, 1)), "0 is no head"),
        (lambda f: f.knock_out(heads=[0]), "0 is no head"),
        (lambda f: f.knock_out(heads=[(0,)]), "is no head"),
        (lambda f: f.knock_out(heads=[]), "Give a list of them"),
        (lambda f: f.knock_out(heads=[(0, 0)], queries=[]), "positions"),
        (lambda f: f.knock_out(edges=Edges(columns=[0])), "list of sets"),
        (lambda f: f.knock_out(edges=[3]), "no Edges"),
        (lambda f: f.knock_out(edges=[Edges(rows=5)]), "rows is 5"),
        (lambda f: f.knock_out(edges=[Edges(layers=0)]), "layers is 0"),
        (lambda f: f.knock_out(edges=[Edges(offset=1.5)]), "offset is 1.5"),
        (lambda f: f.knock_out(edges=[Edges()], replacement="mean"), "goes with heads"),
        (
            lambda f: f.knock_out(heads=[(0, 0)], replacement="resample", other="text"),
            "Give its effects",
        ),
        (lambda f: smallest_edges(f, keep="x"), "'x' cannot be kept"),
    ],
)
def test_what_is_none_of_an_argument_is_said_in_our_own_words(plain, say, words):
    with pytest.raises(InputError, match=re.escape(words)):
        say(plain)


@pytest.fixture(scope="module")
def plain():
    return viz.effects(viz.wrap_model(built(CAUSAL["multi-head"])), {"input_ids": IDS}, TARGET)


def test_spans_may_be_slices(plain):
    by_slice, by_list = plain.knock_out(
        edges=[Edges(columns=slice(0, 3)), Edges(columns=[0, 1, 2])]
    ).without
    assert by_slice == pytest.approx(by_list, abs=1e-6)


def test_of_an_encoder_decoder_the_decoder_is_meant():
    for config in ENCODER_DECODER.values():
        inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
        found = viz.effects(viz.wrap_model(built(config)), inputs)
        assert len(permuted_heads(found)) == 8
        assert smallest_edges(found, keep=0.5).of == 2 * 4 * 6
        misleading(found)
        with pytest.raises(ShapeError, match="no stack 'self'"):
            permuted_heads(found, stack="self")


def test_a_model_that_attends_by_itself_is_refused_in_a_sentence():
    config = hf.GPTJConfig(**SMALL, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4)
    with pytest.raises(CaptureError, match="computes its attention by itself"):
        viz.effects(viz.wrap_model(built(config)), {"input_ids": IDS})


class Quantised(torch.nn.Module):
    """A linear layer in eight bits, computed by a kernel that gradients do not know."""

    def __init__(self, linear):
        super().__init__()
        self.scale = linear.weight.detach().abs().max() / 127
        self.register_buffer("weight", (linear.weight.detach() / self.scale).round().to(torch.int8))

    @torch.no_grad()
    def forward(self, states):
        return states @ (self.weight.to(states) * self.scale).T


@pytest.mark.parametrize("quantised", ["lm_head", "mlp.down_proj", "self_attn.o_proj"])
def test_no_gradient_is_told_of_what_goes_through_quantised_layers(quantised):
    module = built(CAUSAL["grouped queries"])
    for name, part in list(module.named_modules()):
        if name.endswith(quantised):
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own, Quantised(part))
    model = viz.wrap_model(module)
    with pytest.raises(CaptureError, match="Nothing can be differentiated through Quantised"):
        viz.effects(model, {"input_ids": IDS}, TARGET)
    # Heads can be silenced all the same.
    exact = knock_out(model, {"input_ids": IDS}, TARGET, heads=[(0, 1)], queries=[11])
    said = silenced(module, {"input_ids": IDS}, exact.objective, [(0, 1)], [11])
    assert exact.without[0] == pytest.approx(said, abs=1e-5)
