"""Who gets what, and what is let go."""

from __future__ import annotations

import threading
import weakref

import pytest

import viz
from tests.models.folders import save_encoder_decoder, save_small
from viz.errors import BudgetError
from viz.service import Request, TextStore, Workbench
from viz.service.lru_store import BoundedStore
from viz.service.run_request import source_of


def silent(phase, share):
    pass


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", str(tmp_path))
    save_small(tmp_path / "small")
    return tmp_path


def test_a_result_belongs_to_its_owner(models):
    bench = Workbench()
    request = Request("small", "the cat sat", local=True)
    analysis = bench.analyse("ann", request, silent)
    assert bench.result("ann", request) is analysis
    assert bench.result("bob", request) is None


def test_a_request_is_compared_with_eager_attention(models):
    save_encoder_decoder(models / "translator")
    bench = Workbench()
    for request in (
        Request("small", "the cat", pair="sat", local=True),
        Request("translator", "the cat sat", pair="the dog", local=True),
    ):
        assert bench.check(request, silent).largest < 1e-5
    with pytest.raises(viz.LoupeError, match="at most 1,024"):
        bench.check(Request("small", "cat " * 1100, local=True), silent)


def test_phases_are_told_in_order_and_a_cancel_leaves_everything_usable(models):
    class Cancelled(BaseException):
        pass

    bench = Workbench()
    request = Request("small", "the cat sat", local=True)
    phases = []

    def cancel_while_drawing(phase, share):
        phases.append(phase)
        if phase == "draw":
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.analyse("ann", request, cancel_while_drawing)
    assert sorted(set(phases), key=phases.index) == ["load", "tokenise", "forward", "draw"]
    assert bench.result("ann", request) is None
    assert bench.analyse("ann", request, silent).trace.stacks["self"].layers == 3


@pytest.mark.parametrize("seen", [None, ("cross", 1), ("encoder", 0), ("decoder", 99), ("none", 0)])
def test_the_drawing_of_several_stacks_is_one_piece_of_work(models, seen):
    save_encoder_decoder(models / "translator")
    request = Request("translator", "the cat sat", pair="the dog", local=True)
    told = []

    def note(phase, share):
        if phase == "draw":
            told.append(share)

    bench = Workbench()
    analysis = bench.analyse("ann", request, note, first=seen)
    assert told[0] == 0.0
    assert told == sorted(told)
    assert told[-1] < 1
    assert list(analysis.surveys) == list(analysis.trace.stacks)
    assert analysis.surveyed_layers == sum(one.layers for one in analysis.trace.stacks.values())


def test_a_model_is_loaded_once_however_many_ask(models):
    bench = Workbench()
    request = Request("small", "the cat sat", local=True)
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(bench.model(request, silent))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert len({id(model) for model in got}) == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request("../../etc", "x", local=True), "outside the folders"),
        (Request("/etc", "x"), "outside the folders"),
        (Request("missing", "x", local=True), "no folder missing"),
    ],
)
def test_folders_are_opened_from_the_allowed_ones_only(models, request_, message):
    with pytest.raises(viz.LoupeError, match=message):
        Workbench().analyse("ann", request_, silent)


def test_a_name_is_never_taken_for_a_folder(models, monkeypatch):
    monkeypatch.chdir(models)
    assert source_of(Request("small", "x")) == "hub:small"


def test_a_bounded_store_lets_go_of_what_was_not_used_for_longest():
    store = BoundedStore(10, len)
    store.put("a", "aaaa")
    store.put("b", "bbbb")
    store.get("a")
    store.put("c", "cccc")
    assert (store.get("a"), store.get("b"), store.get("c")) == ("aaaa", None, "cccc")
    store.put("d", "d" * 50)
    assert store.get("d") == "d" * 50
    assert store.get("c") is None


def test_a_bounded_store_asks_each_item_for_its_size_once():
    asked = []

    def size(item: str) -> int:
        asked.append(item)
        return len(item)

    store = BoundedStore(10, size)
    for item in ("aaaa", "bbbb", "cccc", "cccc", "dddd"):
        store.put(item[0], item)
    assert asked == ["aaaa", "bbbb", "cccc", "cccc", "dddd"]
    assert [store.get(key) for key in "abcd"] == [None, None, "cccc", "dddd"]
    store.drop("c")
    store.put("e", "eeeeee")
    assert store.get("d") == "dddd", "what was dropped takes no room"


def test_texts_are_found_by_digest_and_by_nothing_else(tmp_path):
    texts = TextStore(tmp_path / "texts")
    digest = texts.put("a long text 你好 \ud800")
    assert texts.get(digest) == "a long text 你好 \ud800"
    for wrong in ("", "0" * 40, "../" + digest, digest[:-1]):
        with pytest.raises(viz.LoupeError, match="not kept"):
            texts.get(wrong)


def test_an_owners_own_results_go_before_those_of_others():
    store = BoundedStore(10, len, owner=lambda key: key[0])
    store.put(("you", 1), "aaaa")
    store.put(("me", 1), "bbbb")
    store.put(("me", 2), "cccc")
    assert store.get(("you", 1)) is not None
    assert store.get(("me", 1)) is None
    assert store.get(("me", 2)) is not None
    store.put(("me", 3), "d" * 9)  # the others' too, where their own are not enough
    assert store.get(("you", 1)) is None
    assert store.get(("me", 3)) is not None


def test_kept_models_make_room_for_another_where_memory_is_short(models, monkeypatch):
    save_small(models / "tuned")
    bench = Workbench()
    kept = weakref.ref(bench.model(Request("small", "the cat", local=True), silent).module)
    monkeypatch.setattr(
        "viz.models.run_cost.available_memory_bytes", lambda _: 1_000 if kept() else 10**12
    )
    assert bench.model(Request("tuned", "the cat", local=True), silent).name.endswith("tuned")
    assert kept() is None


def test_a_model_that_is_too_large_by_itself_is_refused(models, monkeypatch):
    monkeypatch.setattr("viz.models.run_cost.available_memory_bytes", lambda _: 1_000)
    with pytest.raises(BudgetError, match=r"weights of .*small take"):
        Workbench().model(Request("small", "the cat", local=True), silent)


def test_a_prediction_keeps_the_whole_distribution_where_it_is_compared():
    analysis = Workbench().analyse("me", Request("loupe", "The cat sat on the"), lambda *_: None)
    (position,) = analysis.predictions.whole
    assert position == len(analysis.trace.units) - 1
    chances = analysis.predictions.whole[position].exp()
    assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
    top = analysis.predictions.ids[position, 0]
    assert float(chances[top]) == pytest.approx(
        float(analysis.predictions.probabilities[position, 0])
    )
