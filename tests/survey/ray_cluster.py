"""Two nodes of Ray on this machine, as `ray start` starts them on two machines."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from viz.errors import LoupeError
from viz.survey.ray.ray_connection import checked_address, connected

PATIENCE_SECONDS = 120

# A token that another Ray has left in the home folder would be asked for.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}

SMALL = ["--num-cpus=1", "--object-store-memory=80000000"]
# Ports of their own, so that clusters of several test processes stand beside each other.
OWN_PORTS = ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]


@dataclass(frozen=True)
class Cluster:
    """Where it is, and the processes that began it."""

    head: str
    client: str
    nodes: list[subprocess.Popen]

    def workers(self) -> list[psutil.Process]:
        """Find the processes of our actors."""
        return [
            one for one in _below(self.nodes) if one.is_running() and "WindowWorker" in _title(one)
        ]


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    # Paths of sockets hold 107 characters at most, and those of pytest are long.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    port, client, dashboard = (_free_port() for _ in range(3))
    cluster = Cluster(f"127.0.0.1:{port}", f"ray://127.0.0.1:{client}", [])
    head = [
        "--head", f"--port={port}", f"--ray-client-server-port={client}", f"--temp-dir={folder}",
        "--include-dashboard=false", f"--dashboard-port={dashboard}",
    ]  # fmt: skip
    try:
        cluster.nodes.append(_start(folder, *head, *SMALL, *OWN_PORTS))
        _wait_for(lambda: checked_address(cluster.head), cluster)
        cluster.nodes.append(_start(folder, f"--address={cluster.head}", *SMALL, *OWN_PORTS))
        _wait_for(lambda: checked_address(cluster.client), cluster)
        with connected(cluster.head) as ray:
            _wait_for(lambda: _require(sum(one["Alive"] for one in ray.nodes()) == 2), cluster)
        yield cluster
    finally:
        _end(cluster.nodes)
        shutil.rmtree(folder, ignore_errors=True)


def begin_client(ray, address: str, **options) -> None:
    """Connect as a program of somebody else does.

    Each cluster gives its clients ports from the same range, so that two on one machine can take the same one at once; the
    next try has another.
    """
    for tries_left in (2, 1, 0):
        try:
            ray.init(address, log_to_driver=False, **options)
            return
        except ConnectionError:
            if not tries_left:
                raise


def _start(folder: Path, *options: str) -> subprocess.Popen:
    with (folder / "start.log").open("ab") as log:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("ray")), "start", "--block", *options],
            env={**os.environ, **QUIET},
            stdout=log,
            stderr=log,
        )


def _end(nodes: list[subprocess.Popen]) -> None:
    processes = _below(nodes)
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    for node in nodes:
        node.wait()
    psutil.wait_procs(processes, timeout=10)


def _below(nodes: list[subprocess.Popen]) -> list[psutil.Process]:
    found = []
    for node in nodes:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(node.pid)
            found += [own, *own.children(recursive=True)]
    return found


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _wait_for(attempt, cluster: Cluster) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            attempt()
            return
        except LoupeError:
            if time.monotonic() > until or any(one.poll() is not None for one in cluster.nodes):
                raise
            time.sleep(0.2)


def _require(true: bool) -> None:
    if not true:
        raise LoupeError("Not yet.")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
