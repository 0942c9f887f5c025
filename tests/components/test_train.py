"""The Train page's logic, without a browser."""

from __future__ import annotations

import dataclasses
import math
import random
import string

import pytest
from streamlit.testing.v1 import AppTest

from components.durations import duration
from components.explore_session import as_written
from components.panels import session_works
from components.panels.learn import uses_of_attention as uses
from components.panels.training import training_form
from components.panels.training.checkpoint_panel import usual_step
from components.panels.training.downloads import zipped
from components.panels.training.session_trainings import trainings
from components.panels.training.training_progress import _said
from components.panels.training.unseen_example import text_of
from tests.training.test_training_run import wait_for
from viz.models.custom.small_tokenizers import byte_pair_tokenizer, symbol_tokenizer
from viz.service.training_jobs import Standing, Trainings
from viz.training.cpu_threads import AT_ONCE
from viz.training.folder_lock import held
from viz.training.task import Loaded, Probe
from viz.training.tasks import TASKS, find_task
from viz.training.training_folder import About, RunFolder
from viz.training.training_settings import Settings

ABOUT = About("induction", Settings(), TASKS["induction"].options)
QUICK = Settings(
    steps=20, keep_every=10, batch_size=8, test_examples=16, learning_rate=2e-3, seed=5
)
TEXT = "".join(random.Random(0).choices(string.ascii_letters + " ", k=4_000))


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


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A training of a small model, where the page finds it."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    options = dataclasses.replace(TASKS["induction"].options, d_model=32, heads=4)
    here = Trainings()
    name = here.start(About("induction", QUICK, options))
    wait_for(lambda: not here.works(name))
    folder = here.folder(name)
    assert folder.about().state == "done"
    return folder


def button(app, label):
    return next(one for one in app.button if one.label == label)


def slider(app):
    return next(one for one in app.select_slider if one.label == "Checkpoint after step")


def standing_of(app):
    """What the progress line says."""
    return [one.proto.text for one in app.get("progress")]


def told(app):
    return [one.value.replace("\\", "") for one in (*app.caption, *app.markdown)]


def test_a_training_says_how_it_was_set_up_and_another_can_be_set_up_so(kept):
    app = opened(run=kept.name)
    said = next(one for one in told(app) if one.startswith("2 layers of 4 heads"))
    assert "width 32" in said
    assert "20 steps at learning rate 0.002, batch 8, seed 5, checkpoints every 10; begun " in said
    assert number(app, "Width").value == TASKS["induction"].options.d_model
    button(app, "Use these settings").click().run()
    fields = {"Layers": 2, "Heads": 4, "Width": 32, "Steps": 20, "Learning rate": 2e-3, "Batch": 8}
    for label, value in {**fields, "Seed": 5, "Checkpoint every": 10}.items():
        assert number(app, label).value == value


def test_the_text_of_a_training_can_be_learnt_from_again(kept):
    text = TEXT
    about = About("language", QUICK, TASKS["language"].options, text_name="book.txt")
    folder = RunFolder.create(about, kept.path.parent, text)
    app = opened(run=folder.name)
    assert any("text: book.txt" in one for one in told(app))
    button(app, "Use these settings").click().run()
    assert box(app, "Task").value == "language"
    assert f"In use: book.txt, {len(text):,} characters." in told(app)


def test_a_step_and_a_head_are_in_the_address_and_a_link_shows_them(kept):
    app = opened(run=kept.name)
    assert slider(app).value == "newest"
    slider(app).set_value("10").run()
    box(app, "Head").set_value("1.2").run()
    query = {name: app.query_params[name] for name in app.query_params}
    assert query == {"run": kept.name, "step": "10", "head": "1.2"}
    other = opened(run=kept.name, step="10", head="1.2")
    assert (slider(other).value, box(other, "Head").value) == ("10", "1.2")
    assert not other.warning
    odd = opened(run=kept.name, step="7", head="9.9")
    said = (
        "- The link's step '7' is not valid\\: no such step is kept, so the newest is shown.\n"
        "- The link's head '9.9' is not valid\\: there is no such head, so the usual one is shown."
    )
    assert [one.value for one in odd.warning] == [said]
    assert (slider(odd).value, box(odd, "Head").value) == ("newest", "best")
    odd.run()
    assert [one.value for one in odd.warning] == [said], "it stays until something is chosen"
    slider(odd).set_value("10").run()
    odd.run()
    assert not odd.warning


