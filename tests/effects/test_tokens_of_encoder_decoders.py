"""Relevance, rollout and flow of encoder-decoders, against whole matrices of eager attention in float64 and NetworkX."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import (
    ENCODER_DECODER,
    IDS,
    SIDE_HEADS,
    SIDES,
    SMALL,
    built,
)
from viz.effects import Target
from viz.effects.captured_pass import captured_pass
from viz.effects.rollout import rollout_back
from viz.effects.way_back import way_back
from viz.effects.weight_gradients import gradients_of
from viz.errors import CancelledError, InputError, ShapeError

WRITTEN = IDS[:, 3:9]
TEXTS = {"input_ids": IDS, "decoder_input_ids": WRITTEN}
SOUND = hf.WhisperConfig(
    **SMALL,
    **SIDES,
    **SIDE_HEADS,
    encoder_ffn_dim=48,
    decoder_ffn_dim=48,
    num_mel_bins=8,
    max_source_positions=20,
    max_target_positions=30,
    decoder_start_token_id=1,
)
FOLLOWING = ("relevance", "rollout", "flow")
STACKS = {
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}


def sound():
    torch.manual_seed(3)
    module = hf.WhisperForConditionalGeneration(SOUND).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    drawn = torch.randn(1, 8, 40, generator=torch.Generator().manual_seed(0))
    return module, {"input_features": drawn, "decoder_input_ids": WRITTEN}


def case(name):
    if name == "sound":
        return sound()
    return built(ENCODER_DECODER[name]), TEXTS


def eager(module, inputs, chosen):
    """Weights and their gradients of each stack, float64 [layer, head, query, key]."""
    module.set_attn_implementation("eager")
    module = module.double()
    inputs = {
        name: one.double() if one.is_floating_point() else one for name, one in inputs.items()
    }
    result = module(**inputs, output_attentions=True, use_cache=False)
    flat = [one for name in STACKS.values() for one in getattr(result, name)]
    grads = torch.autograd.grad(chosen.of_row(chosen.row(result.logits)[0]), flat)
    every = iter(zip(flat, grads, strict=True))
    return {
        stack: [tuple(one[0].detach() for one in next(every)) for _ in getattr(result, name)]
        for stack, name in STACKS.items()
    }


def shared_out(relevances):
    """What is beyond the diagonal, each row as shares of its sum (Chefer et al. 2021, eq. 8 and 9)."""
    one = torch.eye(len(relevances), dtype=torch.float64)
    beyond = relevances - one
    sums = beyond.sum(dim=1, keepdim=True)
    return one + torch.where(sums > 0, beyond / sums, 0)


def chefer(seen):
    """Relevances of what is written to itself and to what is read, as matrices (eq. 5, 6, 7 and 10)."""
    positive = {
        stack: [(weights * grads).clamp_min(0).mean(dim=0) for weights, grads in layers]
        for stack, layers in seen.items()
    }
    written, read = positive["cross"][0].shape
    source = torch.eye(read, dtype=torch.float64)
    for layer in positive["encoder"]:
        source = source + layer @ source
    own, across = torch.eye(written, dtype=torch.float64), torch.zeros(written, read).double()
    for layer, cross in zip(positive["decoder"], positive["cross"], strict=True):
        own, across = own + layer @ own, across + layer @ across
        across = across + shared_out(own).T @ cross @ shared_out(source)
    return own, across


def halves(seen):
    """The same of rollout: half of each step stays."""
    mean = {stack: [weights.mean(dim=0) for weights, _ in layers] for stack, layers in seen.items()}
    written, read = mean["cross"][0].shape
    source = torch.eye(read, dtype=torch.float64)
    for layer in mean["encoder"]:
        source = (source + layer @ source) / 2
    own, across = torch.eye(written, dtype=torch.float64), torch.zeros(written, read).double()
    for layer, cross in zip(mean["decoder"], mean["cross"], strict=True):
        own, across = (own + layer @ own) / 2, (across + layer @ across) / 2
        own, across = own / 2, (across + cross @ source) / 2
    return own, across


def graph_of(seen):
    graph = networkx.DiGraph()

    def join(one, other, capacity):
        before = graph.get_edge_data(one, other, {"capacity": 0.0})["capacity"]
        graph.add_edge(one, other, capacity=before + float(capacity))

    def add(side, at, keys, weights):
        mean = weights.mean(dim=0)
        for query, key in mean.nonzero().tolist():
            join((side, at + 1, query), (*keys, key), mean[query, key] / 2)
        for query in range(len(mean)):
            join((side, at + 1, query), (side, at, query), 0.5)

    for at, (weights, _) in enumerate(seen["encoder"]):
        add("read", at, ("read", at), weights)
    top = ("read", len(seen["encoder"]))
    pairs = zip(seen["decoder"], seen["cross"], strict=True)
    for at, ((weights, _), (cross, _)) in enumerate(pairs):
        add("written", 2 * at, ("written", 2 * at), weights)
        add("written", 2 * at + 1, top, cross)
    return graph, 2 * len(seen["cross"])


def both(frame):
    told = frame.attrs["written"]
    assert len(told["token"]) == len(told["effect"])
    return torch.tensor(frame["effect"].to_numpy()), torch.tensor(told["effect"]).double()


@pytest.mark.parametrize("name", [*ENCODER_DECODER, "sound"])
@pytest.mark.parametrize("position", [-1, 2])
def test_what_is_followed_back_is_that_of_whole_matrices(name, position):
    module, inputs = case(name)
    target = Target(position=position, token=7, against=31)
    found = viz.effects(viz.wrap_model(module), inputs, target, every_head=False)
    frames = {method: found.tokens(method) for method in ("relevance", "rollout")}
    at = found.objective.place
    seen = eager(module, inputs, found.objective)
    for method, whole in (("relevance", chefer(seen)), ("rollout", halves(seen))):
        read, written = both(frames[method])
        own, across = whole
        assert float(across[at].max()) > 1e-3
        torch.testing.assert_close(read, across[at], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(written, own[at], atol=1e-5, rtol=1e-4)
        assert not written[at + 1 :].any()
    read, written = both(frames["rollout"])
    assert float(read.sum() + written.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["relative bias", "sound"])
def test_flow_is_that_of_networkx(name):
    module, inputs = case(name)
    target = Target(position=2, token=7, against=31)
    found = viz.effects(viz.wrap_model(module), inputs, target, every_head=False)
    read, written = both(found.tokens("flow"))
    graph, layers = graph_of(eager(module, inputs, found.objective))
    top = ("written", layers, 2)
    for side, ours, tokens in (("read", read, (0, 5, 12)), ("written", written, (0, 2, 3))):
        for token in tokens:
            node, expected = (side, 0, token), 0.0
            if node in graph and networkx.has_path(graph, top, node):
                expected = networkx.maximum_flow_value(graph, top, node)
            assert float(ours[token]) == pytest.approx(expected, abs=1e-5)
    assert float(read.max()) > 0.05


def test_gradients_of_any_size_are_shared_out_alike():
    # So small that sums of them are lost beside the 1 that everything begins with.
    module, inputs = case("learnt positions")
    with torch.no_grad():
        module.model.shared.weight.mul_(1e-4)
        module.final_logits_bias.zero_()
    found = viz.effects(
        viz.wrap_model(module), inputs, Target(token=7, against=31), every_head=False
    )
    ours, _ = both(found.tokens("relevance"))
    seen = eager(module, inputs, found.objective)
    _, across = chefer(seen)
    expected = across[found.objective.place]
    assert 0 < float(expected.max()) < 1e-3
    torch.testing.assert_close(ours, expected, atol=1e-5 * float(expected.max()), rtol=1e-3)


def test_the_mean_over_positions_is_that_of_each_alone():
    captured = captured_pass(viz.wrap_model(built(ENCODER_DECODER["relative bias"])), TEXTS)
    way = way_back(captured.trace, gradients_of(captured).calls)
    together = rollout_back(way, [1, 4])
    for row, at in enumerate((1, 4)):
        alone = rollout_back(way, [at])
        for side, arrived in together.items():
            torch.testing.assert_close(arrived[row], alone[side][0])


def test_a_class_is_followed_from_where_the_decoder_is_read():
    torch.manual_seed(3)
    config = hf.BartConfig(
        **{**ENCODER_DECODER["learnt positions"].to_diff_dict(), "num_labels": 3}
    )
    module = hf.BartForSequenceClassification(config).eval()
    ids = torch.cat([IDS, torch.tensor([[config.eos_token_id]])], dim=1)
    found = viz.effects(viz.wrap_model(module), {"input_ids": ids}, every_head=False)
    assert found.objective.position is None
    read, written = both(found.tokens("rollout"))
    assert len(read) == len(written) == ids.shape[1]
    # The state at the end of the text is what the class is read from: it keeps 1/2 at each of four steps, at least.
    assert float(written[-1]) >= 2**-4
    assert float(read.sum() + written.sum()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ShapeError, match="whole input"):
        found.tokens("flow")


@pytest.mark.parametrize("method", FOLLOWING)
def test_each_tells_how_much_of_it_is_done_and_can_be_cancelled(method):
    model = viz.wrap_model(built(ENCODER_DECODER["relative bias"]))
    found = viz.effects(model, TEXTS, every_head=False)
    told = []
    found.tokens(method, progress=lambda done, of: told.append((done, of)))
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]

    def stop(done, of):
        raise CancelledError("Stopped.", "")

    with pytest.raises(CancelledError):
        found.tokens(method, progress=stop)


def test_long_texts_have_no_flow_together():
    model = viz.wrap_model(built(ENCODER_DECODER["relative bias"]))
    ids = torch.arange(100)[None] % 90 + 3
    inputs = {"input_ids": ids, "decoder_input_ids": ids[:, :40]}
    found = viz.effects(model, inputs, every_head=False)
    with pytest.raises(InputError, match=r"read and written has 140 tokens.*at most 128"):
        found.tokens("flow")
    read, written = both(found.tokens("rollout"))
    assert float(read.sum() + written.sum()) == pytest.approx(1, abs=1e-4)


def test_a_decoder_that_reads_along_its_own_axis_is_refused():
    # T5Gemma 2 has one softmax over what it wrote and what it read.
    side = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "vocab_size": 97,
        "max_position_embeddings": 64,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    torch.manual_seed(3)
    config = hf.T5Gemma2Config(
        encoder={"text_config": side, "vision_config": vision, "mm_tokens_per_image": 4},
        decoder=side,
    )
    module = hf.T5Gemma2ForConditionalGeneration(config).eval()
    found = viz.effects(viz.wrap_model(module), TEXTS, every_head=False)
    for method in FOLLOWING:
        with pytest.raises(InputError, match="attends in text, cross: weights are followed"):
            found.tokens(method)


def test_cross_attention_in_some_layers_alone_is_followed_where_it_is():
    module = crossing_once()
    found = viz.effects(viz.wrap_model(module), TEXTS, every_head=False)
    assert found.trace.stacks["cross"].layers == 1
    read, written = both(found.tokens("rollout"))
    stacks = found.trace.stacks
    own = [stacks["decoder"].weights(layer).mean(dim=0).double() for layer in range(2)]
    source = torch.eye(IDS.shape[1], dtype=torch.float64)
    for layer in range(2):
        source = (source + stacks["encoder"].weights(layer).mean(dim=0).double() @ source) / 2
    at = np.eye(WRITTEN.shape[1])[found.objective.place]
    second = (torch.tensor(at) + torch.tensor(at) @ own[1]) / 2
    # The first layer alone looks across.
    expected = second @ stacks["cross"].weights(0).mean(dim=0).double() @ source / 2
    torch.testing.assert_close(read, expected, atol=1e-5, rtol=1e-4)
    left = second / 2
    torch.testing.assert_close(written, (left + left @ own[0]) / 2, atol=1e-5, rtol=1e-4)


def crossing_once():
    """A BART whose second decoder layer does not look at what is read."""
    module = built(ENCODER_DECODER["learnt positions"])
    layer = module.model.decoder.layers[1]

    def forward(hidden_states, attention_mask=None, *_args, past_key_values=None, **_more):
        attended, _ = layer.self_attn(
            hidden_states=hidden_states,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
        )
        states = layer.self_attn_layer_norm(hidden_states + attended)
        inner = layer.fc2(layer.activation_fn(layer.fc1(states)))
        return layer.final_layer_norm(states + inner)

    layer.forward = forward
    return module
