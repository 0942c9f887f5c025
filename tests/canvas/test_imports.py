"""A file imports what it uses: joined with others it would find a name that it forgot, alone it would not."""

from __future__ import annotations

import re

import pytest

from components.canvas.shared.join import DECLARATION, IMPORT
from components.canvas.shared.payload import VIEWS

# Of these a word of another meaning may stand: a comment, a text.
NO_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
FILES = sorted(VIEWS.glob("*/*.js"))


def exported(text: str) -> set[str]:
    return {name for export, name in DECLARATION.findall(text) if export}


def forgotten(text: str, others: set[str]) -> set[str]:
    """Return which names of others a file calls, or has as a constant, and does not import."""
    imported = {name.strip() for names, _ in IMPORT.findall(text) for name in names.split(",")}
    code = NO_CODE.sub("", IMPORT.sub("", text))
    used = {name for name in others if re.search(rf"(?<![\w.$]){name}\(", code)}
    used |= {name for name in others if name.isupper() and re.search(rf"(?<![\w.$]){name}\b", code)}
    return used - imported - {name for _, name in DECLARATION.findall(text)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_file_imports_what_it_uses(file):
    folders = {file.parent, VIEWS / "shared"}
    others = [one for one in FILES if one.parent in folders and one != file]
    names = set().union(*(exported(one.read_text()) for one in others))
    assert not forgotten(file.read_text(), names)


def test_what_is_forgotten_is_found():
    text = '// clamp(1) of a comment\nimport { a } from "./a.js";\na(Plane.x);\nconst b = clamp(SIDE);\n'
    assert forgotten(text, {"a", "b", "clamp", "SIDE", "x"}) == {"clamp", "SIDE"}
