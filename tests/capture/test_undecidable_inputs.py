"""Patterns that would be plausible and wrong: each was shown once, or could have been."""

from __future__ import annotations

import threading

import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn import functional

import viz

TOLERANCE = 1e-5
SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}


class Written(nn.Module):
    """Attention written out by hand, with a turn of its own where a subclass wants one."""

    def __init__(self, width=16, heads=4):
        super().__init__()
        self.num_heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def split(self, x):
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def weights(self, x):
        q, k = self.split(self.query(x)), self.split(self.key(x))
        return (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(dim=-1)

    def values(self, x):
        return self.split(self.value(x))

    def forward(self, x):
        mixed = self.weights(x) @ self.values(x)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Dropping(Written):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.1)

    def values(self, x):
        return self.split(self.drop(self.value(x)))


class Adding(Written):
    """Writes to what it is given."""

    def forward(self, x):
        x += 0.5
        return super().forward(x)


class Masked(Written):
    """Exponentials instead of a softmax, so that only reading shows it."""

    def weights(self, x):
        q, k = self.split(self.query(x)), self.split(self.key(x))
        scores = (q @ k.transpose(2, 3)).exp()
        return scores / scores.sum(dim=-1, keepdim=True)


class TalkingHeads(Written):
    def __init__(self):
        super().__init__()
        self.mix = nn.Parameter(torch.randn(4, 4).softmax(dim=0))

    def weights(self, x):
        return torch.einsum("bhqk,hg->bgqk", super().weights(x), self.mix)


class TwoHops(Written):
    def weights(self, x):
        once = super().weights(x)
        return once @ once


class Landmarks(Written):
    """Nyström's way: queries look at landmarks, landmarks at keys."""

    def forward(self, x):
        q, k = self.split(self.query(x)), self.split(self.key(x))
        few_q, few_k = q[:, :, ::3], k[:, :, ::3]
        near = (q @ few_k.transpose(2, 3)).softmax(dim=-1)
        middle = torch.linalg.pinv((few_q @ few_k.transpose(2, 3)).softmax(dim=-1))
        far = (few_q @ k.transpose(2, 3)).softmax(dim=-1)
        mixed = (near @ middle) @ (far @ self.values(x))
        return self.out(mixed.transpose(1, 2).flatten(2))


class Linear(Written):
    def forward(self, x):
        q, k = self.split(self.query(x)).softmax(-1), self.split(self.key(x)).softmax(-2)
        mixed = q @ (k.transpose(2, 3) @ self.values(x))
        return self.out(mixed.transpose(1, 2).flatten(2))


class Feedforward(nn.Module):
    """Ends in a projection that is called values, and mixes nothing."""

    def __init__(self):
        super().__init__()
        self.num_heads = 4
        self.key, self.value = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x):
        return self.value(self.key(x).relu())


def built(kind):
    torch.manual_seed(0)
    return kind().eval()


def captured(module, x):
    return viz.capture(viz.wrap_model(nn.Sequential(module)), {"input": x.clone()})


@pytest.mark.parametrize("kind", [Written, Dropping, Adding, Masked, TalkingHeads, TwoHops])
def test_what_is_shown_is_what_the_values_were_weighed_with(kind):
    module, x = built(kind), torch.randn(1, 12, 16)
    with torch.no_grad():
        expected = module(x.clone())
        true = module.weights(x + 0.5 if kind is Adding else x)
    trace = captured(module, x)
    torch.testing.assert_close(trace.output, expected[0], atol=TOLERANCE, rtol=0)
    stack = trace.stacks["self"]
    assert (stack.layers, stack.heads(0)) == (1, 4)
    for head in range(4):
        torch.testing.assert_close(stack.weights(0, head), true[0, head], atol=TOLERANCE, rtol=0)


def test_linear_attention_that_is_a_mean_of_its_values_shows_the_weights_of_that_mean():
    module, x = built(Linear), torch.randn(1, 12, 16)
    q, k = module.split(module.query(x)).softmax(-1), module.split(module.key(x)).softmax(-2)
    stack = captured(module, x).stacks["self"]
    assert (len(stack.queries), len(stack.keys)) == (12, 12)
    torch.testing.assert_close(
        stack.weights(0, 1), (q @ k.transpose(2, 3))[0, 1].detach(), atol=TOLERANCE, rtol=0
    )


def test_a_projection_that_is_called_value_is_no_attention():
    with pytest.raises(viz.LoupeError, match="no softmax attention"):
        captured(built(Feedforward), torch.randn(1, 12, 16))


def test_landmarks_are_not_taken_for_keys():
    """Nyström's weights may be negative, and their rows need not sum to 1."""
    with pytest.raises(viz.LoupeError, match="no softmax attention"):
        captured(built(Landmarks), torch.randn(1, 12, 16))


def test_nystromformer_over_landmarks_is_refused():
    torch.manual_seed(0)
    config = hf.NystromformerConfig(**SMALL, num_landmarks=8, segment_means_seq_len=64)
    module = hf.NystromformerModel(config).eval()
    with pytest.raises(viz.LoupeError, match="failed its check"):
        viz.capture(viz.wrap_model(module), {"input_ids": torch.randint(5, 97, (1, 64))})


