"""See exactly where every head of a transformer looks.

>>> import viz
>>> model = viz.load_model("demo")
>>> trace = viz.capture(model, "The cat sat on the mat because it was tired.")
>>> trace.stacks["self"].weights(layer=0, head=0)
"""

from viz.capture import (
    Stack,
    Trace,
    capture,
    capture_generation,
    check,
    load_trace,
    load_weights,
)
from viz.capture.load_and_wrap_model import load_model, wrap_model
from viz.capture.tiers.named import Attention
from viz.compare import compare
from viz.effects import Edges, Target, effects
from viz.errors import LoupeError
from viz.models import Model
from viz.moved import install
from viz.survey.loaded_survey import load_survey

install()

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "Edges",
    "LoupeError",
    "Model",
    "Stack",
    "Target",
    "Trace",
    "capture",
    "capture_generation",
    "check",
    "compare",
    "effects",
    "load_model",
    "load_survey",
    "load_trace",
    "load_weights",
    "wrap_model",
]
