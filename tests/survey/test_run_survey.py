"""A survey is whole however often it was stopped, and goes on with nothing but itself."""

from __future__ import annotations

import errno
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

import viz
from tests.survey.conftest import SETTINGS
from viz.errors import BusyError, InputError, StorageError
from viz.survey import WorkControl, load_survey, open_corpus, run_survey
from viz.survey.shard_file import Shard
from viz.survey.survey_folder import SurveyFolder
from viz.survey.survey_tables import TABLES


class Killed(BaseException):
    """Ends a survey as the end of its process would."""


def require_same_tables(folder, whole):
    found = load_survey(folder)
    for name in TABLES:
        pd.testing.assert_frame_equal(found.table(name), whole.table(name), rtol=1e-9)
    assert (found.card.windows, found.card.tokens) == (whole.card.windows, whole.card.tokens)
    assert found.card.digest == whole.card.digest


@pytest.mark.parametrize("windows", [1, 2, 16, 17, 30])
def test_a_survey_that_was_stopped_goes_on_to_the_same_tables(
    windows, model, texts, surveyed, tmp_path
):
    assert surveyed.card.windows > 30
    folder, control, seen = SurveyFolder(tmp_path / "kept"), WorkControl(), []

    def stop_after(moment):
        seen.append(moment)
        if moment.phase == "texts" and moment.done == windows:
            control.stop()

    card = run_survey(model, open_corpus(texts), folder, SETTINGS, control=control, seen=stop_after)
    assert (card.state, card.windows) == ("stopped", windows)
    assert load_survey(folder.path).card.windows == windows
    card = run_survey(model, open_corpus(texts), folder, seen=seen.append)
    assert card.state == "done"
    counted = [one.done for one in seen if one.phase == "texts"]
    assert counted == list(range(1, card.windows + 1))
    assert seen[-2].tokens == card.tokens
    require_same_tables(folder.path, surveyed)


@pytest.mark.parametrize("windows", [3, 16, 20])
def test_a_survey_whose_process_ended_counts_no_window_twice(
    windows, model, texts, surveyed, tmp_path
):
    folder = SurveyFolder(tmp_path / "kept")

    def end(moment):
        if moment.done == windows or moment.phase == "tables":
            raise Killed

    with pytest.raises(Killed):
        run_survey(model, open_corpus(texts), folder, SETTINGS, seen=end)
    kept = sum(shard.count for shard in folder.shards())
    assert kept == (windows - 1) // 16 * 16
    card = folder.card()
    assert (card.state, card.windows, card.refused) == ("running", kept, 0)
    assert card.tokens == folder.sums().tokens
    assert (card.texts > 0) == (kept > 0)
    with pytest.raises(StorageError, match=f"before it wrote its tables; {kept} windows"):
        load_survey(folder.path)
    run_survey(model, open_corpus(texts), folder)
    require_same_tables(folder.path, surveyed)


def test_a_card_that_missed_the_last_windows_is_put_right_when_it_goes_on(
    model, texts, surveyed, tmp_path
):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    # As of a process that was killed between the two files.
    folder.write_card(replace(folder.card(), state="running", windows=16, tokens=1))
    seen = []
    card = run_survey(
        model, open_corpus(texts), folder, seen=lambda _moment: seen.append(folder.card())
    )
    assert (seen[0].windows, seen[0].tokens) == (surveyed.card.windows, surveyed.card.tokens)
    assert (card.windows, card.tokens) == (surveyed.card.windows, surveyed.card.tokens)


