"""A model is compared with itself."""

from __future__ import annotations

import re

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import build, token_ids
from tests.capture.test_local import REFORMER, SMALL
from tests.capture.test_stacks import built
from tests.models.folders import word_tokenizer
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
    assert printed.count("registry") == 6
    assert printed.rstrip().endswith("exact")


def test_weights_that_leave_a_sink_its_share_are_compared():
    module = build("gpt_oss")
    checked = viz.check(viz.wrap_model(module), {"input_ids": token_ids(20)})
    assert checked.compared == 3
    assert checked.exact
    assert (checked.layers["note"] == "").all()


def test_a_difference_is_found_where_there_are_sinks():
    module = build("gpt_oss")
    model = viz.wrap_model(module)
    viz.capture(model, {"input_ids": token_ids(20)})
    honest = module.model.layers[1].self_attn.q_proj.forward
    calls = []
    module.model.layers[1].self_attn.q_proj.forward = lambda x: (
        honest(x) * (calls.append(1) or len(calls))
    )
    checked = viz.check(model, {"input_ids": token_ids(20)})
    assert checked.compared == 3
    assert checked.largest > 1e-2
    assert not checked.exact


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
