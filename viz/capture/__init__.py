"""One forward pass observed: queries, keys and masks -> Trace."""

from viz.capture.capture import capture, capture_prepared
from viz.capture.checking.model_check import Check, check, check_prepared
from viz.capture.external_weights.load_weights import load_weights
from viz.capture.generation.generated_trace import capture_generation
from viz.capture.load_and_wrap_model import load_model, wrap_model
from viz.capture.provenance import Provenance
from viz.capture.stack import Stack
from viz.capture.storage import load_trace
from viz.capture.trace import ModelCard, Trace

__all__ = [
    "Check",
    "ModelCard",
    "Provenance",
    "Stack",
    "Trace",
    "capture",
    "capture_generation",
    "capture_prepared",
    "check",
    "check_prepared",
    "load_model",
    "load_trace",
    "load_weights",
    "wrap_model",
]
