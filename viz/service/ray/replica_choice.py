"""Which replicas are asked sooner for something that none of them holds yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# Before the name of a replica that is preferred, and not the only one that can answer.
PREFERRED = "prefer "

# Questions at a time from which on a replica that lacks the model is asked sooner than one that has it: to load it
# there takes less than to wait here.
MANY_QUESTIONS = 4


def ranked(
    replicas: Sequence[Any], preferred: str, model: str, questions: Callable[[Any], int]
) -> list[list[Any]]:
    """Rank replicas: the preferred one, those that have a model, all others; those that have much to do last.

    Args:
        replicas: with the models that they have.
        preferred: the name of one; none if empty.
        model: that is wanted; any if empty.
        questions: returns how many questions one answers now.
    """

    def rank(replica: Any) -> int:
        if questions(replica) >= MANY_QUESTIONS:
            return 3
        if replica.replica_id.unique_id == preferred:
            return 0
        return 1 if not model or model in replica.multiplexed_model_ids else 2

    ranks = [[one for one in replicas if rank(one) == number] for number in range(4)]
    return [one for one in ranks if one]
