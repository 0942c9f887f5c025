"""Where a pass embeds the tokens of its text, whatever else it embeds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from viz.effects.captured_pass import CapturedPass


@dataclass(frozen=True, slots=True)
class TokenEmbedding:
    """Tells the embedding of a text's tokens from those of positions, segments and other texts.

    Attributes:
        ids: of the tokens, [batch, token]; None where the inputs have none.
        part: that the model names as its embedding; None where it reads one text and writes another, so that the same
            part may embed both.
    """

    ids: Tensor | None
    part: nn.Module | None

    def __call__(self, part: nn.Module, given: Tensor) -> bool:
        """Whether a part is handed the tokens, [batch, token], as they are or with some of them masked."""
        if self.ids is None or given.shape != self.ids.shape:
            return False
        return part is self.part or torch.equal(given, self.ids.to(given.device))


def token_embedding(captured: CapturedPass) -> TokenEmbedding:
    """Find out what tells the embedding of a pass's tokens."""
    module, ids = captured.model.module, captured.prepared.inputs.get("input_ids")
    find = getattr(module, "get_input_embeddings", None)
    both = getattr(getattr(module, "config", None), "is_encoder_decoder", False)
    found = find() if callable(find) and not both else None
    return TokenEmbedding(
        ids if isinstance(ids, Tensor) else None, found if isinstance(found, nn.Module) else None
    )
