"""A list of models as somebody writes it, one a line: which they are, and what to call each beside the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from viz.errors import InputError, ModelError
from viz.models.catalogue import find_entry
from viz.models.folders import allowed_folder
from viz.models.hub_address import is_address, pasted
from viz.models.loading import HUB_ID

# Lines of a list. Each is a model to load and to run.
MOST_MODELS = 24

# Characters of a name beside others; of a longer one its end says more.
LONGEST_NAME = 28

NUMBER = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of a list.

    Attributes:
        model: a catalogue name, a hub id, or a folder inside the allowed ones.
        revision: of a hub model; empty for its main branch.
        local: whether `model` is a folder.
    """

    model: str
    revision: str = ""
    local: bool = False

    @property
    def line(self) -> str:
        """How it is written in a list."""
        # What is called as a model of the catalogue is a folder once a path leads to it.
        shadowed = self.local and find_entry(self.model) is not None
        at = f"@{self.revision}" if self.revision else ""
        return f"{'./' if shadowed else ''}{self.model}{at}"


def read_models(text: str, roots: Sequence[Path]) -> tuple[Listed, ...]:
    """Read a list: a catalogue name, a folder, a hub id with or without `@revision`, or its page's address.

    A line that leads to a folder inside one of the roots is that folder; empty lines say nothing, and what
    was there before is left out.

    Raises:
        InputError: there are fewer than two models or too many, or a line cannot be meant.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = tuple(dict.fromkeys(_read(line, roots) for line in lines))
    if len(found) > MOST_MODELS:
        raise InputError(
            f"The list has {len(found):,} models; at most {MOST_MODELS} are run.", "Leave some out."
        )
    if len(found) < 2:
        raise InputError(
            "The list has no model." if not found else f"The list has {found[0].line} alone.",
            "Write the base into the first line and what is compared with it below, one model a line.",
        )
    return found


def _read(line: str, roots: Sequence[Path]) -> Listed:
    entry = find_entry(line)
    if entry is not None:
        # Two names of one model are one model.
        return Listed(entry.name)
    if _is_folder(line, roots):
        return Listed(line, local=True)
    if is_address(line):
        model, revision, _ = pasted(line)
        return Listed(model, revision)
    model, at, revision = (part.strip() for part in line.partition("@"))
    if not HUB_ID.fullmatch(model):
        return Listed(line, local=True)
    if at and find_entry(model) is not None:
        raise InputError(
            f"“{line}” names a revision of a model of the catalogue, which has one alone.",
            f"Write {model}, or a Hugging Face id as owner/name@revision.",
        )
    if at and not revision:
        raise InputError(
            f"“{line}” names no revision after its @.", f"Write {model}, or {model}@revision."
        )
    return Listed(model, revision)


def _is_folder(line: str, roots: Sequence[Path]) -> bool:
    try:
        allowed_folder(line, roots)
    except (ModelError, OSError):
        return False
    return True


def folders_beside(folder: str, roots: Sequence[Path]) -> tuple[str, ...]:
    """Find the checkpoints that a folder is one of: those beside it whose names differ in numbers alone.

    Args:
        folder: inside one of the roots, as somebody wrote it.
        roots: that folders may be opened from.

    Returns:
        All of them in the order of their numbers, written as it is; none where it stands alone.
    """
    name = PurePath(folder).name
    if not NUMBER.search(name):
        return ()
    try:
        beside = [one.name for one in allowed_folder(folder, roots).parent.iterdir()]
    except (ModelError, OSError):
        return ()
    alike = [one for one in beside if NUMBER.sub("0", one) == NUMBER.sub("0", name)]
    paths = [str(PurePath(folder).with_name(one)) for one in sorted(alike, key=_numbered)]
    found = tuple(path for path in paths if _is_model(path, roots))
    return found if len(found) > 1 else ()


def _is_model(path: str, roots: Sequence[Path]) -> bool:
    try:
        return (allowed_folder(path, roots) / "config.json").is_file()
    except (ModelError, OSError):
        return False


def _numbered(name: str) -> tuple[tuple[int, ...], str]:
    """Sort by numbers as numbers: 500 before 1000."""
    return tuple(int(one) for one in NUMBER.findall(name)), name


def short_names(models: Sequence[Listed]) -> tuple[str, ...]:
    """Name each of some models by what tells it from the others.

    Revisions of one model by their revision; others by as few of the last parts of their names as do, of
    which the last are left out where they are the same for all.
    """
    parts = [PurePath(one.model).parts or (one.model,) for one in models]
    at = [f"@{one.revision}" if one.revision else "" for one in models]
    if len({one.model for one in models}) == 1:
        return _cut([rev or parts[0][-1] for rev in at])
    if not any(at):
        parts = [one[: len(one) - _common_end(parts)] for one in parts]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-count:]) + rev for one, rev in zip(parts, at, strict=True)]
        if len(set(names)) == len(names):
            return _cut(names)
    return tuple(one.line for one in models)


def _common_end(parts: Sequence[tuple[str, ...]]) -> int:
    """Count the last parts that all have in common; each keeps one."""
    same = 0
    while all(len(one) > same + 1 for one in parts) and len({one[-same - 1] for one in parts}) == 1:
        same += 1
    return same


def _cut(names: Sequence[str]) -> tuple[str, ...]:
    cut = ["…" + one[1 - LONGEST_NAME :] if len(one) > LONGEST_NAME else one for one in names]
    return tuple(cut if len(set(cut)) == len(cut) else names)
