"""One forward pass observed: queries, keys and masks -> Trace."""

from viz.capture.capture import capture, capture_prepared
from viz.capture.check import Check, check, check_prepared
from viz.capture.generation import capture_generation
from viz.capture.given import load_weights
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
    "load_trace",
    "load_weights",
]
