"""What the forward pass of a model may raise."""

from __future__ import annotations

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
