"""Which model, and how it comes: the catalogue, the hub, folders, loading; `custom/`: our own."""

from viz.models.model import Model

__all__ = ["Model"]
