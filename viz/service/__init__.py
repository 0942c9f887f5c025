"""Who may run what, and what is kept for whom."""

from viz.service.files import FileStore
from viz.service.media import IMAGES, SOUNDS, sense_of
from viz.service.texts import TextStore
from viz.service.workbench import Analysis, Request, Workbench

__all__ = [
    "IMAGES",
    "SOUNDS",
    "Analysis",
    "FileStore",
    "Request",
    "TextStore",
    "Workbench",
    "sense_of",
]
