"""The attention that is written to be read, and small transformers that are built on it."""

from viz.models.custom.attention import Attention
from viz.models.custom.folder import build_model, save_model
from viz.models.custom.options import TransformerOptions
from viz.models.custom.steps import Steps
from viz.models.custom.transformer import Transformer

__all__ = [
    "Attention",
    "Steps",
    "Transformer",
    "TransformerOptions",
    "build_model",
    "save_model",
]
