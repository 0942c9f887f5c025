"""What a person is told to type works where they are."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from viz.command import typed


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """An environment whose folder is not on the path, with a command in it; from beside it."""
    folder = tmp_path / "own place" / "bin"
    folder.mkdir(parents=True)
    command = folder / "loupe"
    command.write_text("")
    command.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(sys, "argv", ["app.py"])
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    return command


def test_a_command_that_is_not_on_the_path_is_named_with_its_own(apart):
    said = shlex.split(typed("fetch", "smollm2"))
    assert said == ["own place/bin/loupe", "fetch", "smollm2"]
    assert Path(said[0]).resolve() == apart


def test_one_that_is_on_the_path_goes_by_its_name(apart, monkeypatch):
    monkeypatch.setenv("PATH", str(apart.parent))
    assert typed("fetch", "smollm2") == "loupe fetch smollm2"


def test_one_that_runs_is_called_so_again(apart, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/else/loupe", "train"])
    assert typed("train", "--resume", "a b") == "/somewhere/else/loupe train --resume 'a b'"


def test_without_any_its_name_is_said(apart):
    apart.unlink()
    assert typed("models") == "loupe models"
