"""The launcher: `python app.py`, `streamlit run app.py` and `uvicorn app:app` all open the app."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

# Cores that wait for each other do so asleep: pages, passes and trainings share them, and where a core
# is taken, waiting awake makes a tile take many times as long. It is read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from viz.errors import LoupeError
from viz.service import shared_workbench
from viz.service.backend import VARIABLE
from viz.service.browser_sessions import BrowserCookie
from viz.service.tile_routes import tile_routes

HERE = Path(__file__).parent

# Streamlit collects garbage after every run of the script. Half a million objects of the libraries above
# would be looked through each time, a third of a second in which nothing else of this process moves; they
# stay as long as it does.
gc.freeze()

# A folder called pages beside the script would be taken for the pages themselves, and the first address
# to be opened would run a file of it instead of the script, unless that is the front page.
PagesManager.uses_pages_directory = False

app = st.App(
    HERE / "components" / "main.py",
    routes=tile_routes(shared_workbench),
    middleware=[Middleware(BrowserCookie)],
)

if __name__ == "__main__" and not st.runtime.exists():
    # Settings and theme lie beside this file, wherever it was started from.
    os.chdir(HERE)
    headless = not (os.environ.get("DISPLAY") or sys.platform in ("darwin", "win32"))
    if (backend := os.environ.get(VARIABLE, "local")) != "local":
        sys.stdout.write(
            f"Connecting to {backend}, and starting what runs models there: about a minute.\n"
        )
        sys.stdout.flush()
    try:
        shared_workbench().connect()
    except LoupeError as error:
        sys.exit(f"{error.message} {error.hint}")
    sys.argv = ["streamlit", "run", __file__, f"--server.headless={str(headless).lower()}"]
    sys.exit(cli.main())
