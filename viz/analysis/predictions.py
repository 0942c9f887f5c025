"""What a pass predicted: the next token, or what would fill a position."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

from viz.capture.trace import Trace
from viz.errors import CaptureError, ShapeError
from viz.models.tokens import units_from_ids


def next_tokens(
    trace: Trace, tokenizer: Any, *, position: int = -1, count: int = 10
) -> pd.DataFrame:
    """List the most probable tokens after a position of a causal model.

    Returns:
        Columns token, probability; the most probable first.

    Raises:
        CaptureError: the trace has no logits.
        ShapeError: there is no such position.
    """
    return _most_probable(trace, tokenizer, position, count, "causal")


def fill_ins(trace: Trace, tokenizer: Any, *, position: int, count: int = 10) -> pd.DataFrame:
    """List what a masked model would put at a position; see `next_tokens`."""
    return _most_probable(trace, tokenizer, position, count, "masked")


def _most_probable(
    trace: Trace, tokenizer: Any, position: int, count: int, kind: str
) -> pd.DataFrame:
    if trace.model.kind != kind or trace.output is None:
        raise CaptureError(
            f"{trace.model.name} made no prediction of this kind.",
            "Next tokens come from causal models, fill-ins from masked ones.",
        )
    tokens = trace.output.shape[0]
    if not -tokens <= position < tokens:
        raise ShapeError(
            f"There is no position {position}; the text has {tokens} tokens.",
            f"Choose 0 to {tokens - 1}.",
        )
    probabilities = torch.softmax(trace.output[position].float(), dim=-1)
    top = torch.topk(probabilities, min(count, len(probabilities)))
    units = units_from_ids(tokenizer, top.indices.tolist())
    return pd.DataFrame({"token": list(units.labels), "probability": top.values.cpu().numpy()})
