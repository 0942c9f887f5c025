"""One forward pass observed: queries, keys and masks -> Trace."""

from viz.capture.capture import capture
from viz.capture.provenance import Provenance
from viz.capture.stack import Stack
from viz.capture.storage import load_trace
from viz.capture.trace import ModelCard, Trace

__all__ = ["ModelCard", "Provenance", "Stack", "Trace", "capture", "load_trace"]
