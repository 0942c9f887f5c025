"""What is to be explained: one number that a model says at one position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from viz.capture.trace import Trace
from viz.errors import InputError, ShapeError
from viz.inputs.units import label_alone
from viz.models import Model

Measure = Literal["difference", "logit", "log_probability"]


@dataclass(frozen=True, slots=True)
class Target:
    """A prediction whose causes are asked for.

    Attributes:
        position: where it is made; negative ones count from the end.
        token: what is predicted, by its text or its id; None for the token that the model puts first.
        against: what it is compared with, by its text or its id; None for the most probable other token. It
            plays a part in `difference` alone.
        measure: the difference of both logits, the logit alone, or the logarithm of the probability (nats).
    """

    position: int = -1
    token: str | int | None = None
    against: str | int | None = None
    measure: Measure = "difference"


@dataclass(frozen=True, slots=True)
class Objective:
    """A target, with its position and tokens as the model counts them.

    Attributes:
        position: from 0.
        token: its id.
        against: the id of what it is compared with; None where it is compared with nothing.
        measure: as in `Target`.
    """

    position: int
    token: int
    against: int | None
    measure: Measure

    def of(self, logits: Tensor) -> Tensor:
        """Read the number off logits [.., position, vocabulary]; float32 [..]."""
        return self.of_row(logits[..., self.position, :])

    def of_row(self, row: Tensor) -> Tensor:
        """Read the number off the logits at the position, [.., vocabulary]; float32 [..]."""
        row = row.float()
        if self.measure == "log_probability":
            return torch.log_softmax(row, dim=-1)[..., self.token]
        if self.against is None:
            return row[..., self.token]
        return row[..., self.token] - row[..., self.against]


def objective(target: Target, trace: Trace, model: Model | None = None) -> Objective:
    """Find a target's position and tokens in what a pass predicted.

    Args:
        target: what is to be explained.
        trace: of the pass, with its output.
        model: that made it, whose tokenizer knows the tokens.

    Raises:
        InputError: the model predicts no tokens, a token is none of its vocabulary, or it is compared with
            itself.
        ShapeError: there is no such position.
    """
    if trace.output is None or not _ranks_tokens(trace, model):
        raise InputError(
            f"{trace.model.name} predicts no tokens, so there is no prediction to explain.",
            "Choose a causal or masked language model, or an encoder-decoder.",
        )
    if target.measure not in get_args(Measure):
        raise InputError(
            f"There is no measure {target.measure!r}.",
            f"Choose one of {', '.join(get_args(Measure))}.",
        )
    if trace.output.ndim != 2:
        raise InputError(
            f"{trace.model.name} predicts several tokens at once at a position, {tuple(trace.output.shape)} numbers.",
            "Choose a model that predicts one.",
        )
    positions, vocabulary = trace.output.shape
    if not -positions <= target.position < positions:
        raise ShapeError(
            f"There is no position {target.position}; the model predicts at {positions}.",
            f"Choose 0 to {positions - 1}, or -1 for the last.",
        )
    position = target.position % positions
    tokenizer = None if model is None else model.tokenizer
    first, second = torch.topk(trace.output[position].float(), 2).indices.tolist()
    token = first if target.token is None else token_id(target.token, tokenizer, vocabulary)
    if target.measure != "difference":
        return Objective(position, token, None, target.measure)
    runner_up = second if token == first else first
    against = (
        runner_up if target.against is None else token_id(target.against, tokenizer, vocabulary)
    )
    if against == token:
        raise InputError(
            f"{target.against!r} is compared with itself, and the difference is 0 whatever the model does.",
            "Choose another token, or leave `against` out for the most probable other one.",
        )
    return Objective(position, token, against, target.measure)


def _ranks_tokens(trace: Trace, model: Model | None) -> bool:
    """Whether a model's output is a number for each token of its vocabulary."""
    if trace.model.kind not in ("encoder", "other"):
        return True
    find = getattr(None if model is None else model.module, "get_output_embeddings", None)
    unembedding = find() if callable(find) else None
    rows = getattr(getattr(unembedding, "weight", None), "shape", (0,))[0]
    return trace.output is not None and trace.output.shape[-1] == rows


def token_id(token: str | int, tokenizer: PreTrainedTokenizerBase | None, vocabulary: int) -> int:
    """Return a token's id.

    Raises:
        InputError: it is none of the vocabulary, and how it is cut instead.
    """
    if isinstance(token, int) and not isinstance(token, bool):
        if 0 <= token < vocabulary:
            return token
        raise InputError(
            f"There is no token {token}; the vocabulary has {vocabulary:,}.",
            f"Choose 0 to {vocabulary - 1:,}.",
        )
    if tokenizer is None:
        raise InputError(
            f"{token!r} cannot be looked up, because the model came without a tokenizer.",
            "Give the token's id.",
        )
    ids = tokenizer.encode(str(token), add_special_tokens=False)
    known = len(ids) == 1 and (ids[0] != tokenizer.unk_token_id or token == tokenizer.unk_token)
    if known and ids[0] < vocabulary:
        return int(ids[0])
    if not ids or ids == [tokenizer.unk_token_id]:
        raise InputError(
            f"{token!r} is no token of the vocabulary.", "Choose another, or give a token's id."
        )
    parts = [label_alone(tokenizer, one, ids[:at], ids[at + 1 :]) for at, one in enumerate(ids)]
    raise InputError(
        f"{token!r} is no single token: it is cut into {', '.join(parts)}.",
        "Choose one of these, or check whether it wants a space in front.",
    )
