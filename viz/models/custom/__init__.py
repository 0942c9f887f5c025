"""The attention that is written to be read, and small transformers that are built on it."""

from viz.models.custom.attention_module import Attention
from viz.models.custom.attention_steps import Steps
from viz.models.custom.model_folder import build_model, save_model
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.transformer import Transformer

__all__ = [
    "Attention",
    "Steps",
    "Transformer",
    "TransformerOptions",
    "build_model",
    "save_model",
]
