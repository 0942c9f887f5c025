"""The Streamlit side: pages, panels and the canvas components."""
