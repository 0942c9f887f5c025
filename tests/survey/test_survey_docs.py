"""docs/survey.md lists every score, and its Python runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from scripts.survey_scores import score_table
from viz.survey.survey_tables import GRAMMAR_TABLES, TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "survey.md").read_text(encoding="utf-8")


def test_the_table_of_scores_is_that_of_the_catalogue():
    assert score_table() in PAGE


def test_every_table_of_a_survey_is_listed():
    assert set(re.findall(r"`(\w+)\.parquet`", PAGE)) == {*TABLES, *GRAMMAR_TABLES}


def test_its_python_runs(surveyed, tmp_path, monkeypatch):
    shutil.copytree(surveyed.folder, tmp_path / "heads")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/survey.md", "exec"), {})