def test_a_checkpoint_that_is_being_tried_is_not_shown_before_its_numbers(kept):
    lines = (kept.path / "trials.jsonl").read_text().splitlines()
    (kept.path / "trials.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    kept.change(state="running")
    with held(kept.path, "page"):
        app = opened(run=kept.name)
    assert slider(app).options == ["0", "newest"]
    assert any("| step 10 |" in one and "accuracy on 16 unseen" in one for one in told(app))


def test_who_else_works_on_a_training_is_said(kept):
    kept.change(state="running")
    for by, words in (("terminal", "where Ctrl+C stops it"), ("page", "where Stop stops it")):
        with held(kept.path, by):
            assert any(words in one for one in told(opened(run=kept.name)))


def trained():
    """A page whose own short training is done, and the training's name."""
    app = opened(task="induction")
    for label, value in (("Steps", 10), ("Batch", 4), ("Checkpoint every", 5)):
        number(app, label).set_value(value)
    app.run()
    button(app, "Start").click().run()
    name = app.query_params["run"]
    here = Trainings()
    wait_for(lambda: here.about(name).state == "done")
    return app, name


def test_only_what_a_session_began_is_thrown_away_by_it(kept):
    other = opened(run=kept.name)
    assert not [one for one in other.button if one.label == "Delete for good"]
    app, name = trained()
    app.run()
    button(app, "Delete for good").click().run()
    assert not app.exception
    assert not (kept.path.parent / name).exists()
    assert kept.path.exists()
    assert "run" not in app.query_params


def test_after_a_reload_the_browser_that_began_a_training_may_still_throw_it_away(
    kept, monkeypatch
):
    browser = ["mine"]
    for place in (session_works, training_form):
        monkeypatch.setattr(place, "this_browser", lambda: browser[0])
    _, name = trained()
    for browser[0] in ("another", ""):
        assert "Delete for good" not in [one.label for one in opened(run=name).button]
    browser[0] = "mine"
    assert "Delete for good" not in [one.label for one in opened(run=kept.name).button]
    reloaded = opened(run=name)
    button(reloaded, "Delete for good").click().run()
    assert not reloaded.exception
    assert not (kept.path.parent / name).exists()
    assert "run" not in reloaded.query_params


def test_two_train_at_once_and_a_third_waits_and_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    pages = []
    for _ in range(AT_ONCE + 1):
        app = opened(task="reverse")
        for label, value in (("Steps", 100_000), ("Checkpoint every", 1_000), ("Batch", 4)):
            number(app, label).set_value(value)
        app.run()
        button(app, "Start").click().run()
        pages.append(app)
    here = trainings()
    names = [app.query_params["run"] for app in pages]
    wait_for(
        lambda: [here.about(one).state for one in names] == [*["running"] * AT_ONCE, "waiting"]
    )
    waiting = pages[-1].run()
    assert any("Waits for its turn: 2 trainings are" in text for text in standing_of(waiting))
    button(pages[0], "Stop").click().run()
    wait_for(lambda: here.about(names[-1]).state == "running")
    # Each page lists its own alone.
    assert not any("Your other trainings" in one for app in pages for one in told(app))
    for app, name in zip(pages[1:], names[1:], strict=True):
        button(app.run(), "Stop").click().run()
        wait_for(lambda name=name: not here.works(name))
        assert any("Stopped" in text for text in standing_of(app.run()))


@pytest.mark.parametrize(
    ("label", "value", "said"),
    [
        ("Steps", 1, "Steps is 1. Choose 10 to 100,000."),
        ("Width", 0, "Width is 0. Choose 4 to 512."),
        ("Learning rate", -1.0, "Learning rate is -1.0. Choose 1e-06 to 100."),
    ],
)
def test_a_number_that_is_out_of_range_is_said_and_nothing_is_started(label, value, said):
    app = opened(task="induction")
    number(app, label).set_value(value).run()
    assert [one.value.replace("\\", "") for one in app.error] == [said]
    assert button(app, "Start").disabled
    button(app, "Usual values").click().run()
    assert not app.error
    assert not button(app, "Start").disabled


def test_a_text_that_makes_too_few_pieces_is_said_before_it_is_started():
    app = opened(task="language")
    box(app, "Text").set_value("pasted").run()
    app.text_area[0].set_value("ha" * 2_000).run()
    assert "at least 64 are needed" in app.error[0].value
    assert button(app, "Start").disabled


def test_what_was_cut_short_says_from_where_it_goes_on():
    stopped = dataclasses.replace(ABOUT, state="cancelled")
    cut = _said(stopped, Standing(200, 0, 1.0, None, 0), False)
    assert cut.startswith("Cut short at step 200 of 1,000; kept up to step 0, from where Go on")
    whole = _said(stopped, Standing(200, 200, 1.0, None, 0), False)
    assert whole.endswith("what it learnt until then is kept.")


def test_a_link_to_explore_says_what_explore_itself_would_write():
    asked = {
        "model": "runs/x",
        "local": "1",
        "stack": "self",
        "layer": "0",
        "head": "0",
        "text": "a",
    }
    written = as_written(asked)
    assert "stack" not in written
    assert written == {name: one for name, one in asked.items() if name != "stack"}
    assert as_written(written) == written


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"step": "-1"}, ["The link's step '-1' is not valid: it belongs to a training"]),
        ({"step": "5", "head": "0.1"}, ["step '5' is not valid", "head '0.1' is not valid"]),
        ({"task": "cooking"}, ["The link's task 'cooking' is not valid"]),
        (
            {"tsak": "sorting"},
            ["'tsak' is not known here, so it is left out. Did you mean 'task'?"],
        ),
        (
            {"run": "nothing", "task": "cooking"},
            ["run 'nothing' is not", "The link's task 'cooking'"],
        ),
    ],
)
def test_what_a_link_to_no_training_asks_for_is_said_in_one_box(query, said):
    app = opened(**query)
    assert len(app.warning) == 1
    told = app.warning[0].value.replace("\\", "")
    assert all(one in told for one in said)
    assert not (app.info and "run" in query), "what is wrong is not also said to be empty"


@pytest.mark.parametrize("task", TASKS)
def test_every_option_of_a_training_is_explained(task):
    app = opened(task=task)
    options = [*app.selectbox, *app.number_input]
    assert len(options) >= 10
    assert not [option.label for option in options if len(option.help or "") < 40]


def test_what_of_a_training_is_looked_at_is_explained(kept):
    app = opened(run=kept.name)
    assert slider(app).help
    assert box(app, "Head").help


def test_a_step_before_the_first_is_said(kept):
    app = opened(run=kept.name, step="-1")
    assert "step '-1' is not valid: no such step" in app.warning[0].value.replace("\\", "")
