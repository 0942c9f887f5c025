"""The options of a custom transformer as a configuration of the transformers library."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar

from transformers import PretrainedConfig

from viz.models.custom.model_options import TransformerOptions

MODEL_TYPE = "attention-loupe"


class LoupeConfig(PretrainedConfig):  # type: ignore[misc]
    """The options of a transformer, as `config.json` holds them.

    Raises:
        ConfigError: options do not fit each other, or are out of range.
    """

    model_type = MODEL_TYPE
    attribute_map: ClassVar[dict[str, str]] = {
        "hidden_size": "d_model",
        "num_hidden_layers": "layers",
        "num_attention_heads": "heads",
        "num_key_value_heads": "kv_heads",
        "intermediate_size": "d_feedforward",
        "max_position_embeddings": "max_tokens",
        "num_channels": "channels",
    }

    def __post_init__(self, **given: Any) -> None:
        names = [field.name for field in fields(TransformerOptions)]
        chosen = {name: given.pop(name) for name in names if name in given}
        # The library makes one of nothing, to tell what is unlike the usual.
        if not chosen:
            chosen["vocab_size"] = 1
        options = TransformerOptions(**chosen)
        for name, value in asdict(options).items():
            # Some readers ask whether there is a number, and not whether it is None.
            if value is not None or name == "max_tokens":
                setattr(self, name, value)
        given["is_encoder_decoder"] = options.architecture == "encoder-decoder"
        if options.task == "classification" and not given.get("id2label"):
            given["num_labels"] = options.outputs
        super().__post_init__(**given)

    @property
    def options(self) -> TransformerOptions:
        """What the model is made of."""
        named: dict[str, Any] = {
            field.name: getattr(self, field.name, None) for field in fields(TransformerOptions)
        }
        # None is what options are by default, but for max_tokens: there it means any number.
        return TransformerOptions(
            **{
                name: one
                for name, one in named.items()
                if one is not None or (name == "max_tokens" and hasattr(self, name))
            }
        )
