"""What is compared once is kept, and is what the comparison itself says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import viz
from tests.models.folders import save_decoder
from viz.compare import changed, similarity
from viz.service import Request, Workbench
from viz.service.comparison_cache import Comparisons, Question
from viz.service.lru_store import BoundedStore

SELF = Question("self", "self")


def quiet(*_):
    """Tell nobody."""


@pytest.fixture(scope="module")
def runs():
    bench = Workbench()
    texts = ("the cat sat on the mat", "the dog sat on the mat")
    return [bench.capture("me", Request(model="minilm", text=text), quiet) for text in texts]


def test_every_head_is_ranked_once(runs):
    comparisons, told = Comparisons(), []
    found = comparisons.changed(*runs, SELF, told.append)
    np.testing.assert_array_equal(
        found.divergence, changed(*(run.trace for run in runs)).divergence
    )
    assert told[-1] == 1
    assert comparisons.changed(*runs, SELF, told.append) is found
    assert comparisons.changed(*runs[::-1], SELF, quiet) is not found


def test_heads_of_one_run_have_a_map_and_heads_of_two_have_none(runs):
    comparisons = Comparisons()
    alone = comparisons.all_heads(runs[0], runs[0], SELF, quiet)
    stack = runs[0].trace.stacks["self"]
    np.testing.assert_array_equal(alone.found.divergence, similarity(stack).divergence)
    assert alone.places is not None
    both = comparisons.all_heads(*runs, SELF, quiet)
    assert both.places is None
    np.testing.assert_allclose(
        np.diag(both.found.divergence),
        changed(*(run.trace for run in runs)).divergence.ravel(),
        atol=1e-9,
    )


def test_heads_of_one_run_are_compared_by_words_where_that_is_asked_for():
    text = "An unbelievably talkative mathematician"
    run = Workbench().capture("me", Request(model="minilm", text=text), quiet)
    tokens, words = (
        Comparisons().all_heads(run, run, replace(SELF, words=by_words), quiet)
        for by_words in (False, True)
    )
    assert words.found.of < tokens.found.of
    assert words.found.alone
    assert words.places is not None
    np.testing.assert_array_equal(words.found.divergence, words.found.divergence.T)
    assert not np.diag(words.found.divergence).any()
    expected = viz.compare(run.trace, run.trace, layer=3, head=1, other_head=4, words=True)
    one, other = words.found.heads.index((3, 1)), words.found.heads.index((3, 4))
    assert words.found.divergence[one, other] == pytest.approx(
        expected.overall["jensen_shannon"], abs=1e-9
    )


def test_models_are_followed_from_the_first_and_one_of_another_shape_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", str(tmp_path))
    for seed, name in enumerate(("base", "tuned", "again")):
        save_decoder(tmp_path / name, layers=2, heads=2, seed=seed)
    save_decoder(tmp_path / "flat", layers=1, heads=2)
    names = ["base", "flat", "tuned", "again"]
    bench = Workbench()
    some = [
        bench.capture("me", Request(model=name, text="the cat sat", local=True), quiet)
        for name in names
    ]
    comparisons, told = Comparisons(), []
    found = comparisons.followed(some, names, SELF, told.append)
    assert list(found.frame.index) == ["base", "tuned", "again"]
    assert not found.frame.loc["base"].any()
    for number, name in ((2, "tuned"), (3, "again")):
        expected = changed(some[0].trace, some[number].trace).divergence.ravel()
        np.testing.assert_array_equal(found.frame.loc[name], expected)
        assert (expected > 1e-4).all()
    [(name, error)] = found.apart
    assert name == "flat"
    assert "1 layer of 2 heads" in error.message
    assert told[-1] == 1
    assert comparisons.followed(some, names, SELF, quiet) is found


def test_an_item_is_made_once_and_again_after_it_was_let_go():
    store, made = BoundedStore(1, lambda _: 1), []

    def make():
        made.append(None)
        return len(made)

    assert [store.made("a", make), store.made("a", make)] == [1, 1]
    assert store.made("b", make) == 2
    assert store.made("a", make) == 3
