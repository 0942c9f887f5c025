"""Which model, and how it comes: the catalogue, the hub, folders, loading; `custom/`: our own."""

from typing import Any

from viz.models.model import Model
from viz.moved import moved_names

__all__ = ["Model"]


def __getattr__(name: str) -> Any:
    """Names that were here once."""
    return moved_names(
        __name__,
        name,
        {"Units": "viz.inputs", "load_model": "viz.capture", "wrap_model": "viz.capture"},
    )
