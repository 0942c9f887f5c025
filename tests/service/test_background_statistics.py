"""Heads are drawn while somebody waits, then beside the page."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from tests.models.folders import save_encoder_decoder
from viz.errors import CancelledError
from viz.patterns import survey
from viz.service import Request, Workbench
from viz.service import background_statistics as drawing
from viz.service.background_statistics import Drawing


def silent(phase, share):
    pass


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOUPE_MODEL_FOLDERS", str(folder))
        save_encoder_decoder(folder / "translator")
        request = Request("translator", "the cat sat", pair="the dog", local=True)
        return Workbench().analyse("ann", request, silent).trace.stacks


def drawn(found):
    return {name: list(one.layers) for name, one in found.surveys().items() if one.layers}


def finished(found, until=60.0):
    start = time.monotonic()
    while found.is_going and time.monotonic() - start < until:
        time.sleep(0.01)
    return not found.is_going


@pytest.mark.parametrize("seen", [("cross", 1), ("encoder", 0), ("decoder", 1)])
def test_without_patience_only_what_is_looked_at_is_drawn(stacks, seen):
    found = Drawing(stacks)
    found.draw(silent, first=seen, patience=0.0)
    assert drawn(found) == {seen[0]: [seen[1]]}
    numbers = found.surveys()[seen[0]].statistics.entropy_nats
    assert np.isfinite(numbers[seen[1]]).all()
    assert np.isnan(np.delete(numbers, seen[1], axis=0)).all()


@pytest.mark.parametrize("seen", [("decoder", 99), ("none", 0), None])
def test_a_place_that_is_not_there_is_not_waited_for(stacks, seen):
    found = Drawing(stacks)
    found.draw(silent, first=seen, patience=0.0)
    assert found.done == 0
    for name, one in found.surveys().items():
        assert len(one.thumbnails.layers) == sum(
            map(stacks[name].heads, range(stacks[name].layers))
        )
        assert not one.thumbnails.values.any()


def test_the_rest_is_drawn_beside_and_is_the_same(stacks):
    found = Drawing(stacks)
    found.draw(silent, first=("cross", 1), patience=0.0)
    found.look(("decoder", 0))
    assert finished(found)
    assert found.is_done
    assert found.share == 1
    for name, stack in stacks.items():
        one, other = found.surveys()[name], survey(stack)
        np.testing.assert_array_equal(one.statistics.entropy_nats, other.statistics.entropy_nats)
        np.testing.assert_array_equal(one.thumbnails.values, other.thumbnails.values)
        assert one.thumbnails.layers == other.thumbnails.layers


@pytest.fixture
def slow(monkeypatch):
    """Layers that take as long as a test lets them; which were begun, in order."""
    begun, go = [], threading.Semaphore(0)
    plain = drawing.survey_layer

    def one(stack, layer, **options):
        begun.append((stack.name, layer))
        while not go.acquire(timeout=0.01):
            options["going"]()
        return plain(stack, layer, **options)

    monkeypatch.setattr(drawing, "survey_layer", one)
    return begun, go


def wait_for(condition):
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < 20
        time.sleep(0.005)


def test_what_is_looked_at_meanwhile_comes_next(stacks, slow):
    begun, go = slow
    found = Drawing(stacks)
    found.look(("encoder", 1))
    wait_for(lambda: begun == [("encoder", 1)])
    found.look(("cross", 1))
    go.release()
    wait_for(lambda: len(begun) == 2)
    assert begun[1] == ("cross", 1)
    found.rest()
    assert finished(found)
    assert found.done == 1


def test_a_drawing_that_nobody_looks_at_rests_and_goes_on_when_somebody_does(
    stacks, slow, monkeypatch
):
    begun, go = slow
    monkeypatch.setattr(drawing, "UNSEEN_SECONDS", 0.05)
    found = Drawing(stacks)
    found.look(None)
    assert finished(found)
    assert not found.is_done
    assert not found.has_failed
    monkeypatch.setattr(drawing, "UNSEEN_SECONDS", 60.0)
    go.release(100)
    found.look(None)
    assert finished(found)
    assert found.is_done
    # The layer that was left was begun again, no other twice.
    assert len(begun) == found.layers + 1


def test_who_waits_for_a_layer_that_another_draws_may_still_cancel(stacks, slow):
    begun, _ = slow
    found = Drawing(stacks)
    found.look(None)
    wait_for(lambda: begun)
    calls = []

    def cancel(phase, share):
        calls.append(phase)
        if len(calls) > 2:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        found.draw(cancel)
    assert found.is_going
    found.rest()
    assert finished(found)


def test_a_fault_beside_the_page_is_noted_and_looking_again_tries_again(stacks, monkeypatch):
    plain = drawing.survey_layer
    broken = [True]

    def one(*args, **options):
        if broken[0]:
            raise ZeroDivisionError
        return plain(*args, **options)

    monkeypatch.setattr(drawing, "survey_layer", one)
    found = Drawing(stacks)
    found.look(None)
    assert finished(found)
    assert found.has_failed
    broken[0] = False
    found.look(None)
    assert finished(found)
    assert found.is_done
    assert not found.has_failed


def test_a_run_on_screen_grows_until_it_is_a_result(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", str(tmp_path))
    save_encoder_decoder(tmp_path / "translator")
    request = Request("translator", "the cat sat", pair="the dog", local=True)
    bench = Workbench()
    part = bench.analyse("ann", request, silent, first=("cross", 0), patience=0.0)
    assert part.surveyed_layers == 1
    assert bench.result("ann", request) is None
    assert bench.so_far("ann", request) is part
    assert bench.so_far("bob", request) is None
    assert bench.shown(part.token) is part
    going = bench.drawing("ann", request)
    going.look(None)
    assert finished(going)
    whole = bench.so_far("ann", request)
    assert whole.token == part.token
    assert whole.surveyed_layers == going.layers
    assert bench.result("ann", request) is whole
    assert bench.shown(part.token) is whole
    assert bench.drawing("ann", request) is None
