"""Vectors of words that a model of the catalogue has learnt from far more text than there is here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoTokenizer

from viz.errors import ModelNotFoundError
from viz.models.catalogue import CATALOGUE, DEFAULT, local_folder
from viz.models.custom.small_tokenizers import SPECIAL, UNKNOWN
from viz.models.custom.transformers_models import LoupeModel

# The table of embeddings in the default model's file.
TABLE = "embeddings.word_embeddings.weight"


def word_vectors(words: Sequence[str]) -> Tensor:
    """Return the default model's embeddings of words, the mean of their pieces, [word, width].

    Raises:
        ModelNotFoundError: the model is not on this machine.
    """
    folder = local_folder(CATALOGUE[DEFAULT])
    if folder is None:
        raise ModelNotFoundError(
            f"The word vectors of {CATALOGUE[DEFAULT].title} are not on this machine.",
            f"Install the package {CATALOGUE[DEFAULT].package}.",
        )
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        name = next(name for name in weights.keys() if name.endswith(TABLE))  # noqa: SIM118
        table = weights.get_tensor(name).float()
    pieces = AutoTokenizer.from_pretrained(folder)(list(words), add_special_tokens=False)
    return torch.stack([table[ids].mean(dim=0) for ids in pieces["input_ids"]])


def principal(vectors: Tensor, width: int) -> Tensor:
    """Bring vectors [word, d] to their first principal components, [word, min(width, d)].

    They are scaled to a mean square of 1.
    """
    centred = vectors - vectors.mean(dim=0)
    # Of the covariance, which is much smaller than the list of words; the largest come last.
    _, directions = torch.linalg.eigh(centred.T @ centred)
    components: Tensor = centred @ directions.flip(1)[:, :width]
    return components / components.square().mean().sqrt()


@torch.no_grad()
def begin_with_word_vectors(model: LoupeModel, words: Sequence[str]) -> None:
    """Let a model know words before it learns; a word that is unknown is the mean of all.

    Args:
        model: that reads tokens, embedded times sqrt(width), as large as its positions.
        words: its vocabulary, those after the special tokens.
    """
    width = model.config.options.d_model
    table = model.transformer.embedding.table.weight
    known = principal(word_vectors(words), width)
    table[len(SPECIAL) :, : known.shape[1]] = known / math.sqrt(width)
    table[SPECIAL.index(UNKNOWN)] = 0
