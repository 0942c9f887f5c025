"""The model as it was given is the truth, on the input in front of the user."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers as hf
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import viz
from benchmarks.architectures.inputs import candidates
from benchmarks.architectures.shrink import tiny_model
from tests.capture.architectures import build, token_ids
from viz.capture.tiers.attention_implementations import given_ways

WAYS = ("sdpa", "eager")


def output_of(module, inputs):
    """What a model returns when nobody watches: logits, or the first tensor."""
    with torch.inference_mode():
        result = copy.deepcopy(module)(**inputs)
    if isinstance(result, torch.Tensor):
        return result
    return result.logits if hasattr(result, "logits") else result[0]


def assert_same(output, expected):
    """Compare within rounding, which is a share of all that was added up."""
    apart = torch.linalg.vector_norm(output.double() - expected.double())
    assert apart <= 1e-4 * torch.linalg.vector_norm(expected.double())


def eager_weights(module, inputs):
    other = copy.deepcopy(module)
    other.set_attn_implementation("eager")
    with torch.inference_mode():
        return other(**inputs, output_attentions=True).attentions


# Their fused and their eager path compute different things, and not by roundings.
APART = ["aimv2_vision_model", "colpali", "blt_local_encoder", "blt_local_decoder", "moshi_depth"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model_type", APART)
def test_what_is_shown_is_what_the_model_computes_the_way_it_was_given(model_type, way):
    module = tiny_model(model_type)
    module.set_attn_implementation(way)
    inputs = next(iter(candidates(module)))
    trace = viz.capture(viz.wrap_model(module), inputs)
    expected = output_of(module, inputs)
    assert_same(trace.output, expected[0])
    assert given_ways(module) == {way}


@pytest.mark.parametrize("tokens", [12, 130, 200])
def test_a_float_bias_that_a_model_joins_to_its_mask_stays_one(tokens):
    """DeepSeek V4 adds its own bias, of minus infinity, to the mask that it is handed."""
    module = tiny_model("deepseek_v4")
    module.config.max_position_embeddings = 512
    ids = torch.randint(5, module.config.vocab_size, (1, tokens))
    trace = viz.capture(viz.wrap_model(module), {"input_ids": ids})
    expected = output_of(module, {"input_ids": ids})
    assert_same(trace.output, expected[0])
    own = [one for one in eager_weights(module, {"input_ids": ids}) if one is not None]
    layers = [(stack, n) for stack in trace.stacks.values() for n in range(stack.layers)]
    assert len(layers) == len(own)
    by_shape = {tuple(one.shape[-2:]): one for one in own}
    for stack, number in layers:
        shape = (len(stack.queries), len(stack.keys))
        alike = [one[0] for one in own if tuple(one.shape[-2:]) == shape]
        assert any(
            torch.allclose(stack.weights(number), one[..., : shape[1]], atol=1e-5) for one in alike
        ), by_shape


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["llama", "mistral", "qwen3"])
def test_packed_positions_mean_what_they_mean_to_the_model(name, way):
    """Whether a model tells packed texts apart by their positions depends on its cache, which stays as it is."""
    module = build(name)
    module.set_attn_implementation(way)
    given = {
        "input_ids": token_ids(12),
        "position_ids": torch.tensor([[*range(5), *range(4), *range(3)]]),
    }
    trace = viz.capture(viz.wrap_model(module), given)
    assert_same(trace.output, output_of(module, given)[0])
    own = eager_weights(module, given)
    stack = trace.stacks["self"]
    for layer in range(stack.layers):
        torch.testing.assert_close(stack.weights(layer), own[layer][0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("name", ["llama", "bert", "gpt2"])
def test_a_model_that_is_switched_after_it_was_wrapped_is_captured_as_it_stands(name, first):
    module = build(name)
    module.set_attn_implementation(first)
    model = viz.wrap_model(module)
    inputs = {"input_ids": token_ids(11)}
    before = viz.capture(model, inputs).stacks["self"].weights(1)
    for way in (*WAYS, *WAYS[::-1]):
        module.set_attn_implementation(way)
        after = viz.capture(model, inputs).stacks["self"]
        torch.testing.assert_close(after.weights(1), before, atol=1e-6, rtol=0)
        assert module.config._attn_implementation == way


def test_whisper_that_switches_itself_while_it_writes_is_captured_afterwards():
    module = tiny_model("whisper")
    model = viz.wrap_model(module)
    inputs = next(iter(candidates(module)))
    before = viz.capture(model, inputs)
    module.set_attn_implementation("eager")  # as generate(return_token_timestamps=True) does
    after = viz.capture(model, inputs)
    for name, stack in before.stacks.items():
        torch.testing.assert_close(
            after.stacks[name].weights(0), stack.weights(0), atol=1e-6, rtol=0
        )


def test_every_configuration_inside_is_put_back():
    module = tiny_model("llava")
    module.set_attn_implementation({"text_config": "eager", "vision_config": "sdpa"})
    ways = [module.config.text_config, module.config.vision_config]
    before = [config._attn_implementation for config in ways]
    assert before == ["eager", "sdpa"]
    inputs = next(iter(candidates(module)))
    trace = viz.capture(viz.wrap_model(module), inputs)
    assert [config._attn_implementation for config in ways] == before
    assert_same(trace.output, output_of(module, inputs)[0])


def test_the_registry_shows_calls_only_to_who_observes():
    viz.wrap_model(build("llama"))
    query = torch.randn(1, 2, 5, 4)
    part = nn.Module()
    out, _ = ALL_ATTENTION_FUNCTIONS["sdpa"](part, query, query, query, None, is_causal=True)
    expected = nn.functional.scaled_dot_product_attention(query, query, query, is_causal=True)
    assert torch.equal(out, expected.transpose(1, 2))


class Wavering(nn.Module):
    """Computes something else in every pass."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.passes = inner, [0]

    def forward(self, *args, **kwargs):
        self.passes[0] += 1
        result = self.inner(*args, **kwargs)
        first = result[0] if isinstance(result, tuple) else result
        first = first.roll(self.passes[0], dims=-1)
        return (first, *result[1:]) if isinstance(result, tuple) else first


