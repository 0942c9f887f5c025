"""The transformer as models of the transformers library, one class for each thing to do.

Folders, tokenizers, limits, kinds, generation and capture then work as for every other model.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import (
    BaseModelOutput,
    CausalLMOutput,
    MaskedLMOutput,
    Seq2SeqLMOutput,
    SequenceClassifierOutput,
)

from viz.errors import ConfigError, ShapeError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.pretrained_config import LoupeConfig
from viz.models.custom.task_losses import shifted_right, task_loss, token_loss
from viz.models.custom.transformer import Transformer


class LoupeModel(PreTrainedModel):  # type: ignore[misc]
    """What all of them have in common."""

    config_class = LoupeConfig
    base_model_prefix = "transformer"
    _supports_sdpa = True
    _ready = False

    def __init__(self, config: LoupeConfig) -> None:
        super().__init__(config)
        expected = class_of(config.options)
        if not isinstance(self, expected):
            raise ConfigError(
                f"A {type(self).__name__} cannot be made of these options.",
                f"They are those of a {expected.__name__}.",
            )
        self.transformer = Transformer(config.options)
        self.post_init()
        self._ready = True

    def _init_weights(self, module: nn.Module) -> None:
        """Draw what a checkpoint lacks; what is built has drawn its own weights already."""
        if self._ready:
            super()._init_weights(module)

    def get_input_embeddings(self) -> nn.Module | None:
        """Return the table of embeddings, where there is one."""
        table: nn.Module | None = getattr(self.transformer.embedding, "table", None)
        return table

    def _wants_weights(self, output_attentions: bool | None) -> bool:
        """Whether attention is to be computed step by step, and its weights returned."""
        return bool(output_attentions) or self.config._attn_implementation == "eager"


class _OneStack(LoupeModel):
    """Reads tokens, vectors or an image with one stack."""

    def _run(
        self, given: Tensor, present: Tensor | None, output_attentions: bool | None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return the predictions, and the weights where they are asked for."""
        there = somewhere_absent(present)
        weights = self._wants_weights(output_attentions)
        seen = self.transformer.encode(given, present=there, need_weights=weights)
        logits = self.transformer.predict(seen.tokens, present=there)
        return logits, {"attentions": seen.weights or None} if output_attentions else {}

    def _answer(
        self,
        given: Tensor,
        present: Tensor | None,
        labels: Tensor | None,
        output_attentions: bool | None,
    ) -> SequenceClassifierOutput:
        """Return classes or numbers, and how far they are from `labels` where there are any."""
        logits, more = self._run(given, present, output_attentions)
        loss = None if labels is None else task_loss(self.transformer.options, logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, **more)


class LoupeForCausalLM(_OneStack, GenerationMixin):  # type: ignore[misc]
    """A decoder that predicts the next token."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> CausalLMOutput:
        """Return logits [batch, token, vocabulary], and the loss of the next token of `labels`."""
        logits, more = self._run(input_ids, attention_mask, output_attentions)
        loss = None if labels is None else token_loss(logits[:, :-1], labels[:, 1:])
        return CausalLMOutput(loss=loss, logits=logits, **more)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> dict[str, Any]:
        """Read the whole text for each new token: there is no cache, and texts are short."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}


class LoupeForMaskedLM(_OneStack):
    """An encoder that says of each token which it should be."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> MaskedLMOutput:
        """Return logits [batch, token, vocabulary], and their loss where `labels` are not -100."""
        logits, more = self._run(input_ids, attention_mask, output_attentions)
        loss = None if labels is None else token_loss(logits, labels)
        return MaskedLMOutput(loss=loss, logits=logits, **more)


class LoupeForSequenceClassification(_OneStack):
    """Reads a text and says of which class it is, or a few numbers."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Return logits [batch, outputs], or [batch, token, outputs] without a pool."""
        return self._answer(input_ids, attention_mask, labels, output_attentions)


