"""Who may run what, and what is kept for whom."""

from viz.service.texts import TextStore
from viz.service.workbench import Analysis, Request, Workbench

__all__ = ["Analysis", "Request", "TextStore", "Workbench"]
