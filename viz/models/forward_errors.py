"""What the forward pass of a model may raise."""

from __future__ import annotations

import torch

# What models raise when they are run in a way that they do not support, or are wrong themselves.
RUN_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NameError,
    OSError,
    ImportError,
    EOFError,
    BufferError,
    StopIteration,
)

# How torch says on a CPU that there is no memory left, where it has a kind of error of its own on a GPU.
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
