"""The house keeps its own rules."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import torch

import viz
from viz.cli import main
from viz.moved import NEW_NAMES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("room", ["viz", "components"])
def test_nothing_in_the_house_uses_an_old_name(room):
    for path in ROOT.glob(f"{room}/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            named += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not NEW_NAMES.keys() & set(named), path


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_of_the_readme_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("command", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_commands_of_the_readme_are_there(command):
    done = subprocess.run(
        ["make", "--dry-run", command], cwd=ROOT, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, own, built = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(compile(first, "README.md", "exec"), names)
    exec(compile(own, "README.md", "exec"), names)
    # Its rows sum to less than 1, so that only its function tells what they are.
    part = torch.nn.Sequential(names["Own"]())
    with pytest.raises(viz.LoupeError, match="attention="):
        viz.capture(viz.wrap_model(part), {"input": torch.randn(1, 9, 32)})
    assert (tmp_path / "run.safetensors").exists()
    exec(compile(built, "README.md", "exec"), names)
    assert names["trace"].stacks["self"].layers == names["options"].layers
    assert names["steps"].weights.shape == (4, 9, 9)
    assert viz.load_model(tmp_path / "my-model").module.config.options == names["options"]


@pytest.mark.parametrize("arguments", [["models"], ["fetch", "minilm"]])
def test_the_command_line_answers(arguments, capsys):
    main(arguments)
    assert "MiniLM" in capsys.readouterr().out


def test_the_command_line_says_what_was_wrong(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["fetch", "nothing"])
    assert caught.value.code == 2
    assert "There is no 'nothing' in the catalogue." in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--text", "--image", "--sound", "--target", "--revision"])
def test_the_readme_names_the_options_of_check(option, capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    assert option in capsys.readouterr().out
    assert f"`{option} " in README


def test_the_readme_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    (commands,) = re.findall(r"\{([a-z,]+)\}\s", capsys.readouterr().out)[:1]
    for command in commands.split(","):
        assert f".venv/bin/loupe {command}" in README
