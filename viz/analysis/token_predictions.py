"""What a pass predicted: the next token after each position, or what would fill each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from viz.capture.trace import Trace
from viz.errors import CaptureError, ShapeError
from viz.inputs.units import label_alone

# Rows of logits that are turned into probabilities at a time.
ROWS = 256


@dataclass(frozen=True, slots=True)
class Predictions:
    """The most probable tokens at every position, the most probable first.

    Attributes:
        kind: `causal` (what comes next) or `masked` (what would stand here).
        ids: shape [position, rank].
        probabilities: float32, shape [position, rank].
        read: the ids that stand at the positions; none where they are not known.
        whole: log-probabilities of the whole vocabulary at positions that were asked for, float32
            [vocabulary] each.
    """

    kind: str
    ids: Tensor
    probabilities: Tensor
    read: tuple[int, ...] = ()
    whole: Mapping[int, Tensor] = field(default_factory=dict)

    def at(self, position: int, tokenizer: Any, count: int = 10) -> pd.DataFrame:
        """List a position's predictions: columns token, probability.

        Bytes are named as parts of the character that they would make there (`ü 2/2`), or by their
        number where they would make none yet (`<0xC3> 1/2`).

        Raises:
            ShapeError: there is no such position.
        """
        positions = len(self.ids)
        if not -positions <= position < positions:
            raise ShapeError(
                f"There is no position {position}; the text has {positions} tokens.",
                f"Choose 0 to {positions - 1}.",
            )
        at = position % positions
        # What comes next follows what stands here; what would stand here replaces it.
        before = self.read[: at if self.kind == "masked" else at + 1]
        after = self.read[at + 1 :] if self.kind == "masked" else ()
        labels = [
            label_alone(tokenizer, number, before, after)
            for number in self.ids[position, :count].tolist()
        ]
        chances = self.probabilities[position, :count].tolist()
        return pd.DataFrame({"token": labels, "probability": chances})


def predictions(trace: Trace, *, count: int = 10, whole: Iterable[int] = ()) -> Predictions:
    """Rank the vocabulary at every position of a trace.

    Args:
        trace: with its logits.
        count: how many tokens to list at each.
        whole: positions at which every token's probability is kept.

    Raises:
        CaptureError: the model predicts no tokens, or the trace has let go of its logits.

    Cost: position * vocabulary, in blocks of positions.
    """
    if trace.model.kind in ("encoder", "other") or trace.output is None:
        raise CaptureError(
            f"{trace.model.name} has no language-model head, so it predicts no tokens.",
            "Choose a causal or masked language model.",
        )
    ids, chances = [], []
    for start in range(0, len(trace.output), ROWS):
        block = torch.softmax(trace.output[start : start + ROWS].float(), dim=-1)
        top = torch.topk(block, min(count, block.shape[-1]))
        ids.append(top.indices.cpu())
        chances.append(top.values.cpu())
    kept = {
        position: torch.log_softmax(trace.output[position].double(), dim=-1).float().cpu()
        for position in whole
    }
    return Predictions(
        trace.model.kind, torch.cat(ids), torch.cat(chances), read=_read(trace), whole=kept
    )


def _read(trace: Trace) -> tuple[int, ...]:
    """The ids that stand where logits are: of a decoder what it writes; none where none are known."""
    axes = [stack.queries for name, stack in trace.stacks.items() if "encoder" not in name]
    axes = axes if trace.model.kind == "seq2seq" else [trace.units, *axes]
    rows = 0 if trace.output is None else len(trace.output)
    named = (axis for axis in axes if axis.kind == "token" and any(axis.texts))
    return next((axis.ids for axis in named if len(axis) == rows), ())
