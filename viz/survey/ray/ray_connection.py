"""The connection to a Ray cluster, or to a Ray that is started on this machine for as long as it is needed."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from viz.errors import BusyError, InputError, LoupeError

CLIENT = "ray://"

# Ray's own, where an address names none: of its client, and of a cluster's head.
CLIENT_PORT, HEAD_PORT = 10001, 6379

# How long a port may take to say that Ray is behind it. Ray itself asks for minutes, and hears no interrupt then.
ANSWER_SECONDS = 8.0

# What is kept between processes at once are a few windows and sums; Ray would reserve a third of the memory.
STORE_BYTES = 200 * 1024**2

# Seconds in which a client that lost its cluster finds it again.
GRACE_SECONDS = 5

# A cluster begins a process for each client, on a port of its own. Where two clusters are on a machine both may take the
# same one, and the process ends as it begins; the next try has another port.
UNLUCKY, TRIES = "Starting Ray client server failed", 3

# What only the one port of a cluster answers and the other does not know.
QUESTIONS = {
    True: "/ray.rpc.RayletDriver/ClusterInfo",
    False: "/ray.rpc.NodeInfoGcsService/GetClusterId",
}

_one_at_a_time = threading.Lock()


def require_ray() -> tuple[Any, Any]:
    """Import Ray, and gRPC, which its client needs and by which a port is asked whether Ray is behind it.

    Raises:
        LoupeError: one of them is not installed.
    """
    try:
        import grpc
        import ray
    except ImportError as error:
        missing = "Ray" if error.name == "ray" else f"{error.name}, which Ray needs,"
        raise LoupeError(
            f"{missing} is not installed.", 'Install it: pip install "attention-loupe[ray]"'
        ) from error
    return ray, grpc


def checked_address(address: str | None) -> str | None:
    """Complete an address with its port, and make sure that Ray is behind it.

    Args:
        address: `ray://host:port` of a cluster's client server, or `host:port` of its head, where this machine is one
            of the cluster; None for a Ray on this machine alone.

    Raises:
        InputError: it is no address.
        LoupeError: Ray is not installed, or does not answer there.

    Cost: some seconds where nothing answers.
    """
    ray, grpc = require_ray()
    if ray.is_initialized() and address is not None:
        raise BusyError(
            "This process is connected to Ray already.",
            "Leave out the address to use that connection, or call ray.shutdown() first.",
        )
    if address is None:
        return None
    by_client = address.startswith(CLIENT)
    found = re.fullmatch(
        r"([\w.\-]+|\[[\da-fA-F:]+\])(?::(\d{1,5}))?", address.removeprefix(CLIENT)
    )
    if found is None:
        raise InputError(
            f"{address!r:.80} is no address of a Ray cluster.",
            f"Give {CLIENT}host:{CLIENT_PORT}, or host:{HEAD_PORT} on a machine of the cluster.",
        )
    target = f"{found[1]}:{found[2] or (CLIENT_PORT if by_client else HEAD_PORT)}"
    whole = (CLIENT if by_client else "") + target
    if os.environ.get("RAY_USE_TLS") != "1":
        _ask(grpc, target, by_client=by_client)
    if not by_client and not _has_node():
        raise LoupeError(
            f"This machine is no part of the cluster at {target}.",
            f"Connect by its client: {CLIENT}{found[1]}:{CLIENT_PORT}, or run this on a machine of the cluster.",
        )
    return whole


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Connect to the Ray at a checked address, or start one here; what was begun here is ended here.

    Raises:
        BusyError: this process uses it for another survey.
        LoupeError: the cluster is of another version, or cannot be connected to.
    """
    ray, _ = require_ray()
    if not _one_at_a_time.acquire(blocking=False):
        raise BusyError(
            "This process has another survey on Ray.", "Let that end first, or survey without Ray."
        )
    try:
        if ray.is_initialized():
            yield ray
            return
        try:
            connect(ray, address)
            yield ray
        finally:
            ray.shutdown()
    finally:
        _one_at_a_time.release()


