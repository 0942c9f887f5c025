"""What pages ask about a model that is loaded, wherever it is; each is a function that is called beside it."""

from __future__ import annotations

from dataclasses import dataclass

from viz.errors import LoupeError
from viz.inputs.input_checks import check_text
from viz.inputs.text import count_tokens, cut_text
from viz.models import Model
from viz.models.model import Sense
from viz.models.run_cost import Estimate, estimate
from viz.service.run_result import Request


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is known of a run before it.

    Attributes:
        device: where it will run.
        reads: what the model can be given.
        has_tokenizer: whether texts can be.
        cost: of the text; None where there is none to be read.
        holds_weights: whether every weight of every head will be held.
    """

    device: str
    reads: frozenset[Sense]
    has_tokenizer: bool
    cost: Estimate | None
    holds_weights: bool


def foreseen(model: Model, request: Request) -> Foreseen:
    """Say what a run will cost."""
    cost = None
    if not request.media and "text" in model.reads and model.tokenizer is not None:
        try:
            check_text(request.text)
            cost = estimate(model, count_tokens(model, request.text, request.pair))
        except LoupeError:
            cost = None
    has_tokenizer, holds_weights = model.tokenizer is not None, model.tier == "eager"
    return Foreseen(str(model.device), model.reads, has_tokenizer, cost, holds_weights)


def drawing_by_pass(model: Model, request: Request) -> float:
    """Foresee how long drawing every head takes, as a multiple of the pass; 0 where nobody can tell."""
    cost = foreseen(model, request).cost
    return 0.0 if cost is None else cost.drawing_seconds / cost.pass_seconds


def takes_pairs(model: Model) -> bool:
    """Say whether a second text may be given."""
    return model.takes_pairs


def senses(model: Model) -> frozenset[Sense]:
    """Say what a model can be given; texts where its forward does not tell."""
    return model.reads or frozenset({"text"})


def cut(model: Model, request: Request, most: int | None) -> str:
    """Return the longest beginning of a request's text that the model reads, and that has so many tokens at most."""
    return cut_text(model, request.text, request.pair, most=most)
