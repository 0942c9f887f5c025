"""A model is compared with itself."""

from __future__ import annotations

import copy
import re

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import ARCHITECTURES, build, token_ids
from tests.capture.test_local import REFORMER, SMALL
from tests.capture.test_stack_building import built
from tests.models.folders import word_tokenizer
from viz.capture.checking.random_draws import Chance
from viz.cli import main


@pytest.mark.parametrize("name", ["bart", "clip", "swin"])
def test_every_layer_is_compared(name):
    module, inputs, _ = built(name)
    checked = viz.check(viz.wrap_model(module), inputs)
    assert checked.layers["difference"].notna().all()
    assert checked.largest < 1e-5
    assert checked.output_difference < 1e-5


def test_a_difference_is_found_and_the_model_captures_as_before():
    module = build("llama")
    module.set_attn_implementation("sdpa")
    model = viz.wrap_model(module)
    inputs = {"input_ids": token_ids(9)}
    honest = module.model.layers[1].self_attn.q_proj.forward
    state = {"calls": 0}

    def wavering(x):
        state["calls"] += 1
        return honest(x) * (1 if state["calls"] % 2 else 1.5)

    before = viz.capture(model, inputs).stacks["self"].weights(1, 0)
    module.model.layers[1].self_attn.q_proj.forward = wavering
    checked = viz.check(model, inputs)
    assert checked.largest > 1e-2
    module.model.layers[1].self_attn.q_proj.forward = honest
    assert torch.equal(viz.capture(model, inputs).stacks["self"].weights(1, 0), before)


def test_the_command_prints_every_layer(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check", "demo"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.count(".self registry ") == 6
    assert printed.rstrip().endswith("exact")


def test_weights_that_leave_a_sink_its_share_are_compared():
    module = build("gpt_oss")
    checked = viz.check(viz.wrap_model(module), {"input_ids": token_ids(20)})
    assert checked.compared == 3
    assert checked.exact
    assert (checked.layers["note"] == "").all()


def test_a_model_that_is_another_in_every_pass_is_refused():
    module = build("gpt_oss")
    model = viz.wrap_model(module)
    viz.capture(model, {"input_ids": token_ids(20)})
    honest = module.model.layers[1].self_attn.q_proj.forward
    calls = []
    module.model.layers[1].self_attn.q_proj.forward = lambda x: (
        honest(x) * (calls.append(1) or len(calls))
    )
    with pytest.raises(viz.LoupeError, match="given with eager, and computes something else"):
        viz.check(model, {"input_ids": token_ids(20)})


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (
            hf.LongformerModel(hf.LongformerConfig(**SMALL, attention_window=8)),
            r"in another layout \(1 x 24 x 4 x 9\)",
        ),
        (
            hf.BigBirdModel(hf.BigBirdConfig(**SMALL, block_size=4, num_random_blocks=1)),
            "are not those that it used",
        ),
        (
            hf.ReformerModel(hf.ReformerConfig(**REFORMER, attn_layers=["local", "local"])),
            r"in another layout \(1 x 4 x 8 x 8 x 16\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(module, why):
    count = {"LongformerModel": 24}.get(type(module).__name__, 64)
    checked = viz.check(viz.wrap_model(module.eval()), {"input_ids": token_ids(count)})
    assert checked.compared == 0
    assert not checked.exact
    assert checked.layers["note"].str.contains(why).all()
    assert re.search(f"none of 2 layers could be compared, because .*{why}; ", checked.summary())


def test_a_layer_that_returns_no_weights_is_the_only_one_not_compared():
    module, inputs, _ = built("siglip")
    layers = viz.check(viz.wrap_model(module), inputs).layers
    silent = layers[layers["difference"].isna()]
    assert list(silent["module"]) == ["vision_model.head.attention"]
    assert list(silent["note"]) == ["the model returns no weights of its own"]
    assert (layers["note"] != "").sum() == 1


def test_the_command_says_what_could_not_be_compared(capsys, tmp_path):
    hf.LongformerModel(hf.LongformerConfig(**SMALL, attention_window=8)).save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path), "--text", "the cat sat"])
    assert ended.value.code == 0
    assert "none of 2 layers could be compared, because" in capsys.readouterr().out


def test_a_model_that_chose_its_kernel_when_it_was_built_is_not_compared_with_something_else():
    config = {name: SMALL[name] for name in ("vocab_size", "hidden_size", "num_hidden_layers")}
    module = hf.FalconForCausalLM(hf.FalconConfig(**config, num_attention_heads=4)).eval()
    with pytest.raises(viz.LoupeError, match="chose its kernel when it was built"):
        viz.check(viz.wrap_model(module), {"input_ids": token_ids(9)})


def test_a_module_without_an_eager_way_is_said():
    model = viz.wrap_model(torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True))
    with pytest.raises(viz.LoupeError, match="no eager attention"):
        viz.check(model, {"src": torch.randn(1, 5, 32)})