def test_a_file_that_was_half_written_is_read_again(model, texts, surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    first, second, *_ = sorted((folder.path / "shards").iterdir())
    second.rename(second.with_suffix(".part"))
    for name in TABLES:
        (folder.path / f"{name}.parquet").unlink()
    run_survey(model, open_corpus(texts), folder)
    assert first.is_file()
    require_same_tables(folder.path, surveyed)


def test_a_survey_waits_while_it_is_paused(model, texts, tmp_path):
    control, done = WorkControl(), []
    paused = threading.Event()

    def pause_after_two(moment):
        done.append(moment.done)
        if len(done) == 2:
            control.pause()
            paused.set()

    few = replace(SETTINGS, tokens=60)
    arguments = (model, open_corpus(texts), SurveyFolder(tmp_path), few)
    work = threading.Thread(
        target=run_survey, args=arguments, kwargs={"control": control, "seen": pause_after_two}
    )
    work.start()
    assert paused.wait(60)
    work.join(0.5)
    assert work.is_alive()
    assert len(done) == 2
    control.go_on()
    work.join(60)
    assert load_survey(tmp_path).card.state == "done"
    assert len(done) > 2


def test_no_window_begins_once_there_are_enough_tokens(model, texts, tmp_path):
    card = run_survey(
        model, open_corpus(texts), SurveyFolder(tmp_path), replace(SETTINGS, tokens=50)
    )
    assert 50 <= card.tokens < 50 + 16
    assert card.digest == "" or card.texts < 24


def test_another_model_is_refused_with_both_versions(texts, surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    other = viz.load_model("demo", device="cpu", dtype="bfloat16")
    with pytest.raises(StorageError, match=r"demo in float32 .* demo in bfloat16"):
        run_survey(other, open_corpus(texts), folder)
    assert len(load_survey(folder.path).table("scores")) == len(surveyed.table("scores"))


def test_another_corpus_is_refused(model, texts, surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    with pytest.raises(StorageError, match="was begun with texts None, and now it is 3"):
        run_survey(model, open_corpus(texts, texts=3), folder)


def test_a_corpus_that_changed_meanwhile_is_refused(model, texts, tmp_path):
    own = Path(shutil.copy(texts, tmp_path / "texts.jsonl"))
    folder, control = SurveyFolder(tmp_path / "kept"), WorkControl()

    def stop(moment):
        if moment.done == 20:
            control.stop()

    run_survey(model, open_corpus(own), folder, SETTINGS, control=control, seen=stop)
    own.write_text(own.read_text().replace("Text 2.", "Text two."))
    with pytest.raises(StorageError, match="changed since its windows 0 to 15 were read"):
        run_survey(model, open_corpus(own), folder)
    assert load_survey(folder.path).card.windows == 20


def test_other_settings_are_refused(model, texts, surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    with pytest.raises(InputError, match="begun with length 16, and now it is 12"):
        run_survey(model, open_corpus(texts), folder, replace(SETTINGS, length=12))


def test_a_folder_of_something_else_is_left_alone(model, texts, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match="holds other files"):
        run_survey(model, open_corpus(texts), SurveyFolder(tmp_path), SETTINGS)
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_another_process_works_in_is_left_alone(model, texts, surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    with (
        FileLock(folder.path / "work.lock"),
        pytest.raises(BusyError, match="Another process works"),
    ):
        run_survey(model, open_corpus(texts), folder)


def test_a_full_disk_is_said_and_what_was_written_is_kept(
    model, texts, surveyed, tmp_path, monkeypatch
):
    folder, written = SurveyFolder(tmp_path / "kept"), Path.write_bytes

    def full(path, content):
        if path.name.startswith("00000016"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left on device"):
        run_survey(model, open_corpus(texts), folder, SETTINGS)
    card = load_survey(folder.path).card
    assert (card.state, card.windows) == ("failed", 16)
    assert "No space left" in card.message
    monkeypatch.undo()
    run_survey(model, open_corpus(texts), folder)
    require_same_tables(folder.path, surveyed)


def test_a_damaged_part_is_named(surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    part = sorted((folder.path / "shards").iterdir())[0]
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(StorageError, match=f"{part.name} in .* is damaged"):
        folder.sums()


def test_an_edited_card_is_refused(model, texts, surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    path = folder.path / "card.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "tokens": 10**9}))
    with pytest.raises(StorageError, match="was edited"):
        run_survey(model, open_corpus(texts), folder)
    with pytest.raises(StorageError, match="was edited"):
        load_survey(folder.path)
    path.write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        load_survey(folder.path)


def test_a_part_of_the_corpus_is_named_by_what_it_says():
    shard = Shard(16, 9, "0123456789abcdef")
    assert Shard.named(shard.file_name) == shard
    assert Shard.named("card.json") is None


def test_a_model_is_the_same_by_any_of_its_names(texts, surveyed, tmp_path):
    folder = SurveyFolder(shutil.copytree(surveyed.folder, tmp_path / "kept"))
    assert (
        run_survey(viz.load_model("minilm", device="cpu"), open_corpus(texts), folder).state
        == "done"
    )


def test_a_survey_that_measured_nothing_makes_room_for_another(model, texts, tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("Hm")
    folder = SurveyFolder(tmp_path / "kept")
    with pytest.raises(viz.LoupeError):
        run_survey(model, open_corpus(short), folder, SETTINGS)
    assert (
        run_survey(model, open_corpus(texts), folder, replace(SETTINGS, tokens=40)).state == "done"
    )
