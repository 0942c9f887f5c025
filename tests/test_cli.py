"""The `loupe` command: what it fetches, and what it asks for."""

from __future__ import annotations

import pytest

from tests.models.folders import save_vision
from viz.cli import main


def test_a_model_of_pictures_is_checked_on_a_file_that_is_asked_for(tmp_path, capsys):
    folder = save_vision(tmp_path / "eyes")
    with pytest.raises(SystemExit) as ended:
        main(["check", str(folder)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "reads images, and none is given" in said
    assert f"check {folder} --image FILE" in said


def test_several_models_are_fetched_at_once(capsys):
    main(["fetch", "dinov2", "whisper", "dinov2"])
    said = capsys.readouterr().out
    assert said.count("DINOv2 small is in") == 1
    assert said.count("Whisper tiny.en is in") == 1


def test_a_name_that_is_not_in_the_catalogue_is_said_before_anything_is_fetched(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fetch", "dinov2", "nope"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "no 'nope' in the catalogue" in said.err
    assert "The catalogue has minilm, loupe" in said.err
    assert not said.out


def test_a_check_explains_the_columns_of_its_table(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check", "minilm"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *["stack", "layer", "module", "tier", "difference", "allowed"],
        "output",
        "error",
    ]
    for name in ("tier", "difference", "allowed", "output error"):
        assert any(line.startswith(f"  {name}: ") for line in lines), name
    assert not any(line.startswith("  note: ") for line in lines), "there is no such column here"
