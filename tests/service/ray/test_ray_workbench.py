"""A page sees of a replica's runs what it would see of its own, and their numbers stay where they are."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from tests.models.folders import save_decoder, save_vision
from tests.service.ray.near_connection import NearConnection
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.effects import Effects, Head, Target, order_curves
from viz.effects.trust import by_method
from viz.errors import CancelledError, GoneError, InputError, TextTooLongError
from viz.patterns import Address
from viz.service import FileStore, Request, Workbench
from viz.service.effect_tile_data import EffectHead
from viz.service.model_questions import foreseen
from viz.service.ray import ray_workbench, replica_answers, replica_jobs
from viz.service.ray.cluster import Defect
from viz.service.ray.distant_layer import DistantLayer
from viz.service.ray.ray_workbench import RayWorkbench
from viz.service.tile_data import Head as TileHead

TEXT = "The cat sat on the mat because it was tired. " * 12
REQUEST = Request("demo", TEXT)
TARGET = Target()


def silent(_phase: str, _share: float) -> None:
    """Hear nothing of progress."""


def never() -> None:
    """Never cancel."""


@pytest.fixture(scope="module")
def line():
    return NearConnection("first", "second")


@pytest.fixture(scope="module")
def far(line):
    return RayWorkbench(line)


@pytest.fixture(scope="module")
def near():
    return Workbench()


@pytest.fixture(scope="module")
def runs(far, near):
    return tuple(bench.analyse("me", REQUEST, silent) for bench in (far, near))


@pytest.fixture
def predicts(tmp_path, monkeypatch):
    """A request of a small model that predicts tokens."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_decoder(tmp_path / "models" / "writes", layers=2, heads=2)
    return Request("writes", "the cat sat on the dog", local=True)


@pytest.fixture
def at_once(monkeypatch):
    """Ask each time whether a replica still holds something."""
    monkeypatch.setattr(ray_workbench, "KNOWN_SECONDS", 0.0)


def test_a_run_shows_what_it_shows_here(runs):
    there, here = runs
    assert there.trace.text == here.trace.text
    assert repr(there.trace.stacks["self"]) == repr(here.trace.stacks["self"])
    survey, own = there.surveys["self"], here.surveys["self"]
    assert np.array_equal(survey.thumbnails.values, own.thumbnails.values)
    assert np.array_equal(survey.statistics.entropy_nats, own.statistics.entropy_nats)
    assert there.tokenizer.get_vocab() == here.tokenizer.get_vocab()
    assert there.estimate.tokens == here.estimate.tokens


def test_weights_are_exact_and_computed_where_the_run_is(runs, line):
    there, here = (run.trace.stacks["self"] for run in runs)
    assert all(isinstance(record, DistantLayer) for record in there.records)
    assert torch.equal(there.weights(2, 3), here.weights(2, 3))
    carried = len(line.carried)
    assert torch.equal(there.weights(1, rows=[7]), here.weights(1, rows=[7]))
    tokens, heads = len(here.keys), here.heads(1)
    assert sum(line.carried[carried:]) < 4 * heads * tokens + 2_000  # that row, and no layer
    assert torch.equal(there.attended(0, 0), here.attended(0, 0))


def test_a_layer_is_brought_once_where_its_numbers_are_asked_for(runs, line):
    there, here = (run.trace.stacks["self"] for run in runs)
    record = there.record(3)
    assert isinstance(record, RecordedLayer)
    assert torch.equal(record.query, here.record(3).query)
    carried = len(line.carried)
    assert there.record(3) is record
    assert len(line.carried) == carried


def test_a_page_holds_no_numbers_of_layers(runs):
    there, here = runs
    assert there.trace.memory_bytes == 0
    assert here.trace.memory_bytes > 1_000_000


