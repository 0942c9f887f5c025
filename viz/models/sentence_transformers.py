"""Models of sentence-transformers: a whole that reads texts by a tokenizer of its own."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase


class SentenceReader(nn.Module):
    """A SentenceTransformer that takes its inputs by name, as every other model does.

    It is called by one dictionary itself. What comes out is the vector of the text.
    """

    def __init__(self, sentences: nn.Module) -> None:
        super().__init__()
        self.sentences = sentences
        inner = next((p.config for p in sentences.modules() if hasattr(p, "config")), None)
        if inner is not None:
            self.config = inner

    def forward(self, **features: Tensor) -> Tensor:
        """Return the vectors of a batch of texts, [batch, d]."""
        made = self.sentences(dict(features))
        vectors: Tensor = made["sentence_embedding"]
        return vectors


def by_name(module: nn.Module, tokenizer: Any | None) -> tuple[nn.Module, Any | None]:
    """Bring a SentenceTransformer to a form in which it can be captured; leave others as they are.

    Returns:
        The module and its tokenizer: the given one, or its own.
    """
    classes = [f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(module).__mro__]
    if "sentence_transformers.SentenceTransformer" not in classes:
        return module, tokenizer
    own = getattr(module, "tokenizer", None)
    if tokenizer is None and isinstance(own, PreTrainedTokenizerBase):
        tokenizer = own
    return SentenceReader(module), tokenizer
