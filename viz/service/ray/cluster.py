"""Asking replicas: with progress and Cancel, of the replica that holds what is asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from viz.service.ray.packing import packed, unpacked
from viz.service.ray.references import Reference
from viz.service.ray.replica_jobs import Answer, Done, Failed, Going, LostError, Tell

# Seconds in which somebody answers at least how far the work is; a replica may have to be started for that.
SILENCE_SECONDS = 180.0

# The same of a replica that holds something: one that is silent for longer is lost.
HOLDER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a replica says.

    Attributes:
        replica: which one.
        answer: how far it is, or what came of it, packed.
    """

    replica: str
    answer: Answer


class ReplicaConnection(Protocol):
    """Carries questions to replicas."""

    def connect(self) -> None:
        """Make sure that somebody answers.

        Raises:
            LoupeError: nobody does.
        """

    def begin(self, question: bytes, replica: str, model: str, *, holder: bool = False) -> Reply:
        """Ask a replica, or where it is empty one that has the model.

        Args:
            question: packed.
            replica: that is asked, if it is there.
            model: that is wanted; any if empty.
            holder: whether no other replica could answer, so that none is waited for.

        Raises:
            LostError: it ended.
            LoupeError: the cluster does not answer.
        """

    def wait(self, job: str, replica: str) -> Reply:
        """Ask after work that goes on; errors as in `begin`."""

    def cancel(self, job: str, replica: str) -> None:
        """Let work end that nobody wants any more; nobody waits for an answer."""


class Defect(Exception):  # noqa: N818
    """A fault of ours in a replica; its message holds what the log there says."""


class Cluster:
    """Asks questions: functions that a replica calls with itself, what to tell progress to, and arguments.

    Args:
        connection: to the replicas.
        name: says what of the arguments stays in a replica, and what it is called.
        find: returns what a name in an answer stands for here.
    """

    def __init__(
        self,
        connection: ReplicaConnection,
        name: Callable[[object], Reference | None],
        find: Callable[[Reference], object],
    ) -> None:
        self._connection = connection
        self._name = name
        self._find = find
        # Asked several times a second whether whoever waits still does, where nobody said how to tell.
        self.still_wanted: Callable[[], None] = lambda: None

    def ask(
        self,
        question: Callable[..., Any],
        *args: Any,
        holder: str = "",
        replica: str = "",
        model: str = "",
        tell: Tell | None = None,
        still_wanted: Callable[[], None] | None = None,
    ) -> Any:
        """Ask, and wait for the answer.

        Args:
            question: a function of a module, called in the replica.
            args: its arguments, after the replica's state and what progress is told to.
            holder: the replica that holds what is asked about; any if empty.
            replica: that is asked rather than others, where none holds it.
            model: that is wanted, so that a replica is asked that has it.
            tell: called here with what is told there, several times a second; may raise to cancel.
            still_wanted: called as often, whatever is told; may raise to cancel.

        Raises:
            LoupeError: as the question does.
            LostError: the replica ended meanwhile.
            Defect: the question failed by a fault of ours.
        """
        content = packed((question, args), self._name)
        reply = self._connection.begin(content, holder or replica, model, holder=bool(holder))
        try:
            while isinstance(reply.answer, Going):
                (still_wanted or self.still_wanted)()
                if tell is not None and reply.answer.told is not None:
                    tell(*reply.answer.told)
                reply = self._connection.wait(reply.answer.job, reply.replica)
        except LostError:
            raise
        except BaseException:
            if isinstance(reply.answer, Going):
                self._connection.cancel(reply.answer.job, reply.replica)
            raise
        return self._result(reply.answer)

    def _result(self, answer: Answer) -> Any:
        if isinstance(answer, Done):
            return unpacked(answer.value, self._find)
        assert isinstance(answer, Failed), "work that goes on was waited for"
        if answer.error is not None:
            raise answer.error
        raise Defect(f"In a replica:\n{answer.trace}")