class ByHead(nn.Module):
    """Calls the kernel once a head, on pieces of one tensor."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x):
        q, k, v = (
            part.view(*x.shape[:2], 4, 4).transpose(1, 2).contiguous()
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        heads = [
            functional.scaled_dot_product_attention(q[:, h], k[:, h], v[:, h]) for h in range(4)
        ]
        return torch.cat(heads, dim=-1)


def test_heads_that_are_called_one_by_one_are_no_longer_text():
    module, x = built(ByHead), torch.randn(1, 12, 16)
    q, k, _ = (part.unflatten(-1, (4, 4)) for part in module.qkv(x).chunk(3, dim=-1))
    expected = (torch.einsum("bqhd,bkhd->bhqk", q, k) / 2).softmax(dim=-1)[0].detach()
    stack = captured(module, x).stacks["self"]
    assert (len(stack.queries), len(stack.keys)) == (12, 12)
    mine = torch.stack([stack.weights(call, 0) for call in range(4)])
    torch.testing.assert_close(mine, expected, atol=TOLERANCE, rtol=0)


def test_each_item_of_a_batch_is_its_own():
    module, x = built(Written), torch.randn(3, 12, 16)
    with torch.no_grad():
        true = module.weights(x)
    model = viz.wrap_model(nn.Sequential(module))
    for item in range(3):
        stack = viz.capture(model, {"input": x}, item=item).stacks["self"]
        torch.testing.assert_close(stack.weights(0, 2), true[item, 2], atol=TOLERANCE, rtol=0)


def test_time_may_come_first():
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0)
    model = viz.wrap_model(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval())
    x = torch.randn(5, 3, 16)
    for item in range(3):
        whole = viz.capture(model, {"src": x}, item=item).stacks["self"]
        alone = viz.capture(model, {"src": x[:, item : item + 1]}).stacks["self"]
        assert len(whole.queries) == 5
        torch.testing.assert_close(whole.weights(1, 2), alone.weights(1, 2), atol=1e-5, rtol=0)


def test_a_random_number_of_another_thread_is_not_drawn_twice():
    torch.manual_seed(0)
    config = hf.LongformerConfig(**SMALL, attention_window=8)
    model = viz.wrap_model(hf.LongformerModel(config).eval())
    drawn, done = [], threading.Event()

    def draw():
        while not done.is_set():
            drawn.append(float(torch.rand(1, dtype=torch.float64)))

    thread = threading.Thread(target=draw)
    viz.capture(model, {"input_ids": torch.randint(5, 97, (1, 24))})
    thread.start()
    for _ in range(3):
        viz.capture(model, {"input_ids": torch.randint(5, 97, (1, 24))})
    done.set()
    thread.join()
    assert drawn
    assert len(set(drawn)) == len(drawn)


def test_a_module_that_is_wrapped_twice_is_one():
    torch.manual_seed(0)
    module = nn.Sequential(built(Written))
    one, two = viz.wrap_model(module), viz.wrap_model(module)
    assert one.lock is two.lock


def test_falcon_is_exact_as_it_comes():
    """It chooses its kernel by name when it is built, and cannot be told another later."""
    torch.manual_seed(0)
    config = hf.FalconConfig(**SMALL)
    module = hf.FalconForCausalLM(config).eval()
    eager = hf.FalconForCausalLM._from_config(config, attn_implementation="eager").eval()
    eager.load_state_dict(module.state_dict())
    ids = torch.randint(5, 97, (1, 14))
    stack = viz.capture(viz.wrap_model(module), {"input_ids": ids}).stacks["self"]
    with torch.no_grad():
        own = eager(ids, output_attentions=True).attentions
    for layer in range(2):
        torch.testing.assert_close(stack.weights(layer, 3), own[layer][0, 3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["bert", "longformer"])
def test_float64_is_captured(kind):
    module = (
        hf.BertModel(hf.BertConfig(**SMALL))
        if kind == "bert"
        else hf.LongformerModel(hf.LongformerConfig(**SMALL, attention_window=8))
    )
    trace = viz.capture(
        viz.wrap_model(module.double().eval()), {"input_ids": torch.randint(5, 97, (1, 16))}
    )
    assert trace.stacks["self"].layers == 2


def test_what_bart_reads_in_its_decoder_is_named():
    torch.manual_seed(0)
    config = hf.BartConfig(
        vocab_size=97,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=64,
    )
    module = hf.BartForConditionalGeneration(config).eval()
    ids = torch.tensor([[0, 11, 12, 13, 2]])
    with torch.no_grad():
        expected = module(ids).logits
    trace = viz.capture(viz.wrap_model(module), {"input_ids": ids})
    assert trace.stacks["decoder"].queries.ids == (2, 0, 11, 12, 13)
    torch.testing.assert_close(trace.output, expected[0], atol=1e-5, rtol=0)


HYBRID = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
}


def test_a_soft_cap_leaves_nothing_out():
    """Its layers are computed in blocks of weights, which is the layer itself and no second one."""
    torch.manual_seed(0)
    config = hf.Gemma2Config(**HYBRID, head_dim=16, attn_logit_softcapping=5.0)
    model = viz.wrap_model(hf.Gemma2Model(config).eval())
    assert viz.capture(model, {"input_ids": torch.randint(5, 97, (1, 9))}).unshown == ()


def test_layers_that_mix_tokens_without_attention_are_named():
    torch.manual_seed(0)
    config = hf.JambaConfig(
        **HYBRID, attn_layer_period=2, attn_layer_offset=1, use_mamba_kernels=False, num_experts=2
    )
    model = viz.wrap_model(hf.JambaModel(config).eval())
    trace = viz.capture(model, {"input_ids": torch.randint(5, 97, (1, 9))})
    assert trace.stacks["self"].layers == 1
    assert trace.unshown == ("layers.0.mamba",)