def connect(ray: Any, address: str | None) -> None:
    """Connect this process to the Ray at a checked address, or start one here.

    Raises:
        LoupeError: the cluster is of another version, or cannot be connected to.
    """
    # Ray reports to its makers unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # By itself the client waits for half a minute for a cluster that is gone, and so does whoever asks.
    os.environ.setdefault("RAY_CLIENT_RECONNECT_GRACE_PERIOD", str(GRACE_SECONDS))
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"address": "local", "include_dashboard": False, "object_store_memory": STORE_BYTES}
    where = own if address is None else {"address": address}
    for tries_left in reversed(range(TRIES)):
        try:
            ray.init(**where, **quiet)
            return
        except (RuntimeError, ConnectionError, ValueError, OSError) as error:
            if tries_left == 0 or UNLUCKY not in str(error):
                raise _explained(error, address) from error


def _explained(error: Exception, address: str | None) -> LoupeError:
    """Say in a sentence why there is no connection."""
    said = str(error)
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", said)
    if "Version mismatch" in said and len(versions) == 2:
        (ray_there, python_there), (ray_here, python_here) = versions
        return LoupeError(
            f"The cluster at {address} runs Ray {ray_there} on Python {python_there}, and this is Ray {ray_here} on Python {python_here}.",
            "Both must be the same: install the cluster's versions here.",
        )
    reason = next((line for line in said.splitlines() if line.strip()), type(error).__name__)
    if address is None:
        return LoupeError(
            f"Ray cannot be started on this machine: {reason:.200}",
            "Survey without Ray, or name a cluster that runs.",
        )
    return LoupeError(
        f"Ray at {address} cannot be connected to: {reason:.200}",
        "Check with `ray status` on a machine of the cluster that it runs"
        + (", and that the token is the cluster's." if _has_token() else "."),
    )


def _has_token() -> bool:
    return os.environ.get("RAY_AUTH_MODE") == "token"


def _ask(grpc: Any, target: str, *, by_client: bool) -> None:
    """Ask a port what only Ray answers.

    Raises:
        LoupeError: nothing answers, or something else.
    """
    answer = _answer(grpc, target, QUESTIONS[by_client])
    codes = grpc.StatusCode
    if answer in (codes.UNAVAILABLE, codes.DEADLINE_EXCEEDED):
        raise LoupeError(
            f"No Ray answers at {target} within {ANSWER_SECONDS:.0f} seconds.",
            "Check the address, that the cluster runs, and that this port can be reached from here.",
        )
    if answer == codes.UNAUTHENTICATED and not _has_token():
        raise LoupeError(
            f"The Ray cluster at {target} wants its token.",
            "Set RAY_AUTH_MODE=token, and the token in ~/.ray/auth_token or RAY_AUTH_TOKEN.",
        )
    if answer != codes.UNIMPLEMENTED:
        return
    if _answer(grpc, target, QUESTIONS[not by_client]) == codes.UNIMPLEMENTED:
        raise LoupeError(f"What answers at {target} is no Ray.", "Check the port.")
    other = target if by_client else CLIENT + target
    raise LoupeError(
        f"{target} is the port of Ray's {'head' if by_client else 'client'}.",
        f"Give {other}, or the other port: {HEAD_PORT} is usual for the head, {CLIENT_PORT} for {CLIENT}.",
    )


def _answer(grpc: Any, target: str, question: str) -> Any:
    """Return the status with which a port answers, of `grpc.StatusCode`."""
    with grpc.insecure_channel(target) as channel:
        try:
            channel.unary_unary(question)(b"", timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def _has_node() -> bool:
    """Whether some cluster has a node on this machine."""
    return any("raylet" in (one.info["name"] or "") for one in psutil.process_iter(["name"]))