def wavering(name):
    module = build(name)
    for layer in module.model.layers:
        layer.mlp = Wavering(layer.mlp)
    return viz.wrap_model(module)


def test_what_our_kernel_does_not_reproduce_is_taken_from_the_models_own_pass():
    trace = viz.capture(wavering("gemma2"), {"input_ids": token_ids(9)})
    assert trace.stacks["self"].provenance(0).tier == "eager"


def test_what_no_way_reproduces_is_refused_with_the_figures():
    """Its sinks are cut off after the softmax, so that its own pass shows no weights as they are used."""
    with pytest.raises(viz.LoupeError, match=r"given with eager.*apart.*allowed 0\.0001"):
        viz.capture(wavering("gpt_oss"), {"input_ids": token_ids(9)})


@pytest.mark.parametrize("tokens", [20, 40, 64, 100, 130])
@pytest.mark.parametrize("window", [16, 64])
def test_longformer_is_shown_whatever_of_its_window_a_text_fills(window, tokens):
    torch.manual_seed(0)
    config = hf.LongformerConfig(
        **{"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"intermediate_size": 48, "max_position_embeddings": 300, "attention_window": window},
    )
    module = hf.LongformerModel(config).eval()
    ids = token_ids(tokens)
    trace = viz.capture(viz.wrap_model(module), {"input_ids": ids})
    stack = trace.stacks["self"]
    assert (stack.layers, len(stack.queries), len(stack.keys)) == (2, tokens, tokens)
    assert trace.unshown == ()
    distance = (torch.arange(tokens)[:, None] - torch.arange(tokens)).abs()
    assert torch.equal(stack.attended(0, 0), distance <= window // 2)
    with torch.inference_mode():
        own = module(ids, output_attentions=True).attentions[1][0]  # [token, head, 2 * half + 1]
    half = window // 2
    for head in range(4):
        weights = stack.weights(1, head)
        for row in range(0, tokens, 7):
            for column in range(max(0, row - half), min(tokens, row + half + 1)):
                expected = (
                    own[head, row, column - row + half]
                    if own.shape[0] == 4
                    else (own[row, head, column - row + half])
                )
                assert abs(float(weights[row, column] - expected)) < 1e-5


@pytest.mark.parametrize("tokens", [20, 100])
def test_leds_encoder_is_shown_at_its_own_window(tokens):
    torch.manual_seed(0)
    config = hf.LEDConfig(
        **{"vocab_size": 97, "d_model": 32, "encoder_layers": 2, "decoder_layers": 1},
        **{"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48},
        **{"decoder_ffn_dim": 48, "attention_window": 64, "max_encoder_position_embeddings": 256},
    )
    module = hf.LEDModel(config).eval()
    given = {"input_ids": token_ids(tokens), "decoder_input_ids": token_ids(5)}
    trace = viz.capture(viz.wrap_model(module), given)
    assert trace.unshown == ()
    encoder = trace.stacks["encoder"]
    assert (encoder.layers, len(encoder.queries)) == (2, tokens)
    distance = (torch.arange(tokens)[:, None] - torch.arange(tokens)).abs()
    assert torch.equal(encoder.attended(1, 3), distance <= 32)


@pytest.mark.parametrize("masked", [False, True])
def test_a_model_whose_own_eager_attention_gives_no_numbers_is_refused_for_that(masked):
    kind = "nemotron_asr_streaming_encoder"
    config = hf.AutoConfig.for_model(
        kind, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )
    given = {"input_features": torch.randn(1, 200, config.num_mel_bins)}
    if masked:
        given["attention_mask"] = torch.ones(1, 200, dtype=torch.long)
    torch.manual_seed(0)
    module = hf.AutoModel.from_config(config, attn_implementation="eager").eval()
    with pytest.raises(viz.LoupeError, match=r"not finite .* another attn_implementation"):
        viz.capture(viz.wrap_model(module), given)
    module.set_attn_implementation("sdpa")
    trace = viz.capture(viz.wrap_model(module), given)
    assert_same(trace.output, output_of(module, given)[0])


class Adapted(nn.Linear):
    """A linear layer with something added to it, as an adapter is."""

    def __init__(self, plain, size):
        super().__init__(plain.in_features, plain.out_features)
        self.load_state_dict(plain.state_dict())
        self.low, self.size = nn.Linear(plain.in_features, plain.out_features), size

    def forward(self, x):
        return super().forward(x) + self.size * self.low(x)


@pytest.mark.parametrize("part", ["linear1", "linear2"])
def test_an_adapter_that_the_fused_layer_leaves_out_is_refused_and_not_shown(part):
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    module = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    given = {"src": torch.randn(1, 9, 32)}
    assert viz.capture(viz.wrap_model(module), given).stacks["self"].layers == 2
    for one in module.layers:
        setattr(one, part, Adapted(getattr(one, part), 0.0))
    assert viz.capture(viz.wrap_model(module), given).stacks["self"].layers == 2
    for one in module.layers:
        getattr(one, part).size = 1.0
    with pytest.raises(viz.LoupeError, match="leave out what was put on linear parts"):
        viz.capture(viz.wrap_model(module), given)
    # Where the fused path is off, the adapter takes part, and its attention shows.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        assert viz.capture(viz.wrap_model(module), given).stacks["self"].layers == 2
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
