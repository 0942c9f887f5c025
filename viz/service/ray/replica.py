"""What runs in a replica of the deployment: a workbench of its own, asked by name."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from viz.errors import GoneError
from viz.service.ray.cluster import Reply
from viz.service.ray.named_answer import NamedAnswer
from viz.service.ray.packing import packed, unpacked
from viz.service.ray.references import EffectsReference, HeldResult, LayerReference, Reference
from viz.service.ray.replica_jobs import Jobs, Tell
from viz.service.run_service import Workbench

# Questions that take a moment, such as tiles and rows, and are answered at a time.
SHORT_QUESTIONS = 32


class ReplicaState:
    """Everything that a replica keeps, as questions see it.

    Args:
        replica: its name.
    """

    def __init__(self, replica: str) -> None:
        self.replica = replica
        self.workbench = Workbench()

    def held(self, held: HeldResult) -> Any:
        """Return a run, effects or a lens that is kept here.

        Raises:
            GoneError: it is not, or not any more.
        """
        if held.replica == self.replica and held.kind == "run":
            return self.workbench.shown(held.name)
        if held.replica == self.replica and held.kind == "effects":
            return self.workbench.effects_named(held.name)
        raise GoneError(
            "What is asked about was made by a process that has ended.",
            "Press Run to see it again.",
        )

    def find(self, reference: Reference) -> object:
        """Return what a name in a question stands for; errors as in `held`."""
        if isinstance(reference, EffectsReference):
            return self.held(reference.held)
        assert isinstance(reference, LayerReference), "a page has no other names"
        return self.held(reference.held).trace.stacks[reference.stack].records[reference.layer]


class Replica:
    """Answers questions one after the other and beside each other; see `Cluster`.

    Args:
        replica: its name.
    """

    def __init__(self, replica: str) -> None:
        self.state = ReplicaState(replica)
        limits = self.state.workbench.limits
        # Every run that waits for its turn holds a thread; what takes a moment shall find one.
        self._jobs = Jobs(limits.waiting + limits.passes + SHORT_QUESTIONS)

    def has(self, model: str) -> bool:
        """Whether a model is loaded, by the name that `RayWorkbench` gives it."""
        return self.state.workbench.loaded_by(tuple(json.loads(model))) is not None

    @property
    def works(self) -> bool:
        """Whether it answers anything now."""
        return self._jobs.going > 0

    async def begin(self, question: bytes) -> Reply:
        """Begin to answer, and answer at once what takes a moment."""
        return Reply(
            self.state.replica, await self._jobs.begin(partial(_answered, self.state, question))
        )

    async def wait(self, job: str) -> Reply:
        """Answer what was begun, or say how far it is."""
        return Reply(self.state.replica, await self._jobs.wait(job))

    async def cancel(self, job: str) -> None:
        """Stop what nobody wants any more."""
        self._jobs.cancel(job)


def _answered(state: ReplicaState, question: bytes, tell: Tell) -> bytes:
    asked, args = unpacked(question, state.find)
    value = asked(state, tell, *args)
    kept = value if isinstance(value, NamedAnswer) else NamedAnswer(value, {})
    return packed(kept.value, kept.name)
