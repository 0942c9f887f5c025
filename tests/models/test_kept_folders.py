"""Folders of visitors, files in one piece, and work that is asked to wait: what trainings and surveys share."""

from __future__ import annotations

import threading

import pytest

from viz.errors import CancelledError
from viz.models.named_folder import NAME, find_named, new_name, throw_away
from viz.models.whole_file import whole, write_whole
from viz.models.work_control import WorkControl


def test_a_folder_is_found_by_its_name_alone(tmp_path):
    name = new_name()
    assert NAME.fullmatch(name)
    assert find_named(tmp_path, name, "card.json") is None
    (tmp_path / name).mkdir()
    assert find_named(tmp_path, name, "card.json") is None, "it holds nothing yet"
    (tmp_path / name / "card.json").touch()
    assert find_named(tmp_path, name, "card.json") == tmp_path / name
    for elsewhere in (f"../{tmp_path.name}/{name}", name.upper(), "", "."):
        assert find_named(tmp_path, elsewhere, "card.json") is None


def test_what_is_thrown_away_is_gone_with_all_that_is_in_it(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    throw_away(tmp_path / "a")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        throw_away(tmp_path / "a")


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"before")

    def broken():
        with whole(path) as beside:
            beside.write_bytes(b"half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        broken()
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_was_thrown_away_does_not_come_back(tmp_path):
    write_whole(tmp_path / "new" / "file", b"x")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "gone" / "file", b"x", makes_folders=False)
    assert not (tmp_path / "gone").exists()


def test_work_waits_while_it_is_paused_and_ends_where_it_is_stopped():
    control, passed = WorkControl(), threading.Event()
    control.wait()
    control.pause()
    assert control.is_paused
    thread = threading.Thread(target=lambda: (control.wait(), passed.set()))
    thread.start()
    assert not passed.wait(0.1)
    control.go_on()
    thread.join(10)
    assert passed.is_set()
    control.pause()
    control.stop()
    assert control.is_stopped
    assert not control.is_paused
    with pytest.raises(CancelledError):
        control.wait()


def test_work_that_everybody_has_forgotten_is_stopped():
    control = WorkControl()
    control.pause()
    with pytest.raises(CancelledError):
        control.wait(0.01)
    assert control.is_stopped
