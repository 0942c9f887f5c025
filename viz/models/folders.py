"""Where models and texts may lie on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_path

from viz.errors import ModelNotFoundError, ModelRefusedError

# Shorter than what any system allows for one name, and longer than any model's folder.
LONGEST_PATH = 250


def cache_folder() -> Path:
    """Return the folder that is ours to fill, from LOUPE_CACHE or the system's convention."""
    given = os.environ.get("LOUPE_CACHE")
    return Path(given) if given else user_cache_path("attention-loupe", appauthor=False)


def model_roots() -> list[Path]:
    """Return the folders that a page may open models from, from LOUPE_MODEL_FOLDERS."""
    given = os.environ.get("LOUPE_MODEL_FOLDERS", "")
    named = [Path(part).expanduser() for part in given.split(os.pathsep) if part]
    return [*named, cache_folder() / "models", Path("models")]


def allowed_folder(path: str, roots: Sequence[Path]) -> Path:
    """Resolve a folder that must lie inside one of the roots, links followed.

    Raises:
        ModelRefusedError: it leads outside all of them.
        ModelNotFoundError: it is inside and not there.
    """
    allowed = [root.expanduser().resolve() for root in roots]
    asked = plain_path(path)
    candidates = (
        [asked.resolve()] if asked.is_absolute() else [(r / asked).resolve() for r in allowed]
    )
    inside = [c for c in candidates if any(c.is_relative_to(root) for root in allowed)]
    if not inside:
        raise ModelRefusedError(
            f"The folder {path} lies outside the folders that models may be opened from.",
            f"Put the model into {allowed[0]}, or name its folder in LOUPE_MODEL_FOLDERS.",
        )
    for candidate in inside:
        if candidate.is_dir():
            return candidate
    raise ModelNotFoundError(
        f"There is no folder {path} in {', '.join(str(root) for root in allowed)}.",
        "Check the name.",
    )


def plain_path(path: str) -> Path:
    """Return a path that the system can look up, with `~` followed.

    Raises:
        ModelRefusedError: it holds a null byte, is too long, or names the home of nobody.
    """
    if "\x00" in path:
        raise ModelRefusedError("The folder's name holds a null byte.", "Type the name again.")
    if len(path) > LONGEST_PATH:
        raise ModelRefusedError(
            f"The folder's name has {len(path):,} characters; at most {LONGEST_PATH} are looked up.",
            "Type the name again.",
        )
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ModelNotFoundError(
            f"There is no folder {path}: nobody here has that home.", "Check the name."
        ) from error