DRAWING = {
    "vit_mae": (
        hf.ViTMAEModel,
        hf.ViTMAEConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=32,
            image_size=32,
            patch_size=8,
        ),
        {"pixel_values": torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))},
    ),
    "reformer": (
        hf.ReformerModel,
        hf.ReformerConfig(**REFORMER, attn_layers=["lsh", "local"]),
        {"input_ids": token_ids(64)},
    ),
}


@pytest.mark.parametrize("name", DRAWING)
def test_a_model_that_draws_is_compared_from_one_state_of_the_random_numbers(name):
    kind, config, inputs = DRAWING[name]
    torch.manual_seed(0)
    model = viz.wrap_model(kind(copy.deepcopy(config)).eval())
    before = Chance.now()
    for _ in range(2):
        checked = viz.check(model, inputs)
        assert checked.output_difference < 1e-5
        assert checked.holds
        assert "NOT" not in checked.summary()
    assert checked.exact or "another layout" in checked.summary()
    assert not before.moved()


class Drawing(torch.nn.Module):
    """A language model beside numbers that it draws from where nobody can put them back."""

    def __init__(self, inner, generator):
        super().__init__()
        self.inner, self.generator = inner, generator

    def forward(self, input_ids):
        noise = torch.rand(1, generator=self.generator)
        return self.inner(input_ids).logits * (1 + noise)


def test_a_model_that_draws_anew_in_each_pass_is_said_to():
    module = Drawing(build("llama"), torch.Generator().manual_seed(3)).eval()
    checked = viz.check(viz.wrap_model(module), {"input_ids": token_ids(9)})
    assert not checked.exact
    assert "does not compute the same twice: two plain passes lie" in checked.summary()
    assert "NOT exact" not in checked.summary()


class EagerDraws(hf.LlamaForCausalLM):
    """Draws one number more where it attends eagerly, so that what comes after differs."""

    def forward(self, *args, **kwargs):
        if self.config._attn_implementation == "eager":
            torch.rand(1)
        result = super().forward(*args, **kwargs)
        result.logits = result.logits * (1 + torch.rand(1))
        return result


class EagerDiffers(hf.LlamaForCausalLM):
    """Computes something else where it attends eagerly, as a dozen types of transformers do."""

    def forward(self, *args, **kwargs):
        factor = 1.5 if self.config._attn_implementation == "eager" else 1.0
        embeddings = self.model.embed_tokens(kwargs.pop("input_ids")) * factor
        return super().forward(*args, inputs_embeds=embeddings, **kwargs)


class Holder(torch.nn.Module):
    """Runs a model as it stands, and is no model of transformers itself."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids):
        return self.inner(input_ids=input_ids).logits


def held(kind):
    torch.manual_seed(0)
    config = copy.deepcopy(ARCHITECTURES["llama"][1])
    return Holder(kind._from_config(config, attn_implementation="sdpa")).eval()


def test_ways_to_attend_that_draw_other_numbers_are_not_held_against_the_capture():
    checked = viz.check(viz.wrap_model(held(EagerDraws)), {"input_ids": token_ids(9)})
    assert checked.compared == 0
    assert checked.output_difference < 1e-5
    assert "this model draws at random, and not the same numbers" in checked.summary()
    assert "NOT exact" not in checked.summary()


def test_eager_attention_that_computes_something_else_is_said_with_its_figure():
    module = held(EagerDiffers)
    ids = token_ids(9)
    with torch.inference_mode():
        given = module(ids)
        module.inner.set_attn_implementation("eager")
        eager = module(ids)
        module.inner.set_attn_implementation("sdpa")
    share = float((given - eager).abs().max() / given.abs().max())
    checked = viz.check(viz.wrap_model(module), {"input_ids": ids})
    assert checked.eager_difference == pytest.approx(share, rel=1e-3)
    assert checked.output_difference < 1e-5
    assert checked.compared == 0
    assert "computes something else than the model as it was given" in checked.summary()
    assert f"its output is {share:.1%} off" in checked.summary()
    assert "NOT exact" not in checked.summary()


def ways(module):
    return [
        part.config._attn_implementation
        for part in module.modules()
        if isinstance(part, hf.PreTrainedModel)
    ]


def test_every_part_attends_as_before_afterwards():
    module, inputs, _ = built("clip")
    module.set_attn_implementation({"text_config": "eager", "vision_config": "sdpa"})
    holder = Keeper(module).eval()
    before = ways(holder)
    assert {"eager", "sdpa"} <= set(before)
    checked = viz.check(viz.wrap_model(holder), inputs)
    assert checked.exact
    assert ways(holder) == before


class Keeper(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, **inputs):
        return self.inner(**inputs).logits_per_image
