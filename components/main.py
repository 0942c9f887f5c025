"""The page script: navigation, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts the script's own folder on the path, and the packages lie one above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from components.pages import explore

st.set_page_config(page_title="Attention Loupe", page_icon=":material/search:", layout="wide")
st.navigation([st.Page(explore.page, title="Explore", url_path="", default=True)]).run()
