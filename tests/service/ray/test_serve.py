"""Models on a real Ray cluster: several replicas, pages that find theirs again, and replicas that are killed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import viz
from tests.survey.ray_cluster import two_nodes
from viz.errors import GoneError
from viz.patterns import Address
from viz.service import Request
from viz.service.ray import ray_workbench
from viz.service.ray.deployment import APPLICATION
from viz.service.ray.ray_workbench import RayWorkbench
from viz.service.ray.replica_jobs import LostError
from viz.service.ray.serve_connection import ServeConnection
from viz.service.tile_data import Head

SESSIONS, REPLICAS = 8, 2
# Long enough that a replica is in the middle of it when it is killed.
LONG = "word " * 480


def silent(_phase: str, _share: float) -> None:
    """Hear nothing of progress."""


def request_of(number: int) -> Request:
    return Request("demo", f"Session {number} has a text of its own, and nobody else sees it.")


@pytest.fixture(scope="module")
def far():
    """A page's side of a cluster of two nodes, on each of which one replica runs."""
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray leaves a token in the home folder
    patch.setenv("LOUPE_REPLICAS", str(REPLICAS))
    with two_nodes() as cluster:
        line = ServeConnection(cluster.client)
        line.connect()
        try:
            yield RayWorkbench(line)
        finally:
            import ray

            ray.shutdown()
            patch.undo()


def replicas() -> list[str]:
    """Name the actors of all replicas."""
    import ray

    actors = ray.util.list_named_actors(all_namespaces=True)
    return [one["name"] for one in actors if APPLICATION in one["name"]]


def kill(replica: str) -> None:
    """Kill a replica's process, as lack of memory does."""
    import ray

    name = next(one for one in replicas() if one.endswith(replica))
    ray.kill(ray.get_actor(name, namespace="serve"), no_restart=False)


def replica_of(far: RayWorkbench, owner: str, request: Request) -> str:
    return far.captured(owner, request).trace.stacks["self"].records[0].reference.held.replica


def test_sessions_share_replicas_and_each_finds_its_own(far):
    def session(number: int) -> str:
        owner, request = f"owner {number}", request_of(number)
        run = far.analyse(owner, request, silent)
        assert run.trace.text == request.text
        stack = run.trace.stacks["self"]
        head = Head(run.token, "self", 1, number)
        tile = far.tiles.tile(head, "max", Address(0, 0, 0), lambda: None)
        assert np.allclose(tile, stack.weights(1, number).numpy(), atol=1e-3)
        assert far.captured(f"owner {number + 1}", request) is None
        return replica_of(far, owner, request)

    with ThreadPoolExecutor(SESSIONS) as pool:
        there = list(pool.map(session, range(SESSIONS)))
    again = [replica_of(far, f"owner {one}", request_of(one)) for one in range(SESSIONS)]
    assert again == there
    model = viz.load_model("demo", device="cpu")
    own = viz.capture(model, request_of(3).text).stacks["self"].weights(2, 3)
    weights = far.captured("owner 3", request_of(3)).trace.stacks["self"].weights(2, 3)
    assert torch.allclose(weights, own, atol=1e-6)


def test_a_replica_that_is_killed_in_a_pass_takes_its_runs_along_and_no_others(far, monkeypatch):
    monkeypatch.setattr(ray_workbench, "KNOWN_SECONDS", 0.0)
    run = far.analyse("killed", request_of(0), silent)
    replica = replica_of(far, "killed", request_of(0))
    killed = threading.Event()

    def kill_once(phase: str, _share: float) -> None:
        if phase in ("forward", "draw") and not killed.is_set():
            killed.set()
            kill(replica)

    def run_until_killed() -> None:
        for number in range(200):
            far.analyse("killed", Request("demo", f"{number} {LONG}"), kill_once)

    with pytest.raises(LostError, match="has ended"):
        run_until_killed()
    with pytest.raises(GoneError):
        far.tiles.tile(Head(run.token, "self", 0, 0), "max", Address(0, 0, 0), lambda: None)
    assert far.captured("killed", request_of(0)) is None
    again = far.analyse("killed", request_of(0), silent)
    assert again.trace.text == request_of(0).text
    assert replica_of(far, "killed", request_of(0)) != replica
    left = [one for one in range(SESSIONS) if far.captured(f"owner {one}", request_of(one))]
    assert 0 < len(left) < SESSIONS
