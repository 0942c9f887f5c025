"""Workers in a Ray cluster: started, given batches of windows, and replaced where one is lost."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from viz.errors import BusyError, LoupeError
from viz.survey.ray.ray_places import Place
from viz.survey.ray.ray_worker import ModelSource, Refusal, WindowWorker
from viz.survey.texts.windows import Window

# How often workers are asked how far they are.
LOOK_SECONDS = 0.5

# How long a cluster may take until its first worker runs; loading the model comes after that.
START_SECONDS = 180.0

# How often the same windows, or the same model, may end a worker. Ray by itself would try for ever.
TRIES = 3

# While a worker measures, it says how far it is and hears that it is to stop.
AT_ONCE = 3


@dataclass(eq=False, slots=True)
class Batch:
    """Windows that are measured together.

    Attributes:
        windows: that follow one another.
        told: how many of them somebody was told of.
        losses: workers that were lost with it.
    """

    windows: Sequence[Window]
    told: int = 0
    losses: int = 0


@dataclass(eq=False, slots=True)
class _Post:
    """A place and who works there.

    Attributes:
        place: where it is.
        actor: the worker.
        job: what it does: loads the model, or measures a batch; None while it waits for one.
        batch: that it measures.
        count: asks it how many windows it has measured.
        runs: whether it has answered.
        losses: workers that were lost here before they had the model.
    """

    place: Place
    actor: Any
    job: Any
    count: Any
    batch: Batch | None = None
    runs: bool = False
    losses: int = 0


class Crew:
    """Workers that measure batches; those that are lost are replaced, and what they had is given to others.

    Ray would restart and retry by itself, without end where windows are what ends a worker, and on the lost node only.

    Args:
        ray: the module, connected.
        places: where workers are put.
        source: the model that they load.
        seed: of examples that are drawn by chance.
    """

    def __init__(
        self, ray: Any, places: Sequence[Place], source: ModelSource, *, seed: int
    ) -> None:
        self._ray, self._source, self._seed = ray, source, seed
        self._kind = ray.remote(WindowWorker)
        self._begun = time.monotonic()
        self._stopped = False
        self.waiting: deque[Batch] = deque()
        self._posts = [_Post(place, *self._hire(place)) for place in places]

    @property
    def lacks_batches(self) -> bool:
        """Whether a worker could be given more than what waits."""
        return len(self.waiting) < len(self._posts)

    @property
    def measures(self) -> bool:
        """Whether any worker has a batch."""
        return any(post.batch is not None for post in self._posts)

    def hand_out(self) -> None:
        """Give batches that wait to workers that do, the earliest first."""
        for post in self._posts:
            if post.job is None and self.waiting:
                post.batch = self.waiting.popleft()
                post.job = post.actor.measure.remote(post.batch.windows)

    def arrived(self, *, seconds: float) -> Iterator[tuple[Batch, bytes | None]]:
        """Take what workers have done, and wait for it so long.

        Returns:
            Batches that have ended, each once, with their sums; None of a batch that was stopped before its first
            window.

        Raises:
            LoupeError: a worker refuses the model or the windows, or is lost with the same ones again and again.
            BusyError: no worker was given a place in the cluster.
        """
        jobs = {post.job: post for post in self._posts if post.job is not None}
        if not jobs:
            time.sleep(seconds)
            return
        ready, _ = self._ray.wait(list(jobs), num_returns=1, timeout=seconds)
        for job in ready:
            done = self._result(jobs[job], job)
            if done is not None:
                yield done

    def counts(self) -> Iterator[tuple[Batch, int]]:
        """Tell of batches at work how many of their windows are measured."""
        for post in self._posts:
            if not self._ray.wait([post.count], timeout=0)[0]:
                continue
            with suppress(self._ray.exceptions.RayError):  # it is lost, which its job will say
                first, done = self._ray.get(post.count)
                post.runs = True
                if post.batch is not None and post.batch.windows[0].number == first:
                    yield post.batch, done
            post.count = post.actor.done.remote()
        if not any(post.runs for post in self._posts):
            self._require_start()

    def stop(self) -> None:
        """Let everybody end after the window at work, and give out none of what waits."""
        self.waiting.clear()
        self._stopped = True
        for post in self._posts:
            post.actor.stop.remote()

    def dismiss(self) -> None:
        """End all workers."""
        for post in self._posts:
            with suppress(self._ray.exceptions.RayError, ConnectionError):
                self._ray.kill(post.actor)

    def _hire(self, place: Place) -> tuple[Any, Any, Any]:
        """Start a worker, and let it load the model."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._kind.options(
            num_cpus=place.cpus,
            num_gpus=place.gpus,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=True),
            max_concurrency=AT_ONCE,
            max_restarts=0,
            max_task_retries=0,
        ).remote(self._source, device=place.device, seed=self._seed)
        return actor, actor.load.remote(), actor.done.remote()

    def _result(self, post: _Post, job: Any) -> tuple[Batch, bytes | None] | None:
        """Take what a worker has done; None where that is no batch."""
        errors = self._ray.exceptions
        batch, post.job, post.batch = post.batch, None, None
        try:
            found = self._ray.get(job)
        except errors.RayTaskError:
            raise
        except errors.RayError as error:
            if self._stopped:
                return None if batch is None else (batch, None)
            self._replace(post, batch, error)
            return None
        if isinstance(found, Refusal):
            raise found.error()
        post.losses = 0
        return None if batch is None else (batch, found)

    def _replace(self, post: _Post, batch: Batch | None, error: Exception) -> None:
        """Put another worker in the place of one that was lost, and its batch to the front of those that wait."""
        if getattr(error, "actor_init_failed", False):
            raise LoupeError(
                f"The worker on {post.place.host} cannot begin: {_cause(error)}",
                "Install attention-loupe, in this version, on every machine of the cluster.",
            ) from error
        if batch is None:
            post.losses += 1
            if post.losses == TRIES:
                raise LoupeError(
                    f"The worker on {post.place.host} ended {TRIES} times while it loaded {self._source.called}: {_reason(error)}",
                    "Where it lacks memory, fewer workers need less.",
                ) from error
        else:
            batch.losses += 1
            if batch.losses == TRIES:
                first, last = batch.windows[0].number, batch.windows[-1].number
                raise LoupeError(
                    f"Windows {first:,} to {last:,} ended their worker {TRIES} times: {_reason(error)}",
                    "Where it lacks memory, shorter windows or fewer workers need less; what was measured is kept.",
                ) from error
            self.waiting.appendleft(batch)
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(post.actor)
        post.actor, post.job, post.count = self._hire(post.place)

    def _require_start(self) -> None:
        if time.monotonic() - self._begun < START_SECONDS:
            return
        free, whole = self._ray.available_resources(), self._ray.cluster_resources()
        kind = "GPU" if self._posts[0].place.gpus else "CPU"
        raise BusyError(
            f"Ray started no worker within {START_SECONDS:.0f} seconds; {free.get(kind, 0):g} of {whole.get(kind, 0):g} {kind}s are free.",
            "Wait until others have ended, or ask for fewer workers.",
        )


def _reason(error: Exception) -> str:
    """Say in a line what Ray says in many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[0] if lines else type(error).__name__:.160}"


def _cause(error: Exception) -> str:
    """Find in the traceback that Ray passes on as a text what was raised."""
    raised = re.findall(r"^\s*(?:\w+\.)*\w*Error: .+", str(error), re.MULTILINE)
    return f"{raised[-1].strip():.160}" if raised else _reason(error)
