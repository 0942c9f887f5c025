"""Surveys that outlive their page, wait for their turn, and are found again."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

import viz
from tests.models.folders import save_decoder, save_encoder_decoder
from tests.training.test_training_run import wait_for
from viz.errors import (
    BudgetError,
    BusyError,
    GoneError,
    InputError,
    StorageError,
    TextError,
)
from viz.service import kept_work, survey_jobs
from viz.service.survey_jobs import Surveys
from viz.service.survey_kept import Asked, KeptSurvey
from viz.service.survey_texts import MOST_BYTES, SurveyTexts, own_file, pasted
from viz.survey import SurveySettings, WorkControl

TEXT = "the cat sat on the mat, and the dog did not sit because it was tired.\n\n" * 12
QUICK = SurveySettings(length=32, tokens=200, probes=False, loss_windows=0)
ASKED = Asked("foretells", pasted(TEXT), QUICK)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = save_decoder(tmp_path_factory.mktemp("model") / "foretells", layers=2, heads=2)
    return viz.load_model(str(folder))


@pytest.fixture
def here(model, tmp_path):
    return Surveys(lambda _request, _progress: model, tmp_path)


@pytest.fixture
def held_up(model, tmp_path):
    """Surveys none of which gets its model before it is let."""
    let = threading.Event()

    def load(_request, progress):
        while not let.wait(0.01):
            progress("load", 0.5)
        return model

    yield Surveys(load, tmp_path), let
    let.set()


def state(here, name):
    return here.standing(name).asked.state


def ended(here, *names):
    wait_for(lambda: not any(here.works(name) for name in names))


def test_a_survey_runs_to_its_end_and_is_found_by_its_name(here, model, tmp_path):
    name = here.start(ASKED)
    ended(here, name)
    assert state(here, name) == "done"
    assert here.result(name).card.tokens >= QUICK.tokens
    # The app was started anew meanwhile.
    later = Surveys(lambda *_: model, tmp_path)
    assert state(later, name) == "done"
    assert later.result(name).heads().shape[0] == 4


@pytest.mark.parametrize("name", ["0" * 24, "nobody", "../../etc", ""])
def test_a_name_that_nobody_was_told_is_refused(here, name):
    for ask in (here.standing, here.result, here.go_on, here.delete):
        with pytest.raises(GoneError, match="no survey of that name"):
            ask(name)


def test_one_works_at_a_time_and_the_others_say_how_many_are_before_them(held_up):
    here, let = held_up
    names = [here.start(ASKED) for _ in range(3)]
    assert [here.standing(name).before for name in names] == [0, 1, 2]
    assert [state(here, name) for name in names] == ["running", "waiting", "waiting"]
    here.stop(names[1])
    wait_for(lambda: not here.works(names[1]))
    assert here.standing(names[2]).before == 1
    let.set()
    ended(here, *names)
    assert [state(here, name) for name in names] == ["done", "stopped", "done"]
    assert here.result(names[1]) is None


def test_one_that_is_paused_gives_way_and_goes_on_after_the_others(held_up):
    here, let = held_up
    first, second = here.start(ASKED), here.start(ASKED)
    here.pause(first)
    assert state(here, first) == "paused"
    assert here.standing(second).before == 0
    here.go_on(first)
    assert state(here, first) == "waiting"
    assert here.standing(first).before == 1
    let.set()
    ended(here, first, second)
    assert state(here, first) == state(here, second) == "done"


def test_a_paused_survey_can_be_stopped(held_up):
    here, let = held_up
    name = here.start(ASKED)
    here.pause(name)
    let.set()
    here.stop(name)
    ended(here, name)
    assert state(here, name) == "stopped"


def test_stopping_keeps_what_was_measured_and_going_on_ends_with_the_same(
    here, monkeypatch, tmp_path
):
    whole = here.start(ASKED)
    ended(here, whole)
    real = survey_jobs.run_survey

    def stopped_after_two(*given, control: WorkControl, seen, **named):
        def heard(moment):
            seen(moment)
            if moment.phase == "texts" and moment.done == 2:
                control.stop()

        return real(*given, control=control, seen=heard, **named)

    monkeypatch.setattr(survey_jobs, "run_survey", stopped_after_two)
    name = here.start(ASKED)
    ended(here, name)
    assert state(here, name) == "stopped"
    assert here.result(name).card.windows == 2
    monkeypatch.setattr(survey_jobs, "run_survey", real)
    here.go_on(name)
    ended(here, name)
    assert state(here, name) == "done"
    pd.testing.assert_frame_equal(here.result(name).heads(), here.result(whole).heads())


def test_one_that_the_apps_end_cut_short_shows_as_stopped_and_goes_on(here, model, tmp_path):
    name = here.start(ASKED)
    ended(here, name)
    KeptSurvey.open(name, tmp_path).change(state="running")  # as the end of a process leaves it
    later = Surveys(lambda *_: model, tmp_path)
    assert state(later, name) == "stopped"
    later.go_on(name)
    ended(later, name)
    assert state(later, name) == "done"


def test_one_that_another_process_works_on_is_left_alone(here, tmp_path):
    name = here.start(ASKED)
    ended(here, name)
    kept = KeptSurvey.open(name, tmp_path)
    kept.change(state="running")
    with FileLock(kept.measured.path / "work.lock"):
        assert here.standing(name).elsewhere
        with pytest.raises(BusyError, match="at work elsewhere"):
            here.go_on(name)
        with pytest.raises(BusyError, match="at work elsewhere"):
            here.delete(name)


def test_texts_that_cannot_be_read_are_said_at_once_and_leave_nothing(here, tmp_path):
    table = own_file("a.csv", b"title,text\nx,y\n", column="words")
    with pytest.raises(
        InputError, match=r"a.csv has no column 'words'; its columns are title, text"
    ):
        here.start(dataclasses.replace(ASKED, texts=table))
    with pytest.raises(TextError, match="holds no text"):
        here.start(dataclasses.replace(ASKED, texts=own_file("a.txt", b" \n")))
    assert not list(tmp_path.iterdir())


def test_a_window_that_the_model_does_not_read_is_said_of_the_survey(here):
    name = here.start(dataclasses.replace(ASKED, settings=dataclasses.replace(QUICK, length=8_192)))
    ended(here, name)
    assert state(here, name) == "failed"
    assert "Windows of 8,192 tokens were asked for" in here.standing(name).asked.message


def test_a_table_is_read_by_its_column_under_a_name_that_is_a_files(here, tmp_path):
    rows = "\n".join(f'{at},"{TEXT.splitlines()[0]}"' for at in range(20))
    given = own_file("../so strange:.csv", f"number,words\n{rows}\n".encode(), column="words")
    name = here.start(dataclasses.replace(ASKED, texts=given))
    ended(here, name)
    assert state(here, name) == "done"
    assert [one.name for one in (tmp_path / name / "texts").iterdir()] == ["so strange_.csv"]
    assert here.standing(name).asked.texts.title == "../so strange:.csv"


def test_files_that_are_none_or_too_large_are_refused():
    with pytest.raises(TextError, match="of no kind that is read"):
        own_file("a.pdf", b"x")
    with pytest.raises(TextError, match="is empty"):
        own_file("a.txt", b"")
    with pytest.raises(TextError, match=r"has 25\.0 MB"):
        own_file("a.txt", bytes(MOST_BYTES + 1))
    with pytest.raises(TextError, match="The text is empty"):
        pasted(" \n")


def test_a_path_of_the_server_is_read_only_where_it_allows_that(here, tmp_path, monkeypatch):
    allowed, beside = tmp_path / "allowed", tmp_path / "beside.txt"
    allowed.mkdir()
    for path in (allowed / "a.txt", beside):
        path.write_text(TEXT)
    inside = dataclasses.replace(ASKED, texts=SurveyTexts("a.txt", str(allowed / "a.txt")))
    monkeypatch.delenv("LOUPE_TEXT_FOLDERS", raising=False)
    with pytest.raises(StorageError, match="reads no files of its own"):
        here.start(inside)
    monkeypatch.setenv("LOUPE_TEXT_FOLDERS", str(allowed))
    outside = dataclasses.replace(ASKED, texts=SurveyTexts("beside.txt", str(beside)))
    with pytest.raises(StorageError, match="outside the folders"):
        here.start(outside)
    missing = dataclasses.replace(ASKED, texts=SurveyTexts("owner/name", "owner/name"))
    with pytest.raises(StorageError, match="no file or folder owner/name"):
        here.start(missing)
    name = here.start(inside)
    ended(here, name)
    assert state(here, name) == "done"


def test_no_more_than_a_few_wait(held_up, monkeypatch):
    here, _ = held_up
    monkeypatch.setattr(kept_work, "MOST_WAITING", 1)
    name = here.start(ASKED)
    with pytest.raises(BusyError, match="1 surveys are at work"):
        here.start(ASKED)
    here.stop(name)
    ended(here, name)


def test_a_full_disk_is_said_before_work_starts(here, tmp_path, monkeypatch):
    monkeypatch.setattr(survey_jobs, "LEFT_FREE", 10**18)
    with pytest.raises(BudgetError, match="The disk has room for"):
        here.start(ASKED)
    assert not list(tmp_path.iterdir())


def test_deleting_takes_the_texts_too_but_nothing_that_is_at_work(held_up, tmp_path):
    here, let = held_up
    name = here.start(ASKED)
    with pytest.raises(BusyError, match="Stop it first"):
        here.delete(name)
    let.set()
    ended(here, name)
    here.delete(name)
    assert not list(tmp_path.iterdir())
    with pytest.raises(GoneError):
        here.standing(name)


def test_a_defect_ends_the_survey_and_not_the_line(model, tmp_path, caplog):
    models = iter([lambda: 1 / 0, lambda: model])
    here = Surveys(lambda *_: next(models)(), tmp_path)
    first, second = here.start(ASKED), here.start(ASKED)
    ended(here, first, second)
    assert (state(here, first), state(here, second)) == ("failed", "done")
    assert "defect in Attention Loupe" in here.standing(first).asked.message


def test_words_of_an_encoder_decoder_stand_in_the_text_that_they_are_of(tmp_path):
    folder = save_encoder_decoder(tmp_path / "translator")
    translator = viz.load_model(str(folder))
    here = Surveys(lambda *_: translator, tmp_path / "surveys")
    settings = dataclasses.replace(QUICK, length=None)
    name = here.start(dataclasses.replace(ASKED, settings=settings))
    ended(here, name)
    assert state(here, name) == "done", here.standing(name).asked.message
    # Windows whose length nobody chose fit the model.
    assert here.result(name).card.settings.length == translator.context_limit
    words = here.result(name).table("examples")
    assert (words.loc[words["stack"] == "encoder", "query_from"] >= 0).all()
    cross = words[words["stack"] == "cross"]
    assert (cross["query_from"] == -1).all()
    assert (cross["key_from"] >= 0).all()


def test_kept_names_lead_nowhere_else(tmp_path):
    root: Path = tmp_path / "root"
    kept = KeptSurvey.create(ASKED, root)
    assert kept.asked().texts.content is None
    assert kept.asked().settings == QUICK
    assert (kept.path / "texts" / "pasted.txt").read_text() == TEXT
