"""All effects of one prediction in one object, on random models and on real ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from viz.effects import (
    Edges,
    Head,
    Target,
    direct_attribution,
    knock_out,
    order_curves,
    rollout,
    weight_gradients,
)
from viz.effects.captured_pass import captured_pass
from viz.effects.prediction_effects import effects_of
from viz.errors import CancelledError, InputError, ModelRefusedError
from viz.training.demo.measures import RUN, doubled, random_runs

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2


@pytest.fixture(scope="module")
def model():
    return viz.wrap_model(built(CAUSAL["grouped queries"]))


@pytest.fixture(scope="module")
def found(model):
    return viz.effects(model, {"input_ids": IDS}, TARGET)


def test_every_head_has_what_each_method_alone_says(model, found):
    heads = found.heads.set_index(["layer", "head"])
    assert len(heads) == 8
    exact = knock_out(model, {"input_ids": IDS}, TARGET, queries=[AT]).table
    for row in exact.itertuples():
        assert heads.loc[(row.layer, row.head), "at_position"] == pytest.approx(
            row.change, abs=1e-5
        )
    shares = direct_attribution(model, {"input_ids": IDS}, TARGET).heads()
    estimates = weight_gradients(model, {"input_ids": IDS}, TARGET).first_order()
    for layer, head in heads.index:
        assert heads.loc[(layer, head), "share"] == pytest.approx(
            float(shares[layer, head]), abs=1e-6
        )
        assert heads.loc[(layer, head), "first_order"] == pytest.approx(
            float(estimates[layer, head]), abs=1e-6
        )
    assert found.heads["at_position"].abs().is_monotonic_decreasing


def test_shares_of_weights_add_up_to_their_head(found):
    for layer in range(2):
        for head in range(4):
            shares = found.weights("share", layer, head)
            assert shares.shape == (13, 13)
            assert bool((shares.sum(dim=1).nonzero() == AT).all())
            assert float(shares.sum()) == pytest.approx(
                float(found.direct.heads()[layer, head]), abs=1e-5
            )
    part = found.weights("share", 1, 2, [0, AT], [3, 5])
    torch.testing.assert_close(part, found.weights("share", 1, 2)[[0, AT]][:, [3, 5]])


def test_every_kind_of_weights_follows_from_the_others(found):
    weights = found.weights("weight", 1, 3, [AT])
    torch.testing.assert_close(weights, found.trace.stacks["self"].weights(1, 3, [AT]))
    product = found.weights("weight_gradient", 1, 3, [AT])
    torch.testing.assert_close(product, weights * found.weights("gradient", 1, 3, [AT]))
    torch.testing.assert_close(found.weights("positive", 1, 3, [AT]), product.clamp_min(0))
    assert bool((product < 0).any())
    with pytest.raises(InputError, match="no kind of weights 'importance'"):
        found.weights("importance", 0, 0)


def test_heads_and_edges_are_knocked_out_of_the_same_pass(model, found):
    heads = found.knock_out(heads=[(0, 1)])
    assert heads.value == found.value
    assert heads.without[0] == pytest.approx(
        knock_out(model, {"input_ids": IDS}, TARGET, heads=[(0, 1)]).without[0], abs=1e-5
    )
    row = found.knock_out(edges=[Edges(rows=[AT], layers=[0], heads=[1])])
    silent = found.knock_out(heads=[(0, 1)], queries=[AT])
    assert row.without[0] == pytest.approx(silent.without[0], abs=1e-5)
    other = viz.effects(model, {"input_ids": IDS.flip(1)}, TARGET)
    resampled = found.knock_out(heads=[(0, 1)], replacement="resample", other=other)
    assert resampled.without[0] != pytest.approx(heads.without[0], abs=1e-4)
    with pytest.raises(InputError, match="together"):
        found.knock_out(heads=[(0, 0)], edges=[Edges()])


def test_rollout_is_the_product_of_all_layers(found):
    stack = found.trace.stacks["self"]
    product = torch.eye(13, dtype=torch.float64)
    for layer in range(2):
        mean = stack.weights(layer).double().mean(dim=0)
        product = (0.5 * mean + 0.5 * torch.eye(13, dtype=torch.float64)) @ product
    effect = torch.tensor(found.tokens("rollout")["effect"].to_numpy())
    torch.testing.assert_close(effect, product[AT], atol=1e-6, rtol=0)
    both = rollout(stack, [3, AT])
    torch.testing.assert_close(both.double(), product[[3, AT]], atol=1e-6, rtol=0)


def test_gradient_times_input_is_autograds(model, found):
    module = model.module
    embedded = module.get_input_embeddings()(IDS).detach().requires_grad_()
    logits = module(inputs_embeds=embedded).logits[0, AT]
    (gradient,) = torch.autograd.grad(logits[7] - logits[31], embedded)
    expected = (gradient * embedded).sum(dim=-1)[0].detach()
    effect = torch.tensor(found.tokens("gradient_times_input")["effect"].to_numpy())
    torch.testing.assert_close(effect.float(), expected, atol=1e-5, rtol=1e-4)


def test_words_are_left_out_of_a_text():
    language = viz.load_model("smollm2", device="cpu", dtype="float32")
    found = viz.effects(language, "The capital of France is", Target(token=" Paris"))
    seen = []
    table = found.tokens("leave_one_out", progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (4, 4)
    at = table["token"].tolist().index("·France")
    ids = torch.tensor(list(found.trace.units.ids))[None]
    kept = [one for one in range(ids.shape[1]) if one != at]
    with torch.no_grad():
        logits = language.module(ids[:, kept]).logits[0, -1]
    expected = float(logits[found.objective.token] - logits[found.objective.against])
    assert table["effect"][at] == pytest.approx(expected - found.value, abs=1e-3)
    assert table["effect"][at] < -1
    assert table["effect"].isna().sum() == 1

    def cancel(done, of):
        raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        found.tokens("leave_one_out", progress=cancel)


def test_heads_that_are_done_are_counted_where_that_is_asked_for(model):
    captured = captured_pass(model, {"input_ids": IDS}, TARGET)
    phases, counts = [], []
    effects_of(
        captured,
        lambda phase, share: phases.append((phase, share)),
        heads_done=lambda done, of: counts.append((done, of)),
    )
    assert phases == [("gradients", 0.0), ("shares", 0.0), ("heads", 0.0)]
    assert counts[-1] == (8, 8)
    shares = []
    effects_of(captured, lambda phase, share: shares.append((phase, share)))
    assert shares == [*phases, *(("heads", done / of) for done, of in counts)]


def test_what_a_method_does_not_fit_is_said(found):
    with pytest.raises(InputError, match="no method 'importance'"):
        found.tokens("importance")
    one = viz.effects(found.captured.model, {"input_ids": IDS[:, :1]})
    with pytest.raises(InputError, match="nothing is left"):
        one.tokens("leave_one_out")


def test_of_an_encoder_decoder_what_can_be_said_is_said():
    module = built(ENCODER_DECODER["learnt positions"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    found = viz.effects(viz.wrap_model(module), inputs, Target(token=7, measure="logit"))
    assert set(found.heads["stack"]) == {"encoder", "decoder", "cross"}
    assert found.heads["at_position"].notna().all()
    assert found.heads["first_order"].notna().all()
    for stack, rows in {"encoder": None, "decoder": [5], "cross": [5]}.items():
        alone = found.knock_out(heads=[Head(1, 2, stack)], queries=rows).without[0]
        own = found.heads.set_index(["stack", "layer", "head"]).loc[(stack, 1, 2)]
        assert own["at_position"] == pytest.approx(alone - found.value, abs=1e-5)
    with pytest.raises(InputError, match="no order together"):
        order_curves(found)
    with pytest.raises(ModelRefusedError, match="normalised within it"):
        found.weights("share", 0, 0, stack="decoder")
    assert len(found.tokens("rollout")) == IDS.shape[1]


def test_induction_heads_decide_what_is_repeated_and_rest_on_heads_that_look_one_back():
    """Olsson et al. 2022: what followed a token is found by a head whose keys know the token before them."""
    model = viz.load_model("loupe", device="cpu", dtype="float32")
    runs = random_runs(len(model.tokenizer), 1, np.random.default_rng(0))
    ids = torch.as_tensor(doubled(runs, model.tokenizer.bos_token_id))
    # In the middle of the second time, where the model says the next piece right.
    at = RUN + 21
    target = int(ids[0, at + 1])
    found = viz.effects(model, {"input_ids": ids[:, : at + 1]}, Target(token=target))
    assert found.value > 2
    first = found.heads.iloc[0]
    layer, head = int(first["layer"]), int(first["head"])
    # The head that matters most attends to what came after the same piece, and writes it into the logit.
    assert int(found.weights("weight", layer, head, [at])[0].argmax()) == at - RUN + 1
    assert first["at_position"] < -1 < 0 < first["share"]
    # Without the weights by which the heads before it look one back, what it says is lost.
    before, elsewhere = (
        found.knock_out(edges=[Edges(offset=offset, layers=range(layer))]).without[0]
        for offset in (1, 7)
    )
    assert before < 0 < elsewhere
    assert elsewhere == pytest.approx(found.value, abs=0.5)
