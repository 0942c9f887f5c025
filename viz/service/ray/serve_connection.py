"""The connection to replicas over Ray Serve, from a process of the cluster or by Ray's client."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from viz.errors import BusyError, LoupeError
from viz.service.ray.cluster import HOLDER_SECONDS, SILENCE_SECONDS, Defect, Reply
from viz.service.ray.deployment import (
    APPLICATION,
    MOST_QUESTIONS,
    VARIABLES,
    own_version,
    sizing_of,
)
from viz.service.ray.gateway import Gateway
from viz.service.ray.replica_choice import PREFERRED
from viz.service.ray.replica_jobs import LostError
from viz.survey.ray.ray_connection import checked_address, connect, require_ray

log = logging.getLogger(__name__)

# Seconds in which a cluster has room for the first replica, and it has started: the machine may have to be begun.
START_SECONDS = 600.0

# Seconds for which a connection that could not be is not tried again.
AGAIN_SECONDS = 10.0

# Seconds by which an answer may come later than the gateway waits for it.
WAY_SECONDS = 10.0


class ServeConnection:
    """Carries questions to replicas of the deployment; connects, and deploys it, when it is first asked.

    Args:
        address: of the cluster, as `checked_address` takes it; None for a Ray on this machine alone.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._gateway: Any = None
        self._connecting = threading.Lock()
        # Why the last connection could not be, and when that was.
        self._failed: tuple[float, LoupeError] | None = None

    def begin(self, question: bytes, replica: str, model: str, *, holder: bool = False) -> Reply:
        """Ask a replica; see `ReplicaConnection.begin`."""
        named = f"{PREFERRED}{replica}" if replica and not holder else replica
        options = {"session_id": named, "multiplexed_model_id": model}
        patience = HOLDER_SECONDS if holder else SILENCE_SECONDS
        try:
            reply = self._ask("begin", (question, model), options, patience)
        except _SilentError as error:
            if holder:
                raise LostError from error
            raise BusyError(
                f"The cluster has said nothing for {patience:.0f} seconds.",
                "Try again; if that does not help, check with `ray status` that it runs.",
            ) from error
        if reply is None:
            raise LostError
        return reply

    def wait(self, job: str, replica: str) -> Reply:
        """Ask after work that goes on."""
        for tries_left in (1, 0):
            try:
                reply = self._ask("wait", (job,), {"session_id": replica}, HOLDER_SECONDS)
            except _SilentError as error:
                if not tries_left:
                    raise LostError from error
            else:
                break
        if reply is None:
            raise LostError
        return reply

    def cancel(self, job: str, replica: str) -> None:
        """Let work end that nobody wants any more; nobody waits for that."""
        gateway = self._gateway
        if gateway is not None:
            gateway.pass_on.remote("cancel", (job,), {"session_id": replica}, HOLDER_SECONDS)

    def connect(self) -> None:
        """Connect to the cluster, and deploy what runs models there, unless both is done.

        Raises:
            ConfigError: the environment says no size of replicas.
            LoupeError: the cluster does not answer, is of another version, or has no room for a replica.
        """
        self._connected()

    def _connected(self) -> Any:
        """Return a gateway to the replicas; errors as in `connect`."""
        with self._connecting:
            if self._gateway is not None:
                return self._gateway
            if self._failed is not None and time.monotonic() - self._failed[0] < AGAIN_SECONDS:
                # Whoever waited for the same need not wait for it once more.
                raise self._failed[1]
            try:
                self._gateway = _opened(self._address)
            except LoupeError as error:
                self._failed = time.monotonic(), error
                raise
            return self._gateway

    def _ask(
        self, method: str, args: tuple[Any, ...], options: dict[str, str], patience: float
    ) -> Reply | None:
        """Ask by the gateway; None where the replica has ended.

        Raises:
            _SilentError: nobody answers in that time.
            LoupeError: the cluster does not answer.
        """
        import ray
        from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

        gateway = self._connected()
        try:
            asked = gateway.pass_on.remote(method, args, options, patience)
            reply: Reply | None = ray.get(asked, timeout=patience + WAY_SECONDS)
        except GetTimeoutError as error:
            raise _SilentError from error
        except RayTaskError as error:
            if isinstance(error.cause, TimeoutError):
                raise _SilentError from error
            raise Defect(f"In a replica:\n{error}") from error
        except (RayActorError, ConnectionError) as error:
            # The cluster was begun anew, or cannot be reached: what is asked next connects again.
            with self._connecting:
                if self._gateway is gateway:
                    self._gateway = None
            log.warning("The cluster was lost: %s", str(error).strip().partition("\n")[0])
            raise LoupeError(
                f"The Ray cluster{_at(self._address)} does not answer any more.",
                "Try again in a minute; if that does not help, check with `ray status` that it runs.",
            ) from error
        return reply


class _SilentError(Exception):
    """Nobody answers."""


def _opened(address: str | None) -> Any:
    """Connect to a cluster, and return a gateway to the replicas there, which are deployed if they are not."""
    ray, _ = require_ray()
    from ray.exceptions import GetTimeoutError, RayError

    sizing = sizing_of()
    if not _lives(ray):
        # Of a cluster that is gone something may be left, which a new connection would stumble over.
        ray.shutdown()
        connect(ray, checked_address(address))
    actor = ray.remote(num_cpus=0, max_concurrency=MOST_QUESTIONS)(Gateway)
    try:
        gateway = actor.remote()
        there = ray.get(gateway.open.remote(sizing), timeout=START_SECONDS)
    except GetTimeoutError as error:
        raise LoupeError(
            f"The Ray cluster{_at(address)} has had no room for a replica within {START_SECONDS:.0f} seconds.",
            f"Check with `ray status` what is free, and {', '.join(VARIABLES)}.",
        ) from error
    except (RayError, RuntimeError, ConnectionError, ImportError) as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, LoupeError):
            raise cause from error
        reason = str(cause).strip().splitlines() or [type(cause).__name__]
        raise LoupeError(
            f"Replicas cannot begin on the Ray cluster{_at(address)}: {reason[-1]:.200}",
            'Install what this process has on every machine of it, pip install "attention-loupe[ray]", and call '
            "`ray start` outside of folders that hold another version.",
        ) from error
    require_ours(there)
    return gateway


def _lives(ray: Any) -> bool:
    """Whether this process is connected to a cluster that still answers."""
    from ray.exceptions import RayError

    if not ray.is_initialized():
        return False
    try:
        return bool(ray.nodes())
    except (ConnectionError, RuntimeError, RayError):
        return False


def require_ours(there: str) -> None:
    """Make sure that replicas run what pages run: both take each other's objects.

    Raises:
        LoupeError: they do not.
    """
    here = own_version()
    if there != here:
        raise LoupeError(
            f"Replicas on the cluster run Attention Loupe {there}, and this is {here}.",
            f"Install {here} on the cluster, end {APPLICATION!r} there (`serve shutdown`), and start again.",
        )


def _at(address: str | None) -> str:
    return "" if address is None else f" at {address}"
