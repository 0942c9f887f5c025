"""Joins the ES modules of a view into the one module that a Streamlit component takes as text.

A view's `view.js` imports what it needs from files beside it, as any browser or Node would read them:

    import { clamp, Plane } from "../shared/plane.js";
    export function geometryOf(width) { ... }

`joined` follows these imports, puts every file once, after those that it imports, and takes the words
`import` and `export` away: what is left is one module with one scope. It understands just this much, and
refuses all else rather than guess:

- An import is of names in braces, under their own names, from a relative path with its ending.
- An export stands before its `function`, `class` or `const`; `export default` is the entry's alone.
- What a file declares begins its line, one name a declaration; everything else is indented.
- No two files of a view declare the same name at their top: in one scope they would be one thing.
- No file imports itself by way of others.
"""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

IMPORT = re.compile(r'^import \{([\w\s,$]+)\} from "(\.\.?/[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const)\b)", re.MULTILINE)
DECLARATION = re.compile(
    r"^(export )?(?:async function|function|class|const|let|var)\*? ([\w$]+|[\[{])", re.MULTILINE
)
LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
DEFAULT = "export default "


class JoinError(ValueError):
    """Files that cannot be joined into one module; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One file as it was read.

    Attributes:
        text: without its imports and the word `export`.
        imports: names that it takes from other files.
        declared: every name at its top.
        exported: those of them that others may import.
    """

    text: str
    imports: dict[Path, tuple[str, ...]]
    declared: tuple[str, ...]
    exported: frozenset[str]


def joined(entry: Path) -> str:
    """Return the text of a module and of all that it imports, as one module.

    Args:
        entry: the file that has the default export.

    Raises:
        JoinError: a file is missing, imports itself by way of others, asks for what another does not
            export, declares a name that another declares too, or is written in a way that is not
            understood here.
    """
    sources: dict[Path, _Source] = {}
    _follow(entry.resolve(), (), sources)
    _check_names(sources)
    root = entry.resolve().parents[1]
    return "\n".join(
        f"// {file.relative_to(root).as_posix()}\n{source.text}"
        if file.is_relative_to(root)
        else source.text
        for file, source in sources.items()
    )


def _follow(file: Path, above: tuple[Path, ...], sources: dict[Path, _Source]) -> None:
    """Read a file after those that it imports; `sources` is in the order of the joined text."""
    if file in above:
        circle = (*above[above.index(file) :], file)
        raise JoinError("files import each other: " + " -> ".join(_name(one) for one in circle))
    if file in sources:
        return
    if not file.is_file():
        asking = f", which {_name(above[-1])} imports," if above else ""
        raise JoinError(f"{_name(file)}{asking} is not there")
    source = _read(file, entry=not above)
    for imported, names in source.imports.items():
        _follow(imported, (*above, file), sources)
        for name in names:
            if name not in sources[imported].exported:
                known = ", ".join(sorted(sources[imported].exported)) or "nothing"
                raise JoinError(
                    f"{_name(file)} imports {name} from {_name(imported)}, which exports {known}"
                )
    sources[file] = source


def _read(file: Path, *, entry: bool) -> _Source:
    """Read one file's imports, exports and declarations, anew where it was changed."""
    seen = file.stat()
    return _parsed(file, entry, seen.st_mtime_ns, seen.st_size)


# Every run of a page sends the modules of all its views.
@lru_cache(maxsize=256)
def _parsed(file: Path, entry: bool, _changed: int, _size: int) -> _Source:
    text = file.read_text()
    imports: dict[Path, tuple[str, ...]] = {}
    for names, path in IMPORT.findall(text):
        listed = tuple(name.strip() for name in names.split(",") if name.strip())
        renamed = [name for name in listed if not re.fullmatch(r"[\w$]+", name)]
        if renamed:
            raise JoinError(f"{_name(file)} imports {renamed[0]!r}: a name cannot be changed here")
        target = Path(os.path.normpath(file.parent / path))
        imports[target] = imports.get(target, ()) + listed
    declared = DECLARATION.findall(text)
    for _, name in declared:
        if name in "[{":
            raise JoinError(
                f"{_name(file)} takes a value apart at its top: declare one name a line"
            )
    stripped = EXPORT.sub("", IMPORT.sub("", text))
    for line in LEFT_OVER.findall(stripped):
        if not (entry and line.startswith(DEFAULT)):
            raise JoinError(f"{_name(file)} has a line that cannot be joined: {line}")
    return _Source(
        text=stripped.lstrip("\n"),
        imports=imports,
        declared=tuple(name for _, name in declared),
        exported=frozenset(name for export, name in declared if export),
    )


def _check_names(sources: dict[Path, _Source]) -> None:
    """Refuse a name that two files declare, or one file twice."""
    owner: dict[str, Path] = {}
    for file, source in sources.items():
        for name in source.declared:
            if name in owner:
                places = " and ".join(sorted({_name(owner[name]), _name(file)}))
                raise JoinError(f"{name} is declared twice, in {places}: give one another name")
            owner[name] = file


def _name(file: Path) -> str:
    """Name a file as people do: with the folder that it lies in."""
    return f"{file.parent.name}/{file.name}"
