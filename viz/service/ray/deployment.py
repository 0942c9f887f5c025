"""The Ray Serve application whose replicas hold models and traces.

A cluster that its operators deploy to by themselves takes `viz.service.ray.deployment:application`; else the first app
that connects deploys it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from viz.errors import ConfigError
from viz.service.limits import not_expected
from viz.service.loaded_models import KEPT_MODELS
from viz.service.ray.cluster import Reply
from viz.service.ray.replica import Replica

# What it is called in the cluster.
APPLICATION, DEPLOYMENT = "attention-loupe", "Replica"

# Questions that a replica takes at a time. Most wait for a pass or for the next word of its progress; what runs models is
# let by a few at a time in the replica itself.
MOST_QUESTIONS = 1_000


# Questions at a time for each replica, beyond which a further one is started where there may be one.
BUSY_QUESTIONS = 4

# A replica that is stopped takes its traces with it, so that it is not stopped for a moment's rest.
IDLE_SECONDS = 900


# What says how many replicas there are, and what each takes.
VARIABLES = ("LOUPE_REPLICAS", "LOUPE_REPLICA_CPUS", "LOUPE_REPLICA_GPUS")


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many replicas there are, and what each takes.

    Attributes:
        fewest: that run whatever is asked.
        most: that run where much is asked.
        cpus: for each.
        gpus: for each; a part of 1 where several share one; None for 1 where the cluster has any, and 0 else.
    """

    fewest: int = 1
    most: int = 1
    cpus: float = 1.0
    gpus: float | None = None


def sizing_of(environment: Mapping[str, str] = os.environ) -> Sizing:
    """Read `LOUPE_REPLICAS` (such as 2, or 1-4), `LOUPE_REPLICA_CPUS` and `LOUPE_REPLICA_GPUS`.

    Args:
        environment: where they stand.

    Raises:
        ConfigError: one of them is no number, or no range.
    """
    replicas = environment.get("LOUPE_REPLICAS", "").strip() or "1"
    numbers = replicas.split("-") if "-" in replicas else [replicas, replicas]
    if not all(one.isdecimal() for one in numbers) or not 1 <= int(numbers[0]) <= int(numbers[-1]):
        raise not_expected(
            "LOUPE_REPLICAS", replicas, "a number from 1 on, or a range such as 1-4,"
        )
    return Sizing(
        int(numbers[0]),
        int(numbers[-1]),
        _number("LOUPE_REPLICA_CPUS", environment, 1.0) or 0.0,
        _number("LOUPE_REPLICA_GPUS", environment, None),
    )


def require_room(size: Sizing, machines: Sequence[Mapping[str, float]]) -> None:
    """Make sure that some machine is large enough for a replica, so that nobody waits for one that never starts.

    Args:
        size: of a replica.
        machines: what each has, "CPU" and "GPU".

    Raises:
        ConfigError: none is.
    """
    wanted = (("LOUPE_REPLICA_CPUS", "CPU", size.cpus), ("LOUPE_REPLICA_GPUS", "GPU", size.gpus))
    for variable, what, count in wanted:
        most = max((one.get(what, 0) for one in machines), default=0)
        if count is not None and count > most:
            raise ConfigError(
                f"{variable} is {count:g}, and no machine of the cluster has more than {most:g} {what}s.",
                f"Set {most:g} or less, or add a machine.",
            )


def application(_args: Mapping[str, str] | None = None) -> Any:
    """Return the application as `serve run` and `serve deploy` ask for it, sized by the environment."""
    import ray

    return application_of(sizing_of(), has_gpu=ray.cluster_resources().get("GPU", 0) > 0)


def application_of(size: Sizing, *, has_gpu: bool) -> Any:
    """Return the application, to be given to `serve.run`.

    Args:
        size: of its replicas.
        has_gpu: whether the cluster has a GPU.
    """
    from ray import serve

    gpus = float(has_gpu) if size.gpus is None else size.gpus
    options: dict[str, Any] = {"num_replicas": size.fewest}
    if size.most > size.fewest:
        options = {
            "autoscaling_config": {
                "min_replicas": size.fewest,
                "max_replicas": size.most,
                "target_ongoing_requests": BUSY_QUESTIONS,
                "downscale_delay_s": IDLE_SECONDS,
            }
        }
    deployment = serve.deployment(
        ServedReplica,
        name=DEPLOYMENT,
        max_ongoing_requests=MOST_QUESTIONS,
        ray_actor_options={"num_cpus": size.cpus, "num_gpus": gpus},
        request_router_config={
            "request_router_class": "viz.service.ray.replica_router.HolderRouter"
        },
        **options,
    )
    return deployment.bind()


class ServedReplica:
    """A replica, as Ray Serve runs it."""

    def __init__(self) -> None:
        from ray import serve

        self._replica = Replica(serve.get_replica_context().replica_id.unique_id)
        # Ray asks replicas that have a model for it, and knows by this which they are. Loading and letting go is the
        # workbench's own, which keeps as many, and lets go of all of them where memory is short.
        self._note = serve.multiplexed(max_num_models_per_replica=KEPT_MODELS)(_noted)
        # Asked for, and not loaded yet.
        self._awaited: set[str] = set()

    async def version(self) -> str:
        """Return the version of the code that runs here."""
        return own_version()

    async def begin(self, question: bytes, model: str) -> Reply:
        """Begin to answer a question; see `Replica.begin`."""
        reply = await self._replica.begin(question)
        if model:
            self._awaited.add(model)
        await self._note_loaded()
        return reply

    async def wait(self, job: str) -> Reply:
        """Answer what was begun; see `Replica.wait`."""
        reply = await self._replica.wait(job)
        await self._note_loaded()
        return reply

    async def _note_loaded(self) -> None:
        """Tell Ray of models that were loaded since; those that could not be are forgotten."""
        for model in list(self._awaited):
            if self._replica.has(model):
                await self._note(model)
                self._awaited.discard(model)
        if not self._replica.works:
            self._awaited.clear()

    async def cancel(self, job: str) -> None:
        """Stop what nobody wants any more."""
        await self._replica.cancel(job)


def own_version() -> str:
    """Return the version of the code that runs here."""
    return version("attention-loupe")


async def _noted(model: str) -> str:
    return model


def _number(name: str, environment: Mapping[str, str], usual: float | None) -> float | None:
    given = environment.get(name, "").strip()
    if not given:
        return usual
    try:
        number = float(given)
    except ValueError as error:
        raise not_expected(name, given, "a number from 0 on") from error
    if not 0 <= number < float("inf"):
        raise not_expected(name, given, "a number from 0 on")
    return number
