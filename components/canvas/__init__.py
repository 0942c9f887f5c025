"""The browser side, a folder a view: its ES modules, its style and the Python function that shows it."""

from components.canvas.attention_map import ShownEffect, attention_map
from components.canvas.compare_view import (
    ColourScale,
    ComparedSide,
    CompareMode,
    compare_view,
)
from components.canvas.copy_link import copy_link
from components.canvas.drafts import drafts
from components.canvas.head_grid import MOST_SELECTED, head_grid
from components.canvas.head_view import head_view
from components.canvas.matrices import Grid, Link, matrices
from components.canvas.shared.payload import head_path, stack_path, units_path
from components.canvas.text_guard import text_guard
from components.canvas.token_strip import token_strip

__all__ = [
    "MOST_SELECTED",
    "ColourScale",
    "CompareMode",
    "ComparedSide",
    "Grid",
    "Link",
    "ShownEffect",
    "attention_map",
    "compare_view",
    "copy_link",
    "drafts",
    "head_grid",
    "head_path",
    "head_view",
    "matrices",
    "stack_path",
    "text_guard",
    "token_strip",
    "units_path",
]
