"""Who may run what, and what is kept for whom."""

from viz.service.backend import Backend, shared_workbench
from viz.service.file_store import FileStore
from viz.service.link_text_store import TextStore
from viz.service.run_result import Analysis, Request
from viz.service.run_service import Workbench
from viz.service.uploaded_media import IMAGES, SOUNDS, require_readable, sense_of

__all__ = [
    "IMAGES",
    "SOUNDS",
    "Analysis",
    "Backend",
    "FileStore",
    "Request",
    "TextStore",
    "Workbench",
    "require_readable",
    "sense_of",
    "shared_workbench",
]
