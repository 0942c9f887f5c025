"""A survey by Ray is the survey of one process, whoever measures what, and whoever is lost on the way."""

from __future__ import annotations

import dataclasses
import http.server
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pandas as pd
import pytest

import viz
from tests.survey.ray_cluster import begin_client, two_nodes
from viz.errors import BusyError, InputError, LoupeError
from viz.models.work_control import WorkControl
from viz.survey.ray import on_ray, ray_connection
from viz.survey.ray.ray_connection import checked_address, connected
from viz.survey.ray.ray_places import places
from viz.survey.ray.ray_worker import ModelSource, Refusal, WindowWorker
from viz.survey.run_survey import run_survey
from viz.survey.shard_file import sums_of_bytes
from viz.survey.sums.stack_sums import ARRAYS
from viz.survey.survey_card import SurveySettings
from viz.survey.survey_folder import SurveyFolder
from viz.survey.survey_tables import TABLES
from viz.survey.texts import corpus_reading
from viz.survey.texts.corpus import open_corpus

SETTINGS = SurveySettings(length=24, probes=False, loss_windows=0)
ANIMALS = ("cat", "dog", "owl", "fox", "hen", "cow", "pig", "rat", "bee", "ant")
WINDOWS_OF_A_BATCH = 4


@pytest.fixture(scope="module")
def model():
    return viz.load_model("demo", device="cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    lines = [
        f"{number}. The {animal} sat beside the {other} because it was tired of the {number} others."
        for number, animal in enumerate(ANIMALS)
        for other in ANIMALS[:4]
    ]
    path = tmp_path_factory.mktemp("corpus") / "animals.txt"
    path.write_text("\n".join(lines))
    return open_corpus(path)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(corpus_reading, "WINDOWS", WINDOWS_OF_A_BATCH)


@pytest.fixture(scope="module")
def alone(model, corpus, tmp_path_factory):
    """The survey of this process."""
    folder = SurveyFolder(tmp_path_factory.mktemp("alone"))
    return run_survey(model, corpus, folder, SETTINGS), folder


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as nodes:
        yield nodes


def by_ray(model, corpus, folder, *, address, seen=None, control=None, **options):
    control = control or WorkControl()
    measuring = on_ray.on_ray(model, "demo", address=address, control=control, **options)
    told = []

    def hear(moment):
        if moment.phase == "texts":
            told.append(moment.done)
            if seen is not None:
                seen(moment)

    card = run_survey(
        model, corpus, folder, SETTINGS, control=control, seen=hear, measuring=measuring
    )
    return card, told


def require_same(folder, alone):
    card, whole = alone
    assert (folder.card().state, folder.card().windows) == ("done", card.windows)
    assert (folder.card().tokens, folder.card().digest) == (card.tokens, card.digest)
    for name in TABLES:
        ours, theirs = (pd.read_parquet(one.path / f"{name}.parquet") for one in (folder, whole))
        pd.testing.assert_frame_equal(ours, theirs, rtol=0, atol=1e-6)
    ours, theirs = folder.sums(), whole.sums()
    for name, stack in theirs.stacks.items():
        assert ours.stacks[name].examples.keys() == stack.examples.keys()
        for field in ARRAYS:
            np.testing.assert_allclose(
                getattr(ours.stacks[name], field), getattr(stack, field), atol=1e-6
            )


def test_two_nodes_measure_what_one_process_does_though_a_worker_is_killed(
    cluster, model, corpus, alone, tmp_path, monkeypatch
):
    folder, chosen, killed = SurveyFolder(tmp_path), [], []

    def choose(*arguments, **options):
        chosen.extend(places(*arguments, **options))
        return chosen

    def kill_one(_moment):
        if not killed:
            killed.append(cluster.workers()[0])
            killed[0].suspend()  # so that it surely has windows when it ends
            threading.Timer(1.0, killed[0].kill).start()

    monkeypatch.setattr(on_ray, "places", choose)
    card, told = by_ray(model, corpus, folder, address=cluster.client, seen=kill_one)
    assert len({one.node for one in chosen}) == 2
    assert not killed[0].is_running()
    require_same(folder, alone)
    assert told == list(range(1, card.windows + 1))
    shards = folder.shards()
    assert [one.first for one in shards] == list(range(0, card.windows, WINDOWS_OF_A_BATCH))


