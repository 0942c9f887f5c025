"""How badly a model predicts a text, as one number that can be differentiated and knocked out like any other.

Stands where a prediction at one position does: what is read off a pass is the mean over positions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from viz.effects.captured_pass import CapturedPass, captured_of
from viz.effects.target import Objective, Target
from viz.errors import InputError, ModelRefusedError
from viz.inputs.input_checks import check_text
from viz.inputs.prepare import prepare
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.survey.probes.text_start import text_start

# Share of the tokens that a masked model is to fill in: BERT's.
MASKED_SHARE = 0.15

# Tokens of one text, at most: the logits of all are held, with their gradient.
MOST_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class TextLoss:
    """The mean of -log p over the tokens that are to be predicted, in nats.

    Attributes:
        rows: positions that predict, int64 [prediction].
        tokens: what each is to predict, int64 [prediction].
        position: of no single prediction, as of an `Objective` of a whole input.
    """

    rows: Tensor
    tokens: Tensor
    position: None = None

    def of(self, output: Tensor) -> Tensor:
        """Read it off logits, [position, vocabulary]; float32."""
        logits = output[self.rows.to(output.device)].float()
        loss: Tensor = functional.cross_entropy(logits, self.tokens.to(output.device))
        return loss

    def row(self, output: Tensor) -> Tensor:
        """Read it off the logits of each variant, [variant, position, vocabulary] -> [variant, 1]."""
        # One by one, because in float32 they take as much memory again.
        return torch.stack([self.of(one) for one in output])[:, None]

    def of_row(self, row: Tensor) -> Tensor:
        """Take it out of what `row` returned; float32 [variant]."""
        return row[..., 0]


def loss_pass(model: Model, text: str, *, draw: np.random.Generator) -> CapturedPass | None:
    """Capture a text, with its loss as what is to be explained.

    Args:
        model: one that predicts the next token, or fills in masked ones.
        text: what is beyond 4,096 tokens, or what the model reads, is left out.
        draw: what is masked.

    Returns:
        The pass; None where no token of the text is to be predicted.

    Raises:
        InputError: the text cannot be read.
        ModelRefusedError: the model predicts no tokens of a text that it is given alone.
    """
    require_text_loss(model)
    most = min(MOST_TOKENS, model.context_limit or MOST_TOKENS)
    prepared = prepare(model, text_start(model, check_text(text), most))
    masked = model.kind == "masked"
    found = _of_masked(model, prepared, draw) if masked else _of_next(prepared)
    if found is None:
        return None
    prepared, loss = found
    try:
        captured = captured_of(model, prepared, Target(measure="logit"))
    except InputError as error:
        # The text was read; what cannot be explained is what the model puts out.
        raise ModelRefusedError(error.message, error.hint) from error
    if len(captured.output) != prepared.inputs["input_ids"].shape[1]:
        raise ModelRefusedError(
            f"{model.name} predicts at {len(captured.output)} positions of a text with "
            f"{prepared.inputs['input_ids'].shape[1]} tokens.",
            "Choose a model that predicts at each token.",
        )
    # What computes effects asks of an objective only what a loss has, too.
    return replace(captured, objective=cast("Objective", loss))


def require_text_loss(model: Model) -> None:
    """Make sure that a model predicts the tokens of a text.

    Raises:
        ModelRefusedError: it does not.
    """
    why = ""
    if model.tokenizer is None:
        why = "has no tokenizer, so it reads no texts"
    elif model.kind == "masked" and getattr(model.tokenizer, "mask_token_id", None) is None:
        why = "has no token that masks others"
    elif model.kind not in ("causal", "masked"):
        why = "predicts no tokens of a text that it is given alone"
    if why:
        raise ModelRefusedError(
            f"{model.name} {why}.", "Choose a model that predicts the next token."
        )


def predicted_tokens(captured: CapturedPass) -> int:
    """Count the tokens whose prediction a pass's loss is the mean of."""
    loss = cast("TextLoss", captured.objective)
    return len(loss.tokens)


def _of_next(prepared: Prepared) -> tuple[Prepared, TextLoss] | None:
    """Predict each token from those before it."""
    ids = prepared.inputs["input_ids"][0]
    if len(ids) < 2:
        return None
    return prepared, TextLoss(torch.arange(len(ids) - 1), ids[1:].long())


def _of_masked(
    model: Model, prepared: Prepared, draw: np.random.Generator
) -> tuple[Prepared, TextLoss] | None:
    """Mask some tokens, and fill each in from all the others."""
    ids, tokenizer = prepared.inputs["input_ids"], cast("Any", model.tokenizer)
    places = np.flatnonzero(~np.array(prepared.units.special))
    # Of a single token nothing would be left to fill it in from.
    if len(places) < 2:
        return None
    count = max(1, round(MASKED_SHARE * len(places)))
    rows = torch.tensor(np.sort(draw.choice(places, size=count, replace=False)))
    hidden = ids.clone()
    hidden[0, rows] = tokenizer.mask_token_id
    inputs = {**prepared.inputs, "input_ids": hidden}
    return replace(prepared, inputs=inputs), TextLoss(rows, ids[0, rows].long())
