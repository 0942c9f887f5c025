"""Everything that can go wrong for a user's reason, as one family.

    LoupeError
    +-- ModelError               a model cannot be had or shown
    |   +-- ModelNotFoundError
    |   +-- ModelRefusedError
    |   +-- ConfigError          a model's options do not fit each other
    +-- InputError               a text or inputs cannot be run
    |   +-- TextError
    |   +-- TextTooLongError
    |   +-- ShapeError
    |   +-- AlignmentError       two sides have nothing to be laid side by side
    +-- CaptureError             a forward pass could not be observed
    |   +-- VerificationError
    |   +-- CancelledError
    +-- TrainingError            a model could not be trained on
    |   +-- DivergedError
    +-- StorageError             a file cannot be read or written
    +-- GoneError                what was kept for somebody was let go
    +-- BusyError                too much was asked for at once
    +-- BudgetError              there is not enough memory

A LoupeError is shown to the user with its hint; anything else is a defect of ours and is logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LoupeError(Exception):
    """Something a user can understand and act on.

    Args:
        message: one sentence: what was wrong, with what value.
        hint: one sentence: what to do.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it go from one process to another as it is, whatever it is made from."""
        return _as_it_was, (type(self), self.args, vars(self))


class ModelError(LoupeError):
    """A model cannot be had or shown."""


class ModelNotFoundError(ModelError):
    """There is no such model where it was looked for."""


class ModelRefusedError(ModelError):
    """The model is there and is not run, for the reason given."""


class ConfigError(ModelError):
    """Options of a model do not fit each other, or are out of range."""


class InputError(LoupeError):
    """A text or a model's inputs cannot be run."""


class TextError(InputError):
    """The text is empty or holds what no tokenizer reads."""


class TextTooLongError(InputError):
    """The text has more tokens than the model reads.

    Attributes:
        tokens: how many the text has.
        limit: how many the model reads.
    """

    def __init__(self, message: str, hint: str = "", *, tokens: int, limit: int) -> None:
        super().__init__(message, hint)
        self.tokens = tokens
        self.limit = limit


class ShapeError(InputError):
    """An index or an array does not fit."""


class AlignmentError(InputError):
    """Two sides have nothing in common that could be laid side by side."""


class CaptureError(LoupeError):
    """A forward pass could not be observed."""


class VerificationError(CaptureError):
    """Weights failed the check that they must pass before anyone sees them."""


class CancelledError(CaptureError):
    """The user asked to stop."""


class TrainingError(LoupeError):
    """A model could not be trained on."""


class DivergedError(TrainingError):
    """The loss grew instead of falling.

    Attributes:
        step: the step at which that was so.
    """

    def __init__(self, message: str, hint: str = "", *, step: int) -> None:
        super().__init__(message, hint)
        self.step = step


class StorageError(LoupeError):
    """A file cannot be read or written."""


class GoneError(LoupeError):
    """What was kept for somebody was let go."""


class BusyError(LoupeError):
    """Too much was asked for at once."""


class BudgetError(LoupeError):
    """There is not enough memory for what was asked."""


def _as_it_was(
    kind: type[LoupeError], args: tuple[object, ...], state: Mapping[str, object]
) -> LoupeError:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error
