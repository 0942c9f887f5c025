"""A small transformer for everything that is learnt here: texts, series, pictures, sequences."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from viz.errors import ShapeError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.position_encodings import LearnedPositions, SinusoidalPositions
from viz.models.custom.transformer_block import Seen, Stack


class Embedding(nn.Module):
    """Turns tokens, vectors or images into [batch, token, d_model], with their positions.

    Embeddings of tokens are multiplied by sqrt(d_model), so that they are as large as positions
    (Vaswani et al. 2017, sec. 3.4).
    """

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.options = options
        if options.reads == "tokens":
            self.table = nn.Embedding(options.vocab_size or 0, options.d_model)
            self.table.weight.data.normal_(0, options.d_model**-0.5)
        else:
            width = options.d_input if options.reads == "vectors" else options.patch_width
            self.projection = nn.Linear(width or 0, options.d_model)
        self.positions: nn.Module = nn.Identity()
        if options.positions == "sinusoidal":
            self.positions = SinusoidalPositions()
        elif options.positions == "learned":
            self.positions = LearnedPositions(options.max_tokens or 0, options.d_model)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, given: Tensor) -> Tensor:
        """Embed ids [batch, token], vectors [batch, token, d_input] or pixels [batch, channel, y, x].

        Raises:
            ShapeError: what came is not what the model reads.
        """
        reads = self.options.reads
        if reads == "tokens":
            embedded = self.table(_checked_ids(given)) * math.sqrt(self.options.d_model)
        else:
            vectors = cut_patches(given, self.options) if reads == "images" else given
            embedded = self.projection(_checked_vectors(vectors, self.projection.in_features))
        placed: Tensor = self.dropout(self.positions(embedded))
        return placed


class Transformer(nn.Module):
    """An encoder, a decoder or both, on embeddings of what is read.

    Args:
        options: what it is made of.
    """

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.options = options
        self.embedding = Embedding(options)
        both = options.architecture == "encoder-decoder"
        if both or options.architecture == "encoder":
            self.encoder = Stack(options)
        if both or options.architecture == "decoder":
            self.decoder = Stack(options, causal=True, cross=both)
        if options.task != "language":
            self.head = nn.Linear(options.d_model, options.outputs or 0)
        elif not options.tied:
            self.head = nn.Linear(options.d_model, options.vocab_size or 0, bias=False)

    def forward(
        self,
        given: Tensor,
        target: Tensor | None = None,
        *,
        present: Tensor | None = None,
        target_present: Tensor | None = None,
        need_weights: bool = False,
    ) -> Tensor:
        """Predict: of what is read, or of what is written of it.

        Args:
            given: ids, vectors or pixels; see `Embedding`.
            target: ids of what is written so far, [batch, token]; for an encoder-decoder.
            present: [batch, token], True or 1 where there is a token and no padding.
            target_present: the same of the target.
            need_weights: whether attention is computed step by step; see `Attention`.

        Raises:
            ShapeError: a target is missing or too much, or tensors do not fit.
        """
        if (target is None) == (self.options.architecture == "encoder-decoder"):
            raise ShapeError(
                f"The architecture is {self.options.architecture}"
                f"{', and no target came.' if target is None else ', and a target came.'}",
                "Give what is written so far to an encoder-decoder, and to no other.",
            )
        seen = self.encode(given, present=present, need_weights=need_weights)
        if target is None:
            return self.predict(seen.tokens, present=present)
        written = self.decode(
            target,
            seen.tokens,
            present=target_present,
            source_present=present,
            need_weights=need_weights,
        )
        return self.predict(written.tokens)

    def encode(
        self, given: Tensor, *, present: Tensor | None = None, need_weights: bool = False
    ) -> Seen:
        """Embed and let every token look at all; of a decoder, only back.

        Args:
            given: ids, vectors or pixels; see `Embedding`.
            present: [batch, token], True or 1 where there is a token and no padding.
            need_weights: whether weights are to be returned; see `Attention`.
        """
        stack = self.decoder if self.options.architecture == "decoder" else self.encoder
        seen: Seen = stack(self.embedding(given), present=present, need_weights=need_weights)
        return seen

    def decode(
        self,
        given: Tensor,
        source: Tensor,
        *,
        present: Tensor | None = None,
        source_present: Tensor | None = None,
        need_weights: bool = False,
    ) -> Seen:
        """Embed what is written so far and let it look back, and at what was read.

        Args:
            given: ids [batch, token].
            source: what `encode` made of the source, [batch, source token, d_model].
            present: [batch, token], where there is a token and no padding.
            source_present: the same of the source.
            need_weights: whether weights are to be returned; see `Attention`.
        """
        seen: Seen = self.decoder(
            self.embedding(given),
            source,
            present=present,
            source_present=source_present,
            need_weights=need_weights,
        )
        return seen

    def predict(self, tokens: Tensor, *, present: Tensor | None = None) -> Tensor:
        """Turn the last tokens [batch, token, d_model] into what the task asks for.

        Returns:
            Language: logits [batch, token, vocabulary]. Else [batch, outputs], or [batch, token,
            outputs] without a pool.
        """
        if self.options.task == "language":
            if self.options.tied:
                return functional.linear(tokens, self.embedding.table.weight)
        elif self.options.pool != "none":
            tokens = pooled(tokens, self.options.pool, present)
        predicted: Tensor = self.head(tokens)
        return predicted


def pooled(tokens: Tensor, pool: str, present: Tensor | None) -> Tensor:
    """Take the mean, the first or the last of the tokens that are there: [batch, d_model]."""
    batch, count, _ = tokens.shape
    there = tokens.new_ones(batch, count) if present is None else present.to(tokens)
    if pool == "mean":
        shares = there / there.sum(dim=-1, keepdim=True).clamp(min=1)
        return (shares[..., None] * tokens).sum(dim=-2)
    places = torch.arange(count, device=tokens.device).expand(batch, count)
    if pool == "first":
        chosen = places.masked_fill(there == 0, count - 1).amin(dim=-1)
    else:
        chosen = places.masked_fill(there == 0, 0).amax(dim=-1)
    return tokens[torch.arange(batch, device=tokens.device), chosen]


def cut_patches(pixels: Tensor, options: TransformerOptions) -> Tensor:
    """Cut images into patches, row by row: [batch, patch, channel * y * x].

    A picture in colours is turned grey for a model of grey ones.

    Raises:
        ShapeError: they are no images of the model's size.
    """
    size, side, channels = options.patch_size or 1, options.image_size, options.channels
    if pixels.ndim == 4 and channels == 1 and pixels.shape[1] == 3:
        pixels = pixels.mean(dim=1, keepdim=True)
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (channels, side, side):
        raise ShapeError(
            f"The pixels have shape {tuple(pixels.shape)}.",
            f"Give [batch, {channels}, {side}, {side}].",
        )
    return functional.unfold(pixels, kernel_size=size, stride=size).transpose(1, 2)


def _checked_ids(ids: Tensor) -> Tensor:
    if ids.ndim != 2 or ids.is_floating_point():
        raise ShapeError(
            f"The tokens have shape {tuple(ids.shape)} and are of {str(ids.dtype)[6:]}.",
            "Give ids, whole numbers [batch, token].",
        )
    return ids


def _checked_vectors(vectors: Tensor, width: int) -> Tensor:
    if vectors.ndim != 3 or vectors.shape[-1] != width:
        raise ShapeError(
            f"The vectors have shape {tuple(vectors.shape)}.", f"Give [batch, token, {width}]."
        )
    return vectors
