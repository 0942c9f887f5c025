"""The app, in which somebody else's run goes on for as long as a file is there; its name is in HELD."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from app import app  # noqa: F401  (what uvicorn serves)
from viz.service import shared_workbench

# How often the file is looked for, in seconds.
GLANCE = 0.02


def hold(file: Path) -> None:
    """Take a turn whenever the file is there, and give it back when it is gone."""
    while True:
        if file.exists():
            with shared_workbench().turn("somebody", lambda _phase, _share: None):
                while file.exists():
                    time.sleep(GLANCE)
        time.sleep(GLANCE)


threading.Thread(target=hold, args=(Path(os.environ["HELD"]),), daemon=True).start()
