"""Lines to replicas in this process: what they carry goes through pickle, as it does between processes."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Coroutine
from typing import Any

from viz.errors import LoupeError
from viz.service.ray.cluster import Reply
from viz.service.ray.replica import Replica
from viz.service.ray.replica_jobs import LostError


class NearConnection:
    """Carries questions to replicas that run in a thread of this process.

    Args:
        names: of the replicas.
    """

    def __init__(self, *names: str) -> None:
        self.replicas = {name: Replica(name) for name in names}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.asked: list[str] = []
        self.carried: list[int] = []
        self.cancelled = 0
        self.is_cut = False

    def connect(self) -> None:
        """Be there already."""

    def begin(self, question: bytes, replica: str, model: str, *, holder: bool = False) -> Reply:
        if self.is_cut:
            raise LoupeError("The cluster does not answer.", "Try again.")
        there = replica if replica in self.replicas else next(iter(self.replicas))
        self.asked.append(there)
        return self._carried(self.replicas[there].begin(question))

    def wait(self, job: str, replica: str) -> Reply:
        if replica not in self.replicas:
            raise LostError
        return self._carried(self.replicas[replica].wait(job))

    def cancel(self, job: str, replica: str) -> None:
        self.cancelled += 1
        if replica in self.replicas:
            self._run(self.replicas[replica].cancel(job))

    def end(self, replica: str) -> None:
        """Let a replica end, with all that it holds."""
        del self.replicas[replica]

    def _carried(self, answer: Coroutine[Any, Any, Reply]) -> Reply:
        content = pickle.dumps(self._run(answer))
        self.carried.append(len(content))
        reply: Reply = pickle.loads(content)
        return reply

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