def test_a_stopped_survey_keeps_what_arrived_and_goes_on_elsewhere(
    model, corpus, alone, tmp_path, monkeypatch
):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray leaves a token in the home folder
    folder, control = SurveyFolder(tmp_path), WorkControl()

    def stop(moment):
        if moment.done == WINDOWS_OF_A_BATCH + 1:
            control.stop()

    card, _ = by_ray(model, corpus, folder, address=None, seen=stop, control=control, actors=1)
    assert card.state == "stopped"
    assert WINDOWS_OF_A_BATCH < card.windows < alone[0].windows
    ray, _ = ray_connection.require_ray()
    assert not ray.is_initialized()
    run_survey(model, corpus, folder)
    require_same(folder, alone)


@pytest.mark.parametrize("way", ["head", "client"])
def test_a_cluster_of_another_version_is_refused_with_both(cluster, way, monkeypatch):
    ray, _ = ray_connection.require_ray()
    ours = ray.__version__
    monkeypatch.setattr(ray, "__version__", "2.9.9")
    said = f"runs Ray {ours} on .* this is Ray 2.9.9 on Python"
    with pytest.raises(LoupeError, match=said), connected(getattr(cluster, way)):
        raise AssertionError("it is another version")


def test_workers_without_the_package_are_named(cluster, model, tmp_path, corpus):
    shadow = tmp_path / "shadow" / "viz"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'viz'\")")
    ray, _ = ray_connection.require_ray()
    environment = {"env_vars": {"PYTHONPATH": str(shadow.parent)}}
    begin_client(ray, cluster.client, runtime_env=environment)
    try:
        with pytest.raises(LoupeError, match=r"cannot begin: ModuleNotFoundError.*'viz'.* Install"):
            by_ray(model, corpus, SurveyFolder(tmp_path / "survey"), address=None)
        assert ray.is_initialized()  # it was not ours to end
        with pytest.raises(BusyError, match="connected to Ray already"):
            checked_address(cluster.head)
    finally:
        ray.shutdown()


def test_the_other_port_of_a_cluster_is_told_apart(cluster):
    head, client = cluster.head, cluster.client.removeprefix("ray://")
    with pytest.raises(LoupeError, match=rf"{client} is the port of Ray's client. Give ray://"):
        checked_address(client)
    with pytest.raises(LoupeError, match=rf"{head} is the port of Ray's head. Give {head}"):
        checked_address(f"ray://{head}")


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_nothing_answers_is_said_at_once(scheme):
    with pytest.raises(LoupeError, match=r"No Ray answers at 127\.0\.0\.1:1 within 8 seconds"):
        checked_address(f"{scheme}127.0.0.1:1")


def test_what_is_no_ray_is_said_to_be_none(monkeypatch):
    monkeypatch.setattr(ray_connection, "ANSWER_SECONDS", 1.0)
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": _silent})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(LoupeError, match="No Ray answers"):
            checked_address(f"127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, "What answers at .* is no Ray"),
        (grpc.StatusCode.UNAUTHENTICATED, "wants its token. Set RAY_AUTH_MODE=token"),
    ],
)
def test_what_a_port_answers_is_told_apart(status, said, monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Answers(status),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(LoupeError, match=said):
            checked_address(f"127.0.0.1:{port}")
    finally:
        server.stop(None).wait()


class Answers(grpc.GenericRpcHandler):
    """Answers everything with one status."""

    def __init__(self, status):
        self.status = status

    def service(self, _call):
        return grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(self.status, "")
        )


