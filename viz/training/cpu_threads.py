"""The processor threads of a training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

# Trainings that a page's process works on at a time; others wait for their turn.
AT_ONCE = 2

# Threads of each. Where more threads are at work than there are cores, those of one product wait for each
# other: on two cores with others at work a training of two took ten times as long.
THREADS = max(1, (os.cpu_count() or 1) // AT_ONCE)


@contextmanager
def few_threads() -> Iterator[None]:
    """Let what this thread computes take its share of the cores, and no more."""
    with threadpool_limits(THREADS, user_api="openmp"):
        yield