def test_tiles_are_those_of_this_process(far, near, runs):
    there, here = (TileHead(run.token, "self", 2, 3) for run in runs)
    address = Address(0, 0, 0)
    for pooling in ("max", "mean"):
        tile = far.tiles.tile(there, pooling, address, never)
        assert np.array_equal(tile, near.tiles.tile(here, pooling, address, never), equal_nan=True)
    assert far.tiles.weight(there, 5, 4) == near.tiles.weight(here, 5, 4)
    edges = [
        bench.tiles.edges(head, off_sink=True, going=never)
        for bench, head in ((far, there), (near, here))
    ]
    assert edges[0] == edges[1]
    sums = far.tiles.sums(there, "keys", 0, 9, never)
    assert np.array_equal(sums, near.tiles.sums(here, "keys", 0, 9, never))
    assert far.tiles.units(there.token, "self") == near.tiles.units(here.token, "self")


def test_a_browser_sees_its_own_runs_alone(far, runs):
    far.visitors.note("me", "b" * 43, lambda: True)
    far.permit(runs[0].token, "b" * 43)
    with pytest.raises(InputError):
        far.permit(runs[0].token, "o" * 43)


def test_errors_say_what_they_say_here(far):
    with pytest.raises(TextTooLongError) as found:
        far.analyse("me", Request("demo", "word " * 2_000), silent)
    assert (found.value.tokens, found.value.limit) == (2_002, 512)
    with pytest.raises(InputError, match="no layer 77"):
        far.captured("me", REQUEST).trace.stacks["self"].weights(77, 0)


class Pressed(Exception):
    """Cancel was pressed."""


def test_progress_is_told_here_and_may_cancel_in_the_middle_of_a_pass(monkeypatch):
    monkeypatch.setattr(replica_jobs, "ANSWER_SECONDS", 0.01)
    line, stopped = NearConnection("only"), threading.Event()
    far = RayWorkbench(line)
    far.capture("me", REQUEST, silent)  # the model is loaded
    told: list[str] = []

    def slow_layers(_site, tell, _asked):
        try:
            for layer in range(2_000):
                tell("forward", layer / 2_000)
                time.sleep(0.01)
        except CancelledError:
            stopped.set()
            raise

    monkeypatch.setattr(replica_answers, "capture", slow_layers)
    monkeypatch.setattr(slow_layers, "__qualname__", "capture", raising=False)
    monkeypatch.setattr(slow_layers, "__module__", replica_answers.__name__, raising=False)

    def pressed(phase: str, share: float) -> None:
        told.append(phase)
        if share > 0.002:
            raise Pressed

    request = Request("demo", "Words that stand beside each other.")
    with pytest.raises(Pressed):
        far.capture("me", request, pressed)
    assert told[0] == "forward"
    assert stopped.wait(20)
    assert far.captured("me", request) is None


def test_a_page_that_nobody_waits_for_stops_what_it_asked_for_though_it_tells_nothing(monkeypatch):
    monkeypatch.setattr(replica_jobs, "ANSWER_SECONDS", 0.01)
    line = NearConnection("only")
    far = RayWorkbench(line)

    def closed() -> None:
        raise Pressed

    far.watch(closed)
    with pytest.raises(Pressed):
        far.of_model(REQUEST, silent, sleeping)
    assert line.cancelled == 1


def sleeping(_model: object) -> None:
    time.sleep(0.3)


def test_heads_are_drawn_beside_the_page(far, at_once):
    request = Request("demo", "A text whose heads are drawn later. " * 40)
    begun = far.capture("me", request, silent)
    assert begun.surveyed_layers == 0
    assert far.so_far("me", request) is None
    drawing = far.drawing("me", request)
    assert (drawing.done, drawing.layers, drawing.is_done) == (0, 6, False)
    until = time.monotonic() + 60
    while not drawing.is_done:
        drawing.look(("self", 2))
        assert time.monotonic() < until
        assert not drawing.has_failed
        time.sleep(0.02)
    whole = far.result("me", request)
    assert whole.surveyed_layers == 6
    assert whole.token == begun.token
    assert far.drawing("me", request) is None


def test_what_a_run_will_cost_is_asked_where_the_model_is(far, near, runs):
    there, here = (bench.of_loaded(REQUEST, foreseen, REQUEST) for bench in (far, near))
    assert there.cost.tokens == here.cost.tokens
    assert far.of_loaded(Request("no such model", ""), foreseen, REQUEST) is None


