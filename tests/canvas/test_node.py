"""What the canvas components reckon, tested by Node's own runner; needs no browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from components.canvas.shared.payload import VIEWS, module

HERE = Path(__file__).parent
OLDEST = 18
NODE = shutil.which("node")


def reason_to_skip() -> str:
    """Say what is missing to run these tests, "" for nothing."""
    if NODE is None:
        return "no node here: `bash scripts/node.sh` installs it"
    said = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    version = int(re.match(r"v(\d+)", said).group(1))
    return "" if version >= OLDEST else f"node {version} is too old, {OLDEST} has a test runner"


MISSING = reason_to_skip()
needs_node = pytest.mark.skipif(bool(MISSING), reason=MISSING)

TESTS = sorted(HERE.glob("*.test.mjs"))
VIEW_NAMES = sorted(entry.parent.name for entry in VIEWS.glob("*/view.js"))


@needs_node
@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.name)
def test_node_finds_no_fault(tests):
    done = subprocess.run([NODE, "--test", tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_node
@pytest.mark.parametrize("view", VIEW_NAMES)
def test_a_joined_view_is_a_module(view, tmp_path):
    file = tmp_path / f"{view}.mjs"
    file.write_text(module(view))
    done = subprocess.run([NODE, "--check", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_node
@pytest.mark.parametrize("view", VIEW_NAMES)
def test_the_files_of_a_view_are_modules_by_themselves(view):
    """Node reads them as they lie there, and asks of every import that it is exported."""
    entry = (VIEWS / view / "view.js").as_uri()
    code = (
        f"const view = await import({entry!r}); if (typeof view.default !== 'function') throw view;"
    )
    command = [NODE, "--input-type=module", "--eval", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_belongs_to_a_view():
    joined = "\n".join(module(view) for view in VIEW_NAMES)
    for file in VIEWS.glob("*/*.js"):
        assert f"// {file.relative_to(VIEWS).as_posix()}\n" in joined, f"no view imports {file}"
