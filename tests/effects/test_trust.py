"""Where methods agree, where patterns mislead, and which few weights a prediction rests on."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from scipy.stats import spearmanr

import viz
from tests.effects.test_edges import by_mask
from tests.effects.test_weight_gradients import CAUSAL, IDS, built
from viz.effects import (
    Edges,
    Target,
    agreement,
    misleading,
    smallest_edges,
    token_agreement,
)
from viz.errors import InputError

TARGET = Target(position=-2, token=7, against=31)
AT = IDS.shape[1] - 2


@pytest.fixture(scope="module")
def found():
    return viz.effects(viz.wrap_model(built(CAUSAL["grouped queries"])), {"input_ids": IDS}, TARGET)


@pytest.fixture(scope="module")
def language():
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    text = "When Mary and John went to the store, John gave a drink to"
    return viz.effects(model, text, Target(token=" Mary", against=" John"))


def test_agreement_is_the_rank_correlation_with_exact_knock_out(found):
    table = agreement(found).set_index("method")
    heads = found.heads.sort_values(["layer", "head"])
    estimates = found.gradients.first_order(rows=[AT]).flatten().numpy()
    for method, other in (("share", -heads["share"]), ("first_order", estimates)):
        expected = spearmanr(heads["at_position"], other).statistic
        assert table.loc[method, "rank_correlation"] == pytest.approx(expected, abs=1e-9)
        assert table.loc[method, "heads"] == 8


def test_methods_of_tokens_are_ranked_against_leaving_words_out(found):
    methods = ("gradient_times_input", "relevance", "leave_one_out")
    frames = {name: found.tokens(name) for name in methods}
    ranks = token_agreement(frames)
    assert set(ranks) == {"gradient_times_input", "relevance"}
    exact = frames["leave_one_out"]["effect"]
    some = exact.notna()
    for name, rank in ranks.items():
        expected = spearmanr(-exact[some], frames[name]["effect"][some]).statistic
        assert rank == pytest.approx(expected, abs=1e-9)
    assert token_agreement({"relevance": frames["relevance"]}) == {}


def test_where_no_exact_knock_out_is_known_nothing_is_said():
    module = built(CAUSAL["grouped queries"])
    found = viz.effects(viz.wrap_model(module), {"input_ids": IDS}, TARGET)
    nothing = dataclasses.replace(found, at_position=None)
    assert len(agreement(nothing)) == 0
    assert misleading(nothing) == (None, None)


def test_of_a_real_model_a_head_that_attends_strongly_changes_nothing(language):
    idle, _ = misleading(language)
    exact = language.heads.set_index(["layer", "head"])["at_position"]
    assert idle is not None
    assert idle.weight >= 0.5
    assert idle.key > 0
    assert idle.change == exact[idle.layer, idle.head]
    assert abs(idle.change) <= 0.02 * exact.abs().max()
    row = language.weights("weight", idle.layer, idle.head, [13])[0]
    assert float(row[idle.key]) == pytest.approx(idle.weight)
    # A head that rests on the first key attends strongly, and not weakly.
    rests = [
        at
        for at in exact.index
        if float(language.weights("weight", *at, [13])[0, 0]) > 0.5
        and float(language.weights("weight", *at, [13])[0, 1:].max()) <= 0.2
    ]
    assert rests
    one = dataclasses.replace(
        language,
        at_position=dataclasses.replace(
            language.at_position,
            without=tuple(
                language.value - (5.0 if (head.layer, head.head) == rests[0] else 0.01)
                for head in language.at_position.heads
            ),
        ),
    )
    assert misleading(one)[1] is None
    agreed = agreement(language).set_index("method")["rank_correlation"]
    assert agreed["first_order"] > 0.8
    # What is written into the logit itself is little of what heads do.
    assert agreed["share"] < 0.5


def test_few_weights_keep_most_of_a_prediction(language):
    seen = []
    few = smallest_edges(language, progress=lambda done, most: seen.append((done, most)))
    assert few.of == 30 * 9 * 14
    assert few.kept >= 0.9 * language.value
    assert len(few.edges) < 0.3 * few.of
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1][0] == few.tried
    first = few.edges.iloc[0]
    assert first["weight_gradient"] == few.edges["weight_gradient"].max()
    # Exactly: all edges of the row but these are knocked out by hand, all at once.
    kept = few.edges.groupby(["layer", "head"])["key"].agg(set)
    others = []
    for layer in range(30):
        for head in range(9):
            keys = sorted(set(range(14)) - kept.get((layer, head), set()))
            if keys:
                others.append(Edges([13], keys, layers=[layer], heads=[head]))
    assert language.knock_out(edges=[others]).without[0] == pytest.approx(few.kept, abs=1e-3)


def test_all_edges_are_everything_and_a_share_is_a_share(found):
    sign = 1 if found.value > 0 else -1
    if sign < 0:
        found = viz.effects(found.captured.model, {"input_ids": IDS}, Target(AT, 31, 7))
    everything = smallest_edges(found, keep=1.0)
    assert everything.kept >= found.value - 1e-4
    less = smallest_edges(found, keep=0.5)
    assert len(less.edges) <= len(everything.edges)
    assert less.kept >= 0.5 * found.value
    for share in (0.0, 1.5):
        with pytest.raises(InputError, match="cannot be kept"):
            smallest_edges(found, keep=share)
    other = viz.effects(
        found.captured.model,
        {"input_ids": IDS},
        Target(AT, found.objective.against, found.objective.token),
    )
    with pytest.raises(InputError, match="not above 0"):
        smallest_edges(other)


def test_a_set_of_edges_is_what_a_mask_over_all_others_gives(found, monkeypatch):
    module = found.captured.model.module
    if found.value < 0:
        found = viz.effects(found.captured.model, {"input_ids": IDS}, Target(AT, 31, 7))
    few = smallest_edges(found, keep=0.8)
    kept = few.edges.groupby(["layer", "head"])["key"].agg(list).to_dict()

    def hidden(layer, shape):
        cells = torch.zeros(shape, dtype=torch.bool)
        for head in range(shape[0]):
            cells[head, AT] = True
            cells[head, AT, kept.get((layer, head), [])] = False
        return cells

    said = by_mask(module, {"input_ids": IDS}, found.objective, hidden, monkeypatch)
    assert few.kept == pytest.approx(said, abs=1e-5)
