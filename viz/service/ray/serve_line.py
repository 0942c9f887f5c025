"""The line to replicas over Ray Serve, from a process of the cluster or by Ray's client."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from viz.errors import BusyError, LoupeError
from viz.service.ray.cluster import HOLDER_SECONDS, SILENCE_SECONDS, Reply
from viz.service.ray.deployment import APPLICATION, MOST_QUESTIONS, VARIABLES, sizing_of
from viz.service.ray.gate import Gate, own_version
from viz.service.ray.replica_jobs import LostError
from viz.survey.ray.ray_connection import checked_address, connect, require_ray

log = logging.getLogger(__name__)

# Seconds in which a cluster has room for the first replica, and it has started: the machine may have to be begun.
START_SECONDS = 600.0

# Seconds by which an answer may come later than the gate waits for it.
WAY_SECONDS = 10.0


class ServeLine:
    """Carries questions to replicas of the deployment; connects, and deploys it, when it is first asked.

    Args:
        address: of the cluster, as `checked_address` takes it; None for a Ray on this machine alone.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._gate: Any = None
        self._connecting = threading.Lock()

    def begin(self, question: bytes, replica: str, model: str, *, holder: bool = False) -> Reply:
        """Ask a replica; see `Line.begin`."""
        options = {"session_id": replica, "multiplexed_model_id": model}
        return self._ask("begin", (question, model), options, holder=holder)

    def wait(self, job: str, replica: str) -> Reply:
        """Ask after work that goes on."""
        return self._ask("wait", (job,), {"session_id": replica}, holder=True)

    def cancel(self, job: str, replica: str) -> None:
        """Let work end that nobody wants any more."""
        self._ask("cancel", (job,), {"session_id": replica}, holder=True)

    def connect(self) -> None:
        """Connect to the cluster, and deploy what runs models there, unless both is done.

        Raises:
            ConfigError: the environment says no size of replicas.
            LoupeError: the cluster does not answer, is of another version, or has no room for a replica.
        """
        with self._connecting:
            if self._gate is None:
                self._gate = _opened(self._address)

    def _ask(
        self, method: str, args: tuple[Any, ...], options: dict[str, str], *, holder: bool
    ) -> Reply:
        import ray
        from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

        self.connect()
        patience = HOLDER_SECONDS if holder else SILENCE_SECONDS
        try:
            asked = self._gate.pass_on.remote(method, args, options, patience)
            reply: Reply | None = ray.get(asked, timeout=patience + WAY_SECONDS)
        except (GetTimeoutError, RayTaskError) as error:
            if isinstance(error, RayTaskError) and not isinstance(error.cause, TimeoutError):
                raise
            if holder:
                raise LostError from error
            raise BusyError(
                f"The cluster has said nothing for {patience:.0f} seconds.",
                "Try again; if that does not help, check with `ray status` that it runs.",
            ) from error
        except (RayActorError, ConnectionError) as error:
            # The cluster was begun anew, or cannot be reached: what is asked next connects again.
            self._gate = None
            log.warning("The cluster was lost", exc_info=error)
            raise LoupeError(
                f"The Ray cluster{_at(self._address)} does not answer any more.",
                "Try again in a minute; if that does not help, check with `ray status` that it runs.",
            ) from error
        if reply is None:
            raise LostError
        return reply


def _opened(address: str | None) -> Any:
    """Connect to a cluster, and return a gate to the replicas there, which are deployed if they are not."""
    ray, _ = require_ray()
    from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

    sizing = sizing_of() if any(os.environ.get(name) for name in VARIABLES) else None
    if not ray.is_initialized():
        connect(ray, checked_address(address))
    actor = ray.remote(num_cpus=0, max_concurrency=MOST_QUESTIONS)(Gate)
    gate = actor.remote()
    try:
        there = ray.get(gate.open.remote(sizing), timeout=START_SECONDS)
    except GetTimeoutError as error:
        raise LoupeError(
            f"The Ray cluster{_at(address)} has had no room for a replica within {START_SECONDS:.0f} seconds.",
            f"Check with `ray status` what is free, and {', '.join(VARIABLES)}.",
        ) from error
    except (RayActorError, RayTaskError) as error:
        reason = str(getattr(error, "cause", None) or error).strip().splitlines()
        raise LoupeError(
            f"Replicas cannot begin on the Ray cluster{_at(address)}: {reason[-1]:.200}",
            'Install what this process has on every machine of it: pip install "attention-loupe[ray]"',
        ) from error
    require_ours(there)
    return gate


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