def test_a_picture_goes_along_and_what_reads_no_text_has_no_tokenizer(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_vision(tmp_path / "models" / "sees")
    line = NearConnection("only")
    line.replicas["only"].state.workbench.media = FileStore(tmp_path / "there", "picture")
    far = RayWorkbench(line, FileStore(tmp_path / "here", "picture"))
    content = io.BytesIO()
    Image.fromarray(np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)).save(content, "PNG")
    name = far.media.put(content.getvalue(), ".png")
    run = far.analyse("me", Request("sees", "", media=name, local=True), silent)
    assert (tmp_path / "there" / name).read_bytes() == content.getvalue()
    assert run.tokenizer is None
    assert run.request.revision is None
    assert run.picture.shape == (48, 48, 3)


def test_what_an_ended_replica_held_is_gone_and_another_takes_its_place(at_once):
    line = NearConnection("first", "second")
    far = RayWorkbench(line)
    run = far.analyse("me", REQUEST, silent)
    assert line.asked[-1] == "first"
    line.end("first")
    with pytest.raises(GoneError, match="has ended"):
        run.trace.stacks["self"].weights(0, 0)
    with pytest.raises(GoneError):
        far.tiles.weight(TileHead(run.token, "self", 0, 0), 1, 1)
    assert far.so_far("me", REQUEST) is None
    again = far.analyse("me", REQUEST, silent)
    assert line.asked[-1] == "second"
    assert again.trace.stacks["self"].weights(0, 0).shape == (134, 134)


def test_effects_are_asked_where_their_pass_is(far, near, predicts, at_once):
    found, own = (bench.effects("me", predicts, TARGET, silent) for bench in (far, near))
    assert found.value == own.value
    assert found.heads.equals(own.heads)
    assert found.ask(by_method).equals(by_method(own))
    weights = found.weights("weight_gradient", 1, 1)
    assert torch.equal(weights, own.weights("weight_gradient", 1, 1))
    told: list[tuple[int, int]] = []
    heads = [Head(0, 0), Head(1, 1)]
    options = {"heads": heads, "progress": lambda *done: told.append(done)}
    assert found.ask(Effects.knock_out, **options).without == own.knock_out(heads=heads).without
    areas = found.ask(order_curves).areas
    assert areas.equals(order_curves(own).areas)
    name = far.effects_name("me", predicts, TARGET)
    there, here = (bench.analyse("me", predicts, silent) for bench in (far, near))
    tiles = [
        bench.effect_tiles.tile(
            EffectHead(TileHead(run.token, "self", 1, 0), name, "gradient"),
            "max", Address(0, 0, 0), never,
        )
        for bench, run in ((far, there), (near, here))
    ]  # fmt: skip
    assert np.array_equal(*tiles, equal_nan=True)
    assert far.known_effects("me", predicts, TARGET) is found
    assert far.known_effects("you", predicts, TARGET) is None
    lens = far.logit_lens("me", predicts, silent)
    assert torch.equal(lens.ids, near.logit_lens("me", predicts, silent).ids)


def test_a_question_that_fails_by_our_fault_brings_the_log_along(far, runs):
    with pytest.raises(Defect, match="ZeroDivisionError"):
        far.of_model(REQUEST, silent, divided)


def divided(_model: object) -> float:
    return 1 / 0


def test_who_asks_for_what_is_anothers_gets_nothing(far, runs):
    other = far._asked("another", REQUEST)
    run = runs[0].trace.stacks["self"].records[0].reference.held
    assert far.ask_holder(run, replica_answers.news_of_run, other, 0) is False
    assert far.ask_holder(run, replica_answers.has_effects, other, TARGET) is False


def test_a_cluster_that_does_not_answer_makes_no_page_forget_its_runs(at_once):
    line = NearConnection("only")
    far = RayWorkbench(line)
    run = far.analyse("me", REQUEST, silent)
    line.is_cut = True
    assert far.captured("me", REQUEST) is run
    line.is_cut = False
    assert far.captured("me", REQUEST) is run
    assert torch.isfinite(run.trace.stacks["self"].weights(0)).all()


def test_what_somebody_cancels_is_no_fault(far):
    with pytest.raises(CancelledError):
        far.of_model(REQUEST, silent, cancelled)


def cancelled(_model: object) -> None:
    raise CancelledError("Nobody wants it.")