class LoupeForVectors(_OneStack):
    """Reads vectors of numbers, such as steps of a series, and says a class or numbers."""

    main_input_name = "vectors"

    def forward(
        self,
        vectors: Tensor,
        present: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Return [batch, outputs], or [batch, token, outputs] without a pool.

        Args:
            vectors: shape [batch, token, d_input].
            present: [batch, token], 1 where there is a vector and no padding.
            labels: classes, or numbers to be predicted.
            output_attentions: whether weights are wanted too.
        """
        return self._answer(vectors, present, labels, output_attentions)


class LoupeForImageClassification(_OneStack):
    """Sees an image cut into patches, and says of which class it is, or a few numbers."""

    main_input_name = "pixel_values"

    def forward(
        self,
        pixel_values: Tensor,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Return [batch, outputs] of pixels [batch, channel, y, x]."""
        return self._answer(pixel_values, None, labels, output_attentions)


class LoupeForConditionalGeneration(LoupeModel, GenerationMixin):  # type: ignore[misc]
    """An encoder that reads one text and a decoder that writes another."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """Return logits [batch, token, vocabulary] of what comes next in the written text.

        Args:
            input_ids: what is read, [batch, source token].
            attention_mask: 1 where that has a token and no padding.
            decoder_input_ids: what is written so far; `labels` one place later by default.
            decoder_attention_mask: 1 where that has a token and no padding.
            encoder_outputs: of the same source, where they are known already.
            labels: what should be written; -100 counts for nothing.
            output_attentions: whether weights are wanted too.
        """
        weights = self._wants_weights(output_attentions)
        if decoder_input_ids is None and labels is not None:
            decoder_input_ids = shifted_right(labels, self.config)
        if decoder_input_ids is None:
            raise ShapeError(
                "Nothing says what was written so far.", "Give decoder_input_ids, or labels."
            )
        read = encoder_outputs or self.encode(input_ids, attention_mask, output_attentions)
        seen = self.transformer.decode(
            decoder_input_ids,
            read.last_hidden_state,
            present=somewhere_absent(decoder_attention_mask),
            source_present=somewhere_absent(attention_mask),
            need_weights=weights,
        )
        logits = self.transformer.predict(seen.tokens)
        more = {
            "decoder_attentions": seen.weights or None,
            "cross_attentions": seen.cross_weights or None,
            "encoder_attentions": read.attentions,
        }
        return Seq2SeqLMOutput(
            loss=None if labels is None else token_loss(logits, labels),
            logits=logits,
            encoder_last_hidden_state=read.last_hidden_state,
            **(more if output_attentions else {}),
        )

    def encode(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
    ) -> BaseModelOutput:
        """Read the source.

        Raises:
            ShapeError: there is none.
        """
        if input_ids is None:
            raise ShapeError("There is nothing to read.", "Give input_ids.")
        seen = self.transformer.encode(
            input_ids,
            present=somewhere_absent(attention_mask),
            need_weights=self._wants_weights(output_attentions),
        )
        return BaseModelOutput(last_hidden_state=seen.tokens, attentions=seen.weights or None)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        """Return what reads the source, once for all that is written."""
        return _Reader(self)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Look at all that is written for each new token: there is no cache, and texts are short."""
        return {
            "decoder_input_ids": input_ids,
            "attention_mask": attention_mask,
            "encoder_outputs": encoder_outputs,
        }


class _Reader(nn.Module):
    """The encoder of a model as generation calls it; holds no weights of its own."""

    def __init__(self, model: LoupeForConditionalGeneration) -> None:
        super().__init__()
        self.encode = model.encode

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> BaseModelOutput:
        """Read the source."""
        return self.encode(input_ids, attention_mask)


def class_of(options: TransformerOptions) -> type[LoupeModel]:
    """Say which class does what the options ask for."""
    if options.reads == "images":
        return LoupeForImageClassification
    if options.reads == "vectors":
        return LoupeForVectors
    if options.task != "language":
        return LoupeForSequenceClassification
    by_architecture: dict[str, type[LoupeModel]] = {
        "encoder": LoupeForMaskedLM,
        "decoder": LoupeForCausalLM,
        "encoder-decoder": LoupeForConditionalGeneration,
    }
    return by_architecture[options.architecture]


def somewhere_absent(present: Tensor | None) -> Tensor | None:
    """Return where tokens are only if they are not everywhere: kernels are faster without a mask."""
    return None if present is None or bool(present.all()) else present
