"""The attention that is written to be read, and small transformers that are built on it."""

from viz.models.custom.attention import Attention
from viz.models.custom.steps import Steps

__all__ = ["Attention", "Steps"]
