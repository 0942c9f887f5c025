"""What is to be explained: one number that a model says, of a position or of the whole input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Literal, get_args

import torch
from torch import Tensor

from viz.capture.trace import Trace
from viz.effects.target_names import class_id, token_id
from viz.errors import InputError, ShapeError
from viz.models import Model

Measure = Literal["difference", "logit", "log_probability", "similarity", "direction"]

# Vectors below this length have no direction.
LEAST_LENGTH = 1e-12


def is_whole(given: object) -> bool:
    """Whether something is a whole number; True and False are none."""
    return isinstance(given, Integral) and not isinstance(given, bool)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A prediction whose causes are asked for.

    Attributes:
        position: where it is made; negative ones count from the end. Of a class of the whole input, and of a similarity,
            it plays no part.
        token: what is predicted, by its text or its id; of a classifier a class, by its name or its number. None for
            what the model puts first.
        against: what it is compared with, by its text or its id; None for the most probable other. It plays a part in
            `difference` alone.
        measure: the difference of both logits, the logit alone, or the logarithm of the probability (nats). Of what
            follows it is "similarity" or "direction", whatever is said here.
        similar_to: another text; what is explained is the cosine between its vector and the input's, of a model that
            predicts no tokens. The vector is what the model puts out, or the mean of its states over all positions.
        direction: a vector, [d_model], of a model that predicts no tokens; what is explained is how far the state at the
            position, or what the model puts out for the whole input, lies along it.
    """

    position: int = -1
    token: str | int | None = None
    against: str | int | None = None
    measure: Measure = "difference"
    similar_to: str | None = None
    direction: Tensor | None = None

    def __post_init__(self) -> None:
        """Make sure that every part is of a kind that can be one.

        Raises:
            InputError: one is not.
        """
        if not is_whole(self.position):
            raise InputError(
                f"The position is {self.position!r:.60}.",
                "Give a whole number, such as -1 for the last.",
            )
        for name in ("token", "against"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, str) and not is_whole(given):
                raise InputError(
                    f"{name} is {given!r:.60}.",
                    "Give the text of a token or a class, or its number.",
                )
        if self.similar_to is not None and not isinstance(self.similar_to, str):
            raise InputError(f"similar_to is {self.similar_to!r:.60}.", "Give another text.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and self._told_apart() == other._told_apart()

    def __hash__(self) -> int:
        return hash(self._told_apart())

    def _told_apart(self) -> tuple[object, ...]:
        direction = (
            None
            if self.direction is None
            else tuple(torch.as_tensor(self.direction).flatten().tolist())
        )
        names = ("position", "token", "against", "measure", "similar_to")
        return (*(getattr(self, name) for name in names), direction)


@dataclass(frozen=True, slots=True)
class Objective:
    """A target, with its position and tokens as the model counts them.

    Attributes:
        position: from 0; None of what is said of the whole input.
        token: its id, or the number of a class; -1 of a similarity and a direction.
        against: the id of what it is compared with; None where it is compared with nothing.
        measure: as in `Target`.
        vector: what states are compared with, float32 [d_model].
        averaged: positions over whose mean something is said of the whole input, int64; None for what has none.
    """

    position: int | None
    token: int
    against: int | None
    measure: Measure
    vector: Tensor | None = field(default=None, compare=False, repr=False)
    averaged: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def place(self) -> int:
        """The position.

        Raises:
            ShapeError: it is said of the whole input.
        """
        if self.position is None:
            raise ShapeError(
                "What is explained is said of the whole input, and not at one position.",
                "Knock heads or edges out instead, or look at gradients; both work for it.",
            )
        return self.position

    def row(self, output: Tensor) -> Tensor:
        """Take what the number is read off: [.., position, width], or [.., width], -> [.., width]."""
        if self.averaged is not None:
            return output[..., self.averaged.to(output.device), :].float().mean(dim=-2)
        return output if self.position is None else output[..., self.position, :]

    def of(self, output: Tensor) -> Tensor:
        """Read the number off a model's output, [.., position, width] or [.., width]; float32 [..]."""
        return self.of_row(self.row(output))

    def of_row(self, row: Tensor) -> Tensor:
        """Read the number off the logits, or the states, at the position, [.., width]; float32 [..]."""
        row = row.float()
        if self.vector is not None:
            along: Tensor = row @ self.vector.to(row.device)
            if self.measure == "direction":
                return along
            cosine: Tensor = along / torch.linalg.vector_norm(row, dim=-1).clamp_min(LEAST_LENGTH)
            return cosine
        if self.measure == "log_probability":
            return torch.log_softmax(row, dim=-1)[..., self.token]
        if self.against is None:
            return row[..., self.token]
        return row[..., self.token] - row[..., self.against]


def objective(
    target: Target,
    trace: Trace,
    model: Model | None = None,
    *,
    output_of: Callable[[str], Tensor] | None = None,
    padding: Tensor | None = None,
) -> Objective:
    """Find a target's position and tokens in what a pass predicted.

    Args:
        target: what is to be explained.
        trace: of the pass, with its output.
        model: that made it, whose tokenizer knows the tokens.
        output_of: returns what the model puts out for another text, to be similar to.
        padding: of the inputs, 0 where a position is padding, [position]; None where none is.

    Raises:
        InputError: the model predicts nothing of the kind, a token is none of its vocabulary, or it is compared with
            itself.
        ShapeError: there is no such position, or a direction is of another width.
    """
    if target.measure not in get_args(Measure):
        raise InputError(
            f"There is no measure {target.measure!r}.",
            f"Choose one of {', '.join(get_args(Measure))}.",
        )
    if target.similar_to is not None or target.direction is not None:
        return _of_states(target, trace, model, output_of, padding)
    if target.measure in ("similarity", "direction"):
        raise InputError(
            f"The measure {target.measure!r} was asked for without what it is measured by.",
            "Give similar_to, another text, or direction, a vector.",
        )
    classes = classes_of(trace, model)
    if trace.output is None or not (classes or _ranks_tokens(trace, model)):
        raise InputError(
            f"{trace.model.name} predicts no tokens or classes, so there is no prediction to explain.",
            "Explain a similarity, Target(similar_to='another text'), or a direction of its states, "
            "Target(direction=vector); or choose a model that predicts.",
        )
    if trace.output.ndim != 2 and not (classes and trace.output.ndim == 1):
        raise InputError(
            f"{trace.model.name} predicts several tokens at once at a position, {tuple(trace.output.shape)} numbers.",
            "Choose a model that predicts one.",
        )
    position = None if trace.output.ndim == 1 else _position(target, len(trace.output))
    row = trace.output if position is None else trace.output[position]

    def number(name: str | int) -> int:
        if classes:
            return class_id(name, classes)
        return token_id(name, None if model is None else model.tokenizer, len(row))

    first, *others = torch.topk(row.float(), min(2, len(row))).indices.tolist()
    token = first if target.token is None else number(target.token)
    if target.measure != "difference" or not others:
        return Objective(position, token, None, target.measure)
    runner_up = others[0] if token == first else first
    against = runner_up if target.against is None else number(target.against)
    if against == token:
        raise InputError(
            f"{target.against!r} is compared with itself, and the difference is 0 whatever the model does.",
            "Choose another token, or leave `against` out for the most probable other one.",
        )
    return Objective(position, token, against, target.measure)


def _position(target: Target, positions: int) -> int:
    if not -positions <= target.position < positions:
        raise ShapeError(
            f"There is no position {target.position}; the model predicts at {positions}.",
            f"Choose 0 to {positions - 1}, or -1 for the last.",
        )
    return target.position % positions


def _of_states(
    target: Target,
    trace: Trace,
    model: Model | None,
    output_of: Callable[[str], Tensor] | None,
    padding: Tensor | None,
) -> Objective:
    """Explain how a model's states lie to a vector, or to what it puts out for another text."""
    output = trace.output
    if output is None or output.ndim > 2 or classes_of(trace, model) or _ranks_tokens(trace, model):
        raise InputError(
            f"{trace.model.name} puts out a number for each token or class, and no states that have a direction.",
            "Explain one of those, Target(token=...).",
        )
    if target.similar_to is not None:
        if target.direction is not None:
            raise InputError("A similarity and a direction were asked for together.", "Give one.")
        if output_of is None:
            raise InputError(
                "Another text cannot be read without its model.", "Give the model along."
            )
        theirs = output_of(target.similar_to).float()
        vector = theirs if theirs.ndim == 1 else theirs.mean(dim=0)
        vector = vector / torch.linalg.vector_norm(vector).clamp_min(LEAST_LENGTH)
        averaged = None
        if output.ndim == 2:
            read = torch.ones(len(output), dtype=torch.bool)
            if padding is not None and padding.shape == read.shape:
                read = padding.bool().cpu()
            averaged = read.nonzero()[:, 0]
        return Objective(None, -1, None, "similarity", vector, averaged)
    assert target.direction is not None
    try:
        vector = torch.as_tensor(target.direction, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"The direction is {target.direction!r:.60}.", f"Give {output.shape[-1]} numbers."
        ) from error
    if vector.shape != output.shape[-1:]:
        raise ShapeError(
            f"The direction has the shape {tuple(vector.shape)}, and a state of {trace.model.name} has "
            f"{output.shape[-1]} numbers.",
            f"Give {output.shape[-1]} numbers.",
        )
    if not bool(torch.isfinite(vector).all()):
        raise InputError("The direction has numbers that are not finite.", "Give finite ones.")
    if not bool(vector.any()):
        raise InputError(
            "The direction is 0 everywhere, so that nothing lies along it.", "Give another."
        )
    position = None if output.ndim == 1 else _position(target, len(output))
    return Objective(position, -1, None, "direction", vector)


def classes_of(trace: Trace, model: Model | None) -> tuple[str, ...]:
    """Name the classes that a model's output is a number for each of; nothing if it is not."""
    config = getattr(None if model is None else model.module, "config", None)
    names = getattr(config, "id2label", None)
    kind = "" if model is None else type(model.module).__name__
    if "Classification" not in kind or not names or trace.output is None:
        return ()
    if trace.output.ndim not in (1, 2) or trace.output.shape[-1] != len(names):
        return ()
    return tuple(str(names[number]) for number in sorted(names))


def _ranks_tokens(trace: Trace, model: Model | None) -> bool:
    """Whether a model's output is a number for each token of its vocabulary."""
    if trace.model.kind not in ("encoder", "other"):
        return True
    find = getattr(None if model is None else model.module, "get_output_embeddings", None)
    unembedding = find() if callable(find) else None
    rows = getattr(getattr(unembedding, "weight", None), "shape", (0,))[0]
    return trace.output is not None and trace.output.shape[-1] == rows
