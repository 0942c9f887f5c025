"""What runs: Hugging Face models, the catalogue, and how texts reach them."""

from viz.models.loading import load_model, wrap_model
from viz.models.model import Model
from viz.models.tokens import Units

__all__ = ["Model", "Units", "load_model", "wrap_model"]
