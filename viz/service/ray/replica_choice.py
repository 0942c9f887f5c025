"""Which replicas are asked sooner for something that none of them holds yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# Questions at a time from which on a replica that lacks the model is asked sooner than one that has it: to load it
# there takes less than to wait here.
MANY_QUESTIONS = 4


def ranked(replicas: Sequence[Any], model: str, questions: Callable[[Any], int]) -> list[list[Any]]:
    """Rank replicas: those that have a model and little to do, those that have little to do, the others.

    Args:
        replicas: with the models that they have.
        model: that is wanted; any if empty.
        questions: returns how many questions one answers now.
    """

    def rank(replica: Any) -> int:
        if questions(replica) >= MANY_QUESTIONS:
            return 2
        return 0 if not model or model in replica.multiplexed_model_ids else 1

    ranks = [[one for one in replicas if rank(one) == number] for number in range(3)]
    return [one for one in ranks if one]
