"""Who may run what, and what is kept for whom."""

from viz.service.analysis import Analysis, Request
from viz.service.files import FileStore
from viz.service.media import IMAGES, SOUNDS, require_readable, sense_of
from viz.service.texts import TextStore
from viz.service.workbench import Workbench, shared_workbench

__all__ = [
    "IMAGES",
    "SOUNDS",
    "Analysis",
    "FileStore",
    "Request",
    "TextStore",
    "Workbench",
    "require_readable",
    "sense_of",
    "shared_workbench",
]