@pytest.mark.parametrize(
    "address", ["", "ray://", "a b:1", "http://host:1", "host:port", "h:123456"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match=re.escape(f"{address!r} is no address")):
        checked_address(address)


def test_without_ray_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        LoupeError, match=r'not installed. Install it: pip install "attention-loupe\[ray'
    ):
        checked_address(None)


def test_one_process_has_one_survey_on_ray(monkeypatch):
    ray, _ = ray_connection.require_ray()
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with connected(None), pytest.raises(BusyError, match="another survey"), connected(None):
        raise AssertionError("there are two")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"fingerprint": "0" * 32},
            "another version of demo: weights .{12}, and here 000000000000",
        ),
        ({"name": "/nowhere/at/all"}, "cannot load demo: There is no folder"),
        ({"versions": {"transformers": "4.0"}}, "has transformers 5.* and this machine has 4.0"),
    ],
)
def test_a_worker_refuses_another_model(model, change, said):
    source = dataclasses.replace(ModelSource.of(model, "demo"), **change)
    refusal = WindowWorker(source, device="cpu", seed=0).load()
    assert isinstance(refusal, Refusal)
    assert re.search(said, refusal.message)
    assert refusal.hint


def test_a_folder_is_loaded_by_its_whole_path(model, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert ModelSource.of(model, "mine").name == tmp_path / "mine"
    assert ModelSource.of(model, "demo").name == "demo"


def test_a_worker_measures_what_this_process_does(model, corpus, alone):
    worker = WindowWorker(ModelSource.of(model, "demo"), device="cpu", seed=0)
    assert worker.load() is None
    reading = corpus_reading.CorpusReading(model, corpus, SETTINGS)
    batch = next(reading.pending([]))
    found = sums_of_bytes(worker.measure(batch))
    assert (found.windows, worker.done()) == (WINDOWS_OF_A_BATCH, (0, WINDOWS_OF_A_BATCH))
    worker.stop()
    assert worker.measure(batch) is None


def node(name, **resources):
    return {"NodeID": name, "Alive": True, "NodeManagerAddress": name, "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "options", "expected"),
    [
        ([node("a", CPU=8.0)], {}, [("a", "cpu", 4.0)] * 2),
        ([node("a", CPU=1.0), node("b", CPU=1.0)], {}, [("a", "cpu", 1.0), ("b", "cpu", 1.0)]),
        ([node("a", CPU=0.0), node("b", CPU=2.0)], {}, [("b", "cpu", 2.0)]),
        ([node("a", CPU=8.0), node("b", CPU=4.0)], {"actors": 3}, [("a", "cpu", 4.0)] * 2 + [("b", "cpu", 4.0)]),
        ([node("a", CPU=16.0, memory=1e9)], {"weights_bytes": 10**8}, [("a", "cpu", 5.0)] * 3),
        ([node("a", CPU=4.0, memory=1e9)], {"weights_bytes": 10**9}, [("a", "cpu", 4.0)]),
        ([node("a", CPU=8.0, GPU=2.0), node("b", CPU=8.0)], {}, [("a", "cuda", 1.0)] * 2),
        ([node("a", CPU=8.0, GPU=2.0)], {"device": "cpu"}, [("a", "cpu", 4.0)] * 2),
        ([node("a", CPU=8.0, GPU=2.0)], {"actors": 1, "device": "cuda:1"}, [("a", "cuda", 1.0)]),
        ([{**node("a", CPU=8.0), "Alive": False}, node("b", CPU=1.0)], {}, [("b", "cpu", 1.0)]),
    ],
)  # fmt: skip
def test_workers_are_put_where_there_is_room(nodes, options, expected):
    found = places(nodes, **options)
    assert [(one.node, one.device, one.cpus) for one in found] == expected


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"actors": 3}, "3 workers were asked for; the Ray cluster has 2 CPUs"),
        ({"actors": 0}, "0 workers were asked for"),
        ({"device": "cuda"}, "has no GPU"),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        places([node("a", CPU=2.0)], **options)


def _silent(*_):
    """Log nothing."""
