"""Effects of tokens by other methods, against whole matrices, NetworkX and sums in float64."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from viz.effects import Target, rollout
from viz.effects.captured_pass import captured_pass
from viz.effects.integrated_gradients import integrated_gradients
from viz.errors import CancelledError, InputError, ShapeError

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2

# Methods of more than one step.
COUNTED = ("integrated_gradients", "attn_lrp", "relevance", "rollout", "flow", "leave_one_out")


@pytest.fixture(scope="module", params=["grouped queries", "sinks, window, experts", "multi-head"])
def found(request):
    return viz.effects(viz.wrap_model(built(CAUSAL[request.param])), {"input_ids": IDS}, TARGET)


def weights_of(found, layer):
    stack = found.trace.stacks["self"]
    return torch.stack([stack.weights(layer, head) for head in range(4)])


def effect(found, method):
    return torch.tensor(found.tokens(method)["effect"].to_numpy())


def test_relevance_is_that_of_whole_matrices(found):
    count = IDS.shape[1]
    whole = torch.eye(count, dtype=torch.float64)
    for layer in range(2):
        products = torch.stack([found.weights("positive", layer, head) for head in range(4)])
        whole = whole + products.double().mean(dim=0) @ whole
    torch.testing.assert_close(effect(found, "relevance"), whole[AT], atol=1e-5, rtol=1e-4)


def test_flow_is_that_of_networkx(found):
    graph = networkx.DiGraph()
    for layer in range(2):
        half = 0.5 * weights_of(found, layer).mean(dim=0) + 0.5 * torch.eye(IDS.shape[1])
        for query, key in half.nonzero().tolist():
            graph.add_edge((layer + 1, query), (layer, key), capacity=float(half[query, key]))
    ours = found.tokens("flow")["effect"]
    for token in (0, 3, AT, AT + 1):
        expected = 0.0
        if (0, token) in graph:
            expected = networkx.maximum_flow_value(graph, (2, AT), (0, token))
        assert ours[token] == pytest.approx(expected, abs=1e-5)
    assert ours.max() <= 1 + 1e-6


def test_integrated_gradients_add_up_to_the_change():
    # Without embeddings there are still positions here; where there is nothing at all, a norm of nothing is a step
    # that no sum of gradients follows, and the gap says so.
    model = viz.wrap_model(built(CAUSAL["multi-head"]))
    captured = captured_pass(model, {"input_ids": IDS}, TARGET)
    done = integrated_gradients(captured, steps=64)
    assert abs(done.gap) < 0.01 * float(done.tokens.abs().max())
    assert float(done.tokens.sum()) == pytest.approx(done.change + done.gap)


def test_how_far_integrated_gradients_miss_the_change_is_told(found):
    frame = found.tokens("integrated_gradients")
    assert frame["effect"].sum() - frame.attrs["gap"] == pytest.approx(
        frame.attrs["change"], abs=1e-4
    )


def test_integrated_gradients_are_a_sum_of_plain_gradients():
    module = built(CAUSAL["grouped queries"]).double()
    model = viz.wrap_model(module)
    captured = captured_pass(model, {"input_ids": IDS}, TARGET)
    chosen, steps = captured.objective, 5
    embedded = module.get_input_embeddings()(IDS).detach()
    places, weights = np.polynomial.legendre.leggauss(steps)
    expected = torch.zeros(IDS.shape[1], dtype=torch.float64)
    for place, weight in zip(places, weights, strict=True):
        given = (embedded * (place + 1) / 2).requires_grad_()
        value = module(inputs_embeds=given).logits[0, AT]
        (gradient,) = torch.autograd.grad(value[7] - value[31], given)
        expected += weight / 2 * (gradient * embedded)[0].sum(dim=-1)
    ours = integrated_gradients(captured, steps=steps)
    torch.testing.assert_close(ours.tokens.double(), expected, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        nothing = module(inputs_embeds=torch.zeros_like(embedded)).logits[0]
    assert ours.change == pytest.approx(captured.value - float(chosen.of(nothing)), abs=1e-4)


def test_each_can_be_cancelled(found):
    def stop(done, of):
        raise CancelledError("Stopped.", "")

    for method in COUNTED:
        with pytest.raises(CancelledError):
            found.tokens(method, progress=stop)


@pytest.mark.parametrize("method", COUNTED)
def test_each_tells_how_much_of_it_is_done(found, method):
    told = []
    found.tokens(method, progress=lambda done, of: told.append((done, of)))
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]


def test_a_longer_text_has_no_flow_and_keeps_the_rest():
    ids = torch.arange(200)[None] % 90 + 3
    config = CAUSAL["grouped queries"].__class__(
        **{**CAUSAL["grouped queries"].to_diff_dict(), "max_position_embeddings": 256}
    )
    found = viz.effects(viz.wrap_model(built(config)), {"input_ids": ids})
    with pytest.raises(InputError, match=r"200 tokens.*at most 128"):
        found.tokens("flow")
    assert found.tokens("relevance")["effect"].min() >= 0


def test_what_leads_to_other_units_cannot_be_followed():
    module = built(ENCODER_DECODER["relative bias"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    trace = viz.capture(viz.wrap_model(module), inputs)
    with pytest.raises(ShapeError, match="lead from its queries to other units"):
        rollout(trace.stacks["cross"], [2])
