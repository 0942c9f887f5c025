"""What is said where memory runs out in the middle of a run."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from viz.errors import BudgetError, LoupeError
from viz.models.forward_errors import ran_out_of_memory

log = logging.getLogger(__name__)


@contextmanager
def out_of_memory_in_words() -> Iterator[None]:
    """Say in words that memory ran out in the block, and free what was held for it.

    Raises:
        BudgetError: it did.
    """
    ran_out = False
    try:
        yield
    except Exception as error:
        if isinstance(error, LoupeError) or not ran_out_of_memory(error):
            raise
        log.warning("Memory ran out", exc_info=error)
        # What did not fit is held by the frames that the error came through.
        traceback.clear_frames(error.__traceback__)
        ran_out = True
    if ran_out:
        _free()
        raise BudgetError(
            "The machine ran out of memory during this run.",
            "Shorten the text, choose a smaller model, or try again when fewer others use it.",
        )


def _free() -> None:
    """Parts of a model refer to each other, and what was a tensor on a GPU is kept by torch."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
