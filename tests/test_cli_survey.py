"""`loupe survey`: what it prints, what it keeps, and how it says what was wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import viz
from viz.cli import main
from viz.survey.survey_tables import TABLES

ROOT = Path(__file__).parent.parent
FEW = ["--length", "16", "--no-probes", "--loss-windows", "0"]


def loupe(*arguments: object) -> int:
    """Run the command; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(["survey", *map(str, arguments)])
    return int(ended.value.code or 0)


@pytest.fixture
def texts(tmp_path) -> Path:
    path = tmp_path / "texts.txt"
    lines = (f"Line {number} says that the cat, not the dog, is tired." for number in range(30))
    path.write_text("\n\n".join(lines), encoding="utf-8")
    return path


def test_a_survey_is_made_told_about_and_read(texts, tmp_path, capsys):
    assert loupe("demo", texts, "--out", tmp_path / "heads", *FEW) == 0
    told = capsys.readouterr().out
    assert "demo: " in told
    survey = viz.load_survey(tmp_path / "heads")
    assert survey.card.state == "done"
    # The same command finds it done, and says so again.
    assert loupe("demo", texts, "--out", tmp_path / "heads") == 0
    assert viz.load_survey(tmp_path / "heads").card.tokens == survey.card.tokens


def test_a_survey_that_was_killed_goes_on_by_the_same_command(texts, tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "viz.cli", "survey", "demo", str(texts), "--out"]
    with subprocess.Popen(
        [*command, str(killed), *FEW],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + 120
        while not list(killed.glob("shards/*.safetensors")) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert list(killed.glob("shards/*.safetensors"))
    assert loupe("demo", texts, "--out", killed) == 0
    assert loupe("demo", texts, "--out", whole, *FEW) == 0
    found, expected = viz.load_survey(killed), viz.load_survey(whole)
    assert found.card.windows == expected.card.windows
    for name in TABLES:
        pd.testing.assert_frame_equal(found.table(name), expected.table(name), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing-here.txt"], "There is no file or folder nothing-here.txt"),
        (["texts.txt", "--tokens", "0"], "--tokens is 0"),
        (["texts.txt", "--length", "100000"], "Windows of 100,000 tokens"),
        (["texts.txt", "--loss-windows", "-1"], "--loss-windows is -1"),
        (["texts.txt", "--out", "."], "holds other files"),
    ],
)
def test_what_cannot_be_surveyed_is_one_sentence(
    arguments, said, texts, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    given = arguments if "--out" in arguments else [*arguments, "--out", "heads"]
    assert loupe("demo", *given) == 2
    assert said in capsys.readouterr().err
