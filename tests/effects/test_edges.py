"""Weights knocked out, against eager attention whose scores are set to minus infinity at the same places."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

import viz
from tests.effects.test_knock_out import passes
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from viz.effects import Edges, Target, knock_out, knock_out_edges
from viz.errors import InputError, ShapeError

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2


def by_mask(module, inputs, chosen, hidden, monkeypatch):
    """The prediction of the eager model whose softmax of scores leaves cells out.

    hidden says of the number of a softmax over [batch, head, query, key] which cells, [head, query, key], or None.
    """
    softmax, turns = functional.softmax, [0]

    def masked(scores, *args, **options):
        if scores.ndim == 4:
            cells = hidden(turns[0], scores.shape[1:])
            turns[0] += 1
            if cells is not None:
                scores = scores.masked_fill(cells[..., : scores.shape[-1]], -torch.inf)
        # Who may look at nothing puts out nothing.
        return softmax(scores, *args, **options).nan_to_num(0.0)

    module.set_attn_implementation("eager")
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(functional, "softmax", masked)
        said = float(chosen.of(module(**inputs).logits[0]))
    module.set_attn_implementation("sdpa")
    assert turns[0], "the oracle saw no softmax"
    return said


def cells(shape, heads, rows, columns):
    found = torch.zeros(shape, dtype=torch.bool)
    for head in heads:
        for row in rows:
            found[head, row, columns] = True
    return found


# Soft caps and sinks have no sdpa to be set back to.
NAMES = sorted(set(CAUSAL) - {"sinks, window, experts", "soft cap, window"})
SETS = {
    "a cell": (Edges(rows=[AT], columns=[8], layers=[1], heads=[2]), [1], [2], [AT], [8]),
    "a row": (Edges(rows=[AT], columns=range(AT), layers=[0]), [0], range(4), [AT], range(AT)),
    "a column": (Edges(columns=[9], heads=[1]), [0, 1], [1], range(13), [9]),
    "a rectangle": (
        Edges(rows=range(5, 12), columns=range(1, 5), layers=[0, 1]),
        [0, 1],
        range(4),
        range(5, 12),
        range(1, 5),
    ),
}


@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("name", NAMES)
def test_edges_are_knocked_out_as_by_a_mask(name, which, monkeypatch):
    module = built(CAUSAL[name])
    edges, layers, heads, rows, columns = SETS[which]
    found = knock_out_edges(viz.wrap_model(module), {"input_ids": IDS}, TARGET, edges=[edges])

    def hidden(layer, shape):
        return cells(shape, heads, rows, list(columns)) if layer in layers else None

    expected = by_mask(module, {"input_ids": IDS}, found.objective, hidden, monkeypatch)
    assert found.without[0] == pytest.approx(expected, abs=1e-5 * max(1.0, abs(found.value)))
    if name != "sliding window":
        assert abs(expected - found.value) > 1e-4


@pytest.mark.parametrize("name", ["sinks, window, experts", "soft cap, window"])
def test_with_sinks_and_caps_one_token_and_whole_passes_agree(name):
    model = viz.wrap_model(built(CAUSAL[name]))
    alone = Edges(rows=[AT], columns=[AT - 1, AT - 2], heads=[0, 3])
    # The last row is behind the prediction, and changes nothing but how it is computed.
    beside = Edges(rows=[AT, AT + 1], columns=[AT - 1, AT - 2], heads=[0, 3])
    token = knock_out_edges(model, {"input_ids": IDS}, TARGET, edges=[alone])
    whole = knock_out_edges(model, {"input_ids": IDS}, TARGET, edges=[beside])
    assert token.without[0] == pytest.approx(whole.without[0], abs=1e-5)
    assert abs(token.without[0] - token.value) > 1e-4


def test_the_token_before_is_an_offset(monkeypatch):
    module = built(CAUSAL["grouped queries"])
    found = knock_out_edges(
        viz.wrap_model(module), {"input_ids": IDS}, TARGET, edges=[Edges(offset=1, layers=[0])]
    )

    def hidden(layer, shape):
        if layer:
            return None
        before = torch.eye(shape[-1]).roll(1, 0).tril().bool()
        return before.expand(shape)

    expected = by_mask(module, {"input_ids": IDS}, found.objective, hidden, monkeypatch)
    assert found.without[0] == pytest.approx(expected, abs=1e-5)


def test_who_may_look_at_nothing_any_more_puts_out_nothing():
    module = built(CAUSAL["grouped queries"])
    model = viz.wrap_model(module)
    row = Edges(rows=[AT], layers=[1], heads=[2])
    found = knock_out_edges(model, {"input_ids": IDS}, TARGET, edges=[row])
    expected = knock_out(model, {"input_ids": IDS}, TARGET, heads=[(1, 2)], queries=[AT])
    assert found.without[0] == pytest.approx(expected.without[0], abs=1e-5)


def test_many_sets_at_the_position_are_one_batch_of_tokens():
    module = built(CAUSAL["grouped queries"])
    model = viz.wrap_model(module)
    seen = passes(module)
    sets = [Edges(rows=[AT], columns=[key]) for key in range(AT)]
    found = knock_out_edges(model, {"input_ids": IDS}, TARGET, edges=sets)
    assert len(found.without) == AT
    assert seen.count((1 + AT, 1)) == 1
    assert max(shape[0] for shape in seen if shape[1] > 1) == 1


def test_edges_of_cross_attention(monkeypatch):
    module = built(ENCODER_DECODER["learnt positions"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    edges = Edges(rows=[5], columns=[2, 3], layers=[1], stack="cross")
    found = knock_out_edges(
        viz.wrap_model(module), inputs, Target(token=7, measure="logit"), edges=[edges]
    )

    def hidden(number, shape):
        # Two layers of the encoder; then self- and cross-attention in turn.
        return cells(shape, range(4), [5], [2, 3]) if number == 5 else None

    expected = by_mask(module, inputs, found.objective, hidden, monkeypatch)
    assert found.without[0] == pytest.approx(expected, abs=1e-5)
    assert abs(expected - found.value) > 1e-4


@pytest.mark.parametrize(
    ("edges", "error", "said"),
    [
        (Edges(rows=[3], columns=[9]), InputError, "None of the chosen weights"),
        (Edges(rows=[13]), ShapeError, "no query 13"),
        (Edges(columns=[-1]), ShapeError, "no key -1"),
        (Edges(layers=[2]), ShapeError, "no layer 2"),
        (Edges(heads=[4]), ShapeError, "no head 4"),
        (Edges(stack="cross"), ShapeError, "no stack 'cross'"),
    ],
)
def test_edges_that_are_none_are_said(edges, error, said):
    model = viz.wrap_model(built(CAUSAL["grouped queries"]))
    with pytest.raises(error, match=said):
        knock_out_edges(model, {"input_ids": IDS}, TARGET, edges=[edges])
