"""What passes questions on inside of a cluster: an actor of each process that serves pages.

Serve's own handles do not hold over Ray's client: they ask replicas how much they have to do, and drop answers that are
late, which ends the client's connection. Here they are used where they are meant to be.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from viz.service.ray.cluster import Reply
from viz.service.ray.deployment import APPLICATION, DEPLOYMENT, Sizing, application_of, require_room

log = logging.getLogger(__name__)

# Ray asks replicas how much they have to do, and takes one that is late, such as in a long tokenisation, for busy.
LATE_SECONDS = {
    "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "2",
    "RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "10",
}


class Gateway:
    """Stands between a process that serves pages and the replicas; runs in the cluster."""

    def __init__(self) -> None:
        for name, seconds in LATE_SECONDS.items():
            os.environ.setdefault(name, seconds)
        self._handle: Any = None

    async def open(self, sizing: Sizing) -> str:
        """Deploy what runs models unless it is, and return the version that runs in replicas.

        Args:
            sizing: of the replicas.
        """
        self._handle = await asyncio.to_thread(_deployed, sizing)
        there: str = await self._handle.version.remote()
        return there

    async def pass_on(
        self, method: str, args: tuple[Any, ...], options: dict[str, str], patience: float
    ) -> Reply | None:
        """Ask a replica, and return what it says; None where it has ended, and of what has no answer.

        Args:
            method: of `ServedReplica`.
            args: of it.
            options: of the handle, such as which replica is asked.
            patience: seconds.

        Raises:
            TimeoutError: nobody has answered in that time.
            RayTaskError: the replica failed by a fault of ours.
        """
        from ray.exceptions import ActorUnavailableError, NodeDiedError, RayActorError
        from ray.serve.exceptions import DeploymentUnavailableError

        response = getattr(self._handle.options(**options), method).remote(*args)
        try:
            async with asyncio.timeout(patience):
                reply: Reply = await response
        except (
            RayActorError,
            ActorUnavailableError,
            NodeDiedError,
            DeploymentUnavailableError,
        ) as error:
            log.warning("A replica was lost: %s", error)
            return None
        return reply


def _deployed(sizing: Sizing) -> Any:
    """Return a handle to the deployment, begun if it is not."""
    import ray
    from ray import serve

    # Nothing is served over HTTP: pages ask through gateways alone.
    serve.start(proxy_location="Disabled")
    if APPLICATION not in serve.status().applications:
        require_room(sizing, [one["Resources"] for one in ray.nodes() if one["Alive"]])
        has_gpu = ray.cluster_resources().get("GPU", 0) > 0
        serve.run(application_of(sizing, has_gpu=has_gpu), name=APPLICATION, route_prefix=None)
    return serve.get_deployment_handle(DEPLOYMENT, APPLICATION)
