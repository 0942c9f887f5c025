"""Relevance by AttnLRP, against its rules written out in float64 and against LXT, its authors' library."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import CAUSAL, DECODER, ENCODER_DECODER, IDS, built
from viz.effects import Target
from viz.effects.attn_lrp import attn_lrp
from viz.effects.captured_pass import captured_pass

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2


def linear(given, weight, relevance):
    """Share relevance of what a linear layer put out among what it was handed: the rule of small epsilon."""
    return given * ((relevance / (given @ weight.T)) @ weight)


def multiplied(one, other, relevance):
    """The uniform rule of a product of matrices, [.., a, b] @ [.., b, c]."""
    share = relevance / (one @ other) / 2
    return one * (share @ other.transpose(-1, -2)), other * (one.transpose(-1, -2) @ share)


def turned(given, cos, sin, relevance):
    """Rotary positions, which are a linear map of each pair."""
    first, second = given.chunk(2, dim=-1)
    share = relevance / (given * cos + torch.cat([-second, first], dim=-1) * sin)
    down, up = (share * sin).chunk(2, dim=-1)
    return given * (share * cos + torch.cat([up, -down], dim=-1))


class WrittenOut:
    """A Llama in float64, forward and with relevance back."""

    def __init__(self, module):
        self.module = module.double()
        self.inner = module.model
        self.heads, self.kv = 4, module.config.num_key_value_heads

    @torch.no_grad()
    def __call__(self, ids, at, token, against):
        states = self.inner.embed_tokens(ids)[0]
        cos, sin = (
            one[0] for one in self.inner.rotary_emb(states[None], torch.arange(len(states))[None])
        )
        steps = []
        for layer in self.inner.layers:
            steps.append(self.forward(layer, states, cos, sin))
            states = steps[-1]["after"]
        direction = self.module.lm_head.weight[token] - self.module.lm_head.weight[against]
        relevance = torch.zeros_like(states)
        relevance[at] = self.inner.norm(states)[at] * direction
        for layer, step in zip(reversed(self.inner.layers), reversed(steps), strict=True):
            relevance = self.back(layer, step, cos, sin, relevance)
        return relevance.sum(dim=-1)

    def forward(self, layer, states, cos, sin):
        attention, mlp, step = layer.self_attn, layer.mlp, {"before": states}
        step["normed"] = layer.input_layernorm(states)

        def apart(part):
            return part(step["normed"]).unflatten(-1, (-1, 8)).transpose(0, 1)

        step["query"], step["key"], step["value"] = map(
            apart, (attention.q_proj, attention.k_proj, attention.v_proj)
        )

        def turn(one):
            return one * cos + torch.cat([-one[..., 4:], one[..., :4]], dim=-1) * sin

        def repeat(one):
            return one.repeat_interleave(self.heads // self.kv, dim=0)

        step["turned query"], step["turned key"] = turn(step["query"]), repeat(turn(step["key"]))
        step["repeated value"] = repeat(step["value"])
        step["scores"] = step["turned query"] @ step["turned key"].transpose(1, 2)
        scaled = step["scores"] * attention.scaling
        hidden = torch.ones_like(scaled[0], dtype=torch.bool).triu(1)
        step["weights"] = scaled.masked_fill(hidden, -torch.inf).softmax(dim=-1)
        step["output"] = step["weights"] @ step["repeated value"]
        step["joined"] = step["output"].transpose(0, 1).flatten(1)
        step["attended"] = attention.o_proj(step["joined"])
        step["between"] = states + step["attended"]
        step["second"] = layer.post_attention_layernorm(step["between"])
        step["gate"], step["up"] = mlp.gate_proj(step["second"]), mlp.up_proj(step["second"])
        step["product"] = torch.nn.functional.silu(step["gate"]) * step["up"]
        step["added"] = mlp.down_proj(step["product"])
        step["after"] = step["between"] + step["added"]
        return step

    def back(self, layer, step, cos, sin, relevance):
        attention, mlp = layer.self_attn, layer.mlp
        share = relevance / step["after"]
        product = linear(step["product"], mlp.down_proj.weight, share * step["added"]) / 2
        between = share * step["between"]
        between += linear(step["second"], mlp.gate_proj.weight, product)
        between += linear(step["second"], mlp.up_proj.weight, product)
        share = between / step["between"]
        joined = linear(step["joined"], attention.o_proj.weight, share * step["attended"])
        output = joined.unflatten(-1, (self.heads, -1)).transpose(0, 1)
        weights, value = multiplied(step["weights"], step["repeated value"], output)
        scores = step["scores"] * attention.scaling
        scores = scores * (weights - step["weights"] * weights.sum(dim=-1, keepdim=True))
        query, key = multiplied(step["turned query"], step["turned key"].transpose(1, 2), scores)

        def once(one):
            return one.unflatten(0, (self.kv, -1)).sum(dim=1)

        query = turned(step["query"], cos, sin, query)
        key = turned(step["key"], cos, sin, once(key.transpose(1, 2)))

        def side(one):
            return one.transpose(0, 1).flatten(1)

        before = share * step["before"]
        before += linear(step["normed"], attention.q_proj.weight, side(query))
        before += linear(step["normed"], attention.k_proj.weight, side(key))
        return before + linear(step["normed"], attention.v_proj.weight, side(once(value)))


@pytest.mark.parametrize("name", ["grouped queries", "one key-value head"])
def test_relevance_is_that_of_the_rules_written_out(name):
    module = built(CAUSAL[name])
    expected = WrittenOut(module)(IDS, AT, 7, 31)
    found = viz.effects(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    frame = found.tokens("attn_lrp")
    ours = torch.tensor(frame["effect"].to_numpy())
    assert float(expected.abs().max()) > 0.1
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    assert frame.attrs["value"] == pytest.approx(found.value)
    assert frame.attrs["gap"] == pytest.approx(float(expected.sum()) - found.value, abs=1e-4)


# `python -c` of LXT 2.1 (monkey_patch of modeling_llama) on transformers 4.51.3, the last series that it can be
# imported with, on the same weights.
OF_LXT = {
    "When": -0.62006,
    "·Mary": 2.05308,
    "·and": 0.15948,
    "·John": -0.64165,
    "·went": 0.07065,
    "·to": 0.02938,
    "·the": 0.02487,
    "·store": -0.03585,
    ",": 0.09125,
    "·gave": 0.13566,
    "·a": 0.05113,
    "·drink": 0.02543,
}


def test_of_a_real_model_it_is_what_its_authors_library_says():
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    text = "When Mary and John went to the store, John gave a drink to"
    found = viz.effects(model, text, Target(token=" Mary", against=" John"), every_head=False)
    frame = found.tokens("attn_lrp").drop_duplicates("token").set_index("token")["effect"]
    for token, expected in OF_LXT.items():
        assert frame[token] == pytest.approx(expected, abs=1e-4), token


@pytest.mark.parametrize("name", [*CAUSAL, "relu squared"])
def test_the_rules_leave_what_a_model_computes_alone(name):
    # Each brings operations of its own: caps, sinks, experts, norms of queries, parallel blocks, activations.
    more = {"relu squared": hf.NemotronConfig(**DECODER, num_key_value_heads=2, head_dim=8)}
    model = viz.wrap_model(built({**CAUSAL, **more}[name]))
    captured = captured_pass(model, {"input_ids": IDS}, TARGET)
    passed_back = attn_lrp(captured)
    assert bool(torch.isfinite(passed_back.tokens).all())
    assert float(passed_back.tokens.abs().max()) > 1e-3
    # What comes after the prediction, and what nothing attends to, has none.
    assert float(passed_back.tokens[AT + 1 :].abs().max()) == 0
    again = captured_pass(model, {"input_ids": IDS}, TARGET)
    assert again.value == pytest.approx(captured.value, abs=1e-6)


def test_of_what_an_encoder_decoder_reads_every_token_has_its_share():
    for name in ENCODER_DECODER:
        inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
        found = viz.effects(viz.wrap_model(built(ENCODER_DECODER[name])), inputs)
        frame = found.tokens("attn_lrp")
        assert len(frame) == IDS.shape[1]
        assert frame["effect"].abs().min() > 0
