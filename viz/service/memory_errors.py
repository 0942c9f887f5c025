"""What is said where memory runs out in the middle of a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from viz.errors import BudgetError, LoupeError
from viz.models.forward_errors import ran_out_of_memory


@contextmanager
def memory_said() -> Iterator[None]:
    """Say in words that memory ran out in the block, and free what was held for it.

    Raises:
        BudgetError: it did.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, LoupeError) or not ran_out_of_memory(error):
            raise
        _free()
        raise BudgetError(
            "The machine ran out of memory during this run.",
            "Shorten the text, choose a smaller model, or try again when fewer others use it.",
        ) from error


def _free() -> None:
    """Parts of a model refer to each other, and what was a tensor on a GPU is kept by torch."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
