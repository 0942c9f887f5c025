"""The page script: navigation, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts the script's own folder on the path, and the packages lie one above it.
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from components.pages import explore, train  # noqa: E402

ICON = str(ROOT / "assets" / "icon.png")  # a file, because named icons come from elsewhere
st.set_page_config(page_title="Attention Loupe", page_icon=ICON, layout="wide")
st.navigation(
    [
        st.Page(explore.page, title="Explore", url_path="", default=True),
        st.Page(train.page, title="Train", url_path="train"),
    ],
    position="top",
).run()
