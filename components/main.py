"""The page script: navigation and margins, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts the script's own folder on the path, and the packages lie one above it.
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from components.explore_session import offer  # noqa: E402
from components.pages import compare, explore, heads, learn, train  # noqa: E402
from viz.registry import load_extensions  # noqa: E402

load_extensions()

ICON = str(ROOT / "assets" / "icon.png")  # a file, because named icons come from elsewhere
st.set_page_config(page_title="Attention Loupe", page_icon=ICON, layout="wide")
st.html(ROOT / "components" / "page.css")
PAGES = [
    st.Page(explore.page, title="Explore", url_path="", default=True),
    st.Page(compare.page, title="Compare", url_path="compare"),
    st.Page(heads.page, title="Heads", url_path="heads"),
    st.Page(learn.page, title="Learn", url_path="learn"),
    st.Page(train.page, title="Train", url_path="train"),
]
offer(PAGES)
st.navigation(PAGES, position="top").run()
