"""How numbers travel to a canvas: half-float bits in an Arrow column, never JSON lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.canvas.shared.join import joined

VIEWS = Path(__file__).parents[1]
ASSETS = VIEWS.parents[1] / "assets"


def half_bits(values: NDArray[np.floating]) -> pa.Table:
    """Pack numbers as the bits of float16, which arrive as one aligned typed array."""
    bits = np.ascontiguousarray(values, dtype=np.float16).ravel().view(np.uint16)
    return pa.table({"bits": bits})


def flat(palette: Sequence[tuple[int, int, int]]) -> list[int]:
    """Lay a palette's 256 colours out as 768 numbers."""
    return [part for colour in palette for part in colour]


def sendable(label: str) -> str:
    """Replace half characters (lone surrogates), which cannot travel as UTF-8."""
    return label.encode("utf-8", "replace").decode()


def module(name: str) -> str:
    """Read a view's ES module, with all that it imports."""
    return joined(VIEWS / name / "view.js")


def vendored(name: str) -> str:
    """Read a library that lies in the project."""
    return (ASSETS / "vendor" / f"{name}.js").read_text() + "\n"


def style(name: str) -> str:
    """Read a component's style sheet."""
    return (VIEWS / name / "style.css").read_text()


def stack_path(token: str, stack: str) -> str:
    """Say where a browser fetches what belongs to a stack, from the page's own address."""
    return f"loupe/{token}/{stack}"


def head_path(token: str, stack: str, layer: int, head: int) -> str:
    """Say where a browser fetches what belongs to a head."""
    return f"{stack_path(token, stack)}/{layer}/{head}"


def units_path(token: str, stack: str) -> str:
    """Say where a browser fetches the tokens of both axes."""
    return f"{stack_path(token, stack)}/units"
