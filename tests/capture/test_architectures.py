"""Architectures that hide their attention in a way of their own, each as the sweep examines it."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz
from benchmarks.architectures.examine import examine
from benchmarks.architectures.geometry import measure
from benchmarks.architectures.inputs import candidates
from benchmarks.architectures.shrink import tiny_model

# What makes each hard, and the stacks that must show, layers x heads.
HARD = {
    "deepseek_v32": "self 2 x 4",  # each query chooses its keys, and asks the kernel for its name
    "hy_v4": "self 3 x 4",  # the same with sinks
    "deepseek_v4": "self 2 x 4, cross 1 x 4",  # compressed keys; hyper-connections are no attention
    "inkling2": "vision 2 x 4, text 2 x 4",  # a sink a query; weighs its layers by the same kernel
    "qwen2_5_vl_vision": "self 2 x 4",  # one layer calls the kernel once a window
    "got_ocr2": "vision 2 x 4, text 2 x 4",  # one tower writes its softmax out by hand
    "gemma3n_audio": "self 12 x 8",  # chunks that overlap
    "prophetnet": "encoder 2 x 4, decoder 2 x 4, cross 2 x 4",
    "bigbird_pegasus": "encoder 2 x 4, decoder 2 x 4, cross 2 x 4",
    "granite_speech": (
        "encoder 2 x 4, qformer_1 1 x 4, qformer_cross 1 x 4, qformer_2 1 x 4, text 2 x 4"
    ),
    "rt_detr_v2": "encoder 2 x 4, decoder 2 x 4",  # deformable sampling is no pattern of keys
    "kimi_k25_vision": "self 2 x 4",  # packed patches are no batch
}


@pytest.mark.parametrize("model_type", HARD)
def test_every_stack_of_a_hard_architecture_is_exact(model_type):
    found = examine(model_type)
    assert found.verdict.startswith("exact"), found.why
    assert found.stacks == HARD[model_type]


# Whose attention depends on the length: windows, blocks, chunks, rates of compression, sinks.
AT_DEFAULT = ("deepseek_v4", "gpt_oss", "big_bird", "granite_swa", "qwen2_5_vl_vision", "gemma2")


@pytest.mark.parametrize("model_type", AT_DEFAULT)
def test_a_default_geometry_is_exact_at_every_length(model_type):
    found = list(measure(model_type))
    assert [row.tokens for row in found] == [12, 130, 300, 700]
    for row in found:
        assert row.verdict.startswith("exact"), (row.tokens, row.why)
        assert row.output_error <= 1e-5


@pytest.mark.parametrize("model_type", ["rwkv", "yoso", "fnet"])
def test_what_is_no_softmax_attention_is_said_to_be_none(model_type):
    assert examine(model_type).verdict == "no attention"


def test_two_streams_are_two_stacks():
    torch.manual_seed(0)
    config = hf.XLNetConfig(vocab_size=97, d_model=32, n_layer=2, n_head=4, d_inner=48)
    module = hf.XLNetLMHeadModel(config).eval()
    hidden = torch.zeros(1, 12, 12)
    hidden[:, :, -1] = 1
    target = torch.zeros(1, 2, 12)
    target[0, 0, -1] = target[0, 1, -2] = 1
    inputs = {
        "input_ids": torch.randint(5, 97, (1, 12)),
        "perm_mask": hidden,
        "target_mapping": target,
    }
    stacks = viz.capture(viz.wrap_model(module), inputs).stacks
    assert {name: stack.layers for name, stack in stacks.items()} == {"content": 2, "query": 2}
    with torch.no_grad():
        own = module(**inputs, output_attentions=True).attentions
    for layer in range(2):
        for stream, name in enumerate(("content", "query")):
            torch.testing.assert_close(
                stacks[name].weights(layer, 1), own[layer][stream][0, 1], atol=1e-5, rtol=0
            )


def test_a_hybrid_says_which_parts_it_does_not_show():
    """Kimi's delta attention projects values, but what comes out is no weighted mean of them."""
    module = tiny_model("kimi_linear", only_shallow=False)
    trace = viz.capture(viz.wrap_model(module), next(iter(candidates(module))))
    shown = [record.name for record in trace.stacks["self"].records]
    assert shown == ["model.layers.2.self_attn"]
    assert trace.unshown == ("model.layers.0.self_attn", "model.layers.1.self_attn")


def test_the_softmax_layers_of_a_hybrid_are_exact():
    found = examine("minimax")
    assert (found.verdict, found.stacks) == ("exact", "self 1 x 4")
