"""The Train page's logic, without a browser."""

from __future__ import annotations

import math

import pytest
from streamlit.testing.v1 import AppTest

from components.panels.learn import uses
from components.panels.training.checkpoint import usual_step
from components.panels.training.example import text_of
from components.panels.training.files import zipped
from components.panels.training.live import duration
from viz.models.custom.words import byte_pair_tokenizer, symbol_tokenizer
from viz.training.folder import About
from viz.training.settings import Settings
from viz.training.task import Loaded, Probe
from viz.training.tasks import TASKS, find_task

ABOUT = About("induction", Settings(), TASKS["induction"].options)


def script():
    from components.pages import train

    train.page()


def opened(**query):
    app = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def box(app, label):
    return next(one for one in app.selectbox if one.label == label)


def number(app, label):
    return next(one for one in app.number_input if one.label == label)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_what_it_learns_and_has_its_own_usual_values(name):
    app, task = opened(task=name), TASKS[name]
    assert box(app, "Task").value == name
    told = " ".join([*(one.value for one in app.markdown), *(one.value for one in app.caption)])
    plain = told.replace("\\", "")
    assert task.learns in plain
    assert task.shows in plain
    assert number(app, "Layers").value == task.options.layers
    assert number(app, "Heads").value == task.options.heads
    assert number(app, "Width").value == task.options.d_model
    assert number(app, "Steps").value == task.settings.steps
    assert number(app, "Learning rate").value == task.settings.learning_rate
    assert box(app, "Positions").value == task.options.positions


def test_the_learn_page_leads_to_tasks_that_there_are(monkeypatch):
    named = []
    monkeypatch.setattr(
        uses, "page_link", lambda title, label, **query: named.append((title, query))
    )
    monkeypatch.setattr(uses, "_fetched", lambda *_: None)
    for draw in (uses._translation, uses._images, uses._series, uses._recommendation):
        draw()
    tasks = [query["task"] for title, query in named if title == "Train"]
    assert len(tasks) == 4
    for task in tasks:
        assert find_task(task)


def test_a_width_that_does_not_fit_is_said_at_once_and_mended_by_the_usual_values():
    app = opened()
    number(app, "Heads").set_value(3).run()
    assert "The width 64 is not divisible by 3 heads" in app.error[0].value
    next(one for one in app.button if one.label == "Usual values").click().run()
    assert not app.error
    assert number(app, "Heads").value == 2


def test_a_lost_training_shows_its_last_good_checkpoint():
    trials = [
        {"step": step, "loss": loss}
        for step, loss in ((0, 4.0), (5, 3.0), (10, 11.0), (15, 40.0), (20, math.nan))
    ]
    steps = [0, 5, 10, 15, 20]
    assert usual_step(ABOUT, trials, steps) == 20
    lost = About(ABOUT.task, ABOUT.settings, ABOUT.options, state="failed", diverged=21)
    assert usual_step(lost, trials, steps) == 10
    assert usual_step(lost, [], steps) == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (61, "61 s"), (150, "2 min"), (9_000, "2.5 h")]
)
def test_a_time_is_said_in_the_unit_that_suits_it(seconds, words):
    assert duration(seconds) == words


def loaded(tokenizer):
    return Loaded(None, tokenizer, ABOUT.options, ())


def test_an_example_opens_as_a_text_only_if_it_is_cut_into_the_same_tokens():
    task = TASKS["reverse"].load(0)
    assert text_of(task.probes[0], task) == task.probes[0].given
    tokenizer = byte_pair_tokenizer(
        ["the cat sat on the mat, and the dog lay on the rug"] * 9, vocab_size=300
    )
    ids = tokenizer("the cat sat", return_tensors="pt")["input_ids"]
    assert (
        text_of(Probe({"input_ids": ids}, None, "self", None), loaded(tokenizer)) == "the cat sat"
    )
    # In letters, where it would be cut into one piece; Ġ is a space.
    apart = ids.new_tensor([[tokenizer.convert_tokens_to_ids(letter) for letter in "Ġthe"]])
    assert len(tokenizer(" the")["input_ids"]) == 1
    assert text_of(Probe({"input_ids": apart}, None, "self", None), loaded(tokenizer)) is None
    symbols = symbol_tokenizer(["a"])
    assert text_of(Probe({"vectors": ids.float()}, None, "self", None), loaded(symbols)) is None


def test_a_folder_is_packed_with_all_that_is_in_it(tmp_path):
    import io
    import zipfile

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    with zipfile.ZipFile(io.BytesIO(zipped(tmp_path))) as archive:
        assert sorted(archive.namelist()) == ["b.txt", "in/a.txt"]
        assert archive.read("in/a.txt") == b"one"
