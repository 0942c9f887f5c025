"""`loupe train`: what it prints, what it keeps, and how it says what was wrong."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from viz import cli_train
from viz.cli import main
from viz.training.folder_lock import held
from viz.training.tasks import TASKS
from viz.training.training_folder import RunFolder
from viz.training.user_text import LEAST_CHARACTERS

ROOT = Path(__file__).parent.parent
SMALL = ["--layers", "1", "--heads", "2", "--width", "16", "--batch-size", "8"]
FEW = [*SMALL, "--steps", "6", "--keep-every", "3"]


def loupe(*arguments: object) -> int:
    """Run the command; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(["train", *map(str, arguments)])
    return int(ended.value.code or 0)


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """Where trainings of this test are kept, as if it were the user's own cache."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    return tmp_path / "models" / "runs"


def only(folder: Path) -> RunFolder:
    (path,) = folder.iterdir()
    return RunFolder.open(path.name, folder)


@pytest.mark.parametrize("arguments", [[], ["--list"], ["induction", "--list"]])
def test_tasks_are_listed(arguments, capsys):
    assert loupe(*arguments) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == list(TASKS)
    assert listed.count("a text of your own") == sum(task.takes_text for task in TASKS.values())


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_is_learnt_and_told_about(name, kept, capsys):
    assert loupe(name, *FEW, "--seed", 3) == 0
    told = capsys.readouterr()
    task, folder = TASKS[name], only(kept)
    assert "6/6" in told.err, "the bar went to its end"
    assert "loss=" in told.err
    assert re.search(rf"{task.metric} \d+\.\d{{3}}, not solved \(at (least|most) ", told.out)
    assert ("Without attention" in told.out) == (task.baseline is not None)
    assert re.search(r"Best: layer 0, head \d scores \d\.\d\d, where looking at all", told.out)
    assert f"the goal of {task.scored:g} is not reached" in told.out
    assert str(folder.checkpoint(6)) in told.out
    assert f"/train?run={folder.name}" in told.out
    about = folder.about()
    assert (about.state, about.task, about.settings.seed) == ("done", name, 3)
    assert (about.options.layers, about.options.heads, about.options.d_model) == (1, 2, 16)
    assert folder.steps() == [0, 3, 6]
    card = (folder.checkpoint(6) / "README.md").read_text()
    assert card.startswith(f"# {task.title}\n\n{task.learns}")
    assert re.search(rf"- On [\d,]+ unseen examples: {task.metric} \d", card)
    assert "d_model 16" in card
    assert "seed 3" in card
    # The checkpoint is checked with an example of its task.
    with pytest.raises(SystemExit) as ended:
        main(["check", re.search(r"Checkpoint: (.*)", told.out)[1]])
    assert "exact" in capsys.readouterr().out
    assert ended.value.code == 0


def test_the_link_into_explore_says_the_text_and_the_head(kept, capsys):
    loupe("reverse", *FEW)
    link = re.search(r"in Explore +(\S+)", capsys.readouterr().out)[1]
    assert "stack=cross" in link
    assert "&local=1" in link
    assert re.search(r"&text=(\w\+)+\w&pair=(\w\+)+\w$", link)


def test_a_text_of_ones_own_is_learnt_from_and_kept_in_a_folder_of_ones_own(tmp_path, capsys):
    book, out = tmp_path / "book.txt", tmp_path / "out"
    book.write_text(
        "猫が好き。犬も好き? Ja, sehr! 🐈🐕\n" * 30 + "それから、" * 300, encoding="utf-8"
    )
    assert loupe("language", *FEW, "--text", book, "--out", out) == 0
    assert only(out).text() == book.read_text(encoding="utf-8")
    told = capsys.readouterr().out
    assert "soon known by heart" in told
    # The page opens nothing from there.
    assert "127.0.0.1" not in told


def test_ctrl_c_stops_after_the_step_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-m", "viz.cli", "train"]
    began = [*command, "induction", *SMALL, "--steps", "100000", "--keep-every", "50000"]
    environment = {**os.environ, "LOUPE_CACHE": str(tmp_path)}
    with subprocess.Popen(
        began, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        log = None
        while log is None or not log.read_text():
            assert process.poll() is None, process.stderr.read()
            log = next(tmp_path.glob("models/runs/*/log.jsonl"), None)
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate()
    folder = only(tmp_path / "models" / "runs")
    step = folder.latest()
    assert process.returncode == cli_train.STOPPED
    assert f"Stopped after step {step:,}; what was learnt is in {folder.checkpoint(step)}" in told
    assert f"loupe train --resume {folder.name}" in told
    assert folder.about().state == "cancelled"
    # That step is what is gone on from.
    assert [line["step"] for line in folder.notes("log")] == list(range(1, step + 1))


def test_a_training_that_was_stopped_goes_on(kept, capsys, monkeypatch):
    seen = []

    def stop_at_four(control):
        return lambda moment: seen.append(moment.step) or (moment.step == 4 and control.stop())

    run = cli_train.run
    monkeypatch.setattr(
        cli_train,
        "run",
        lambda folder, examples, tokenizer, control, **more: run(
            folder, examples, tokenizer, control, **{**more, "seen": stop_at_four(control)}
        ),
    )
    assert loupe("sorting", *FEW) == cli_train.STOPPED
    name = re.search(r"--resume (\w+)", capsys.readouterr().out)[1]
    assert loupe("--resume", name) == 0
    assert seen == [1, 2, 3, 4, 5, 6]
    assert only(kept).steps() == [0, 3, 4, 6]
    assert "accuracy" in capsys.readouterr().out


def test_one_that_diverges_says_at_which_step_and_what_is_kept(kept, capsys):
    wild = ["--learning-rate", "1e9", "--steps", "400", "--keep-every", "10"]
    assert loupe("forecasting", *SMALL, *wild) == cli_train.FAILED
    told = capsys.readouterr().err
    assert re.search(r"step \d+: the training has diverged\. Choose a lower learning rate", told)
    folder = only(kept)
    assert folder.steps()[0] == 0
    step = int(re.search(r"the best is of step (\d+), with a loss of \d+\.\d+: ", told)[1])
    assert str(folder.checkpoint(step)) in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["indction"], r"There is no task 'indction'\. Did you mean induction\?"),
        (["zzz"], r"There is no task 'zzz'\. Choose one of induction, "),
        (["induction", "--width", "10", "--heads", "3"], "width 10 is not divisible by 3 heads"),
        (["induction", "--positions", "round"], r"positions is 'round'.*Choose none, sinus"),
        (["induction", "--layers", "0"], r"--layers is 0\. Choose 1 to"),
        (["induction", "--steps", "0"], r"--steps is 0\."),
        (["induction", "--width", "0"], r"--width is 0\."),
        (["induction", "--batch-size", "0"], r"--batch-size is 0\."),
        (
            ["language", "--width", "6", "--heads", "6"],
            r"each of the 6 heads has 1 of the 6 .* odd\. Choose 3 heads, a width of 12, or other",
        ),
        (["induction", "--seed", "-1"], r"--seed is -1\."),
        (["induction", "--learning-rate", "nan"], r"--learning-rate is nan\."),
        (["induction", "--learning-rate", "fast"], "invalid float value: 'fast'. See loupe train"),
        (["induction", "--steps", "many"], "invalid int value: 'many'"),
        (["induction", "--colour", "red"], "unrecognized arguments: --colour red"),
        (["language", "--text", "nowhere.txt"], r"nowhere\.txt cannot be read: No such file"),
        (["language", "--text", "."], r"The file \. cannot be read: Is a directory"),
        (["--resume", "0" * 24], "There is no training of that name"),
        (["--resume", "../.."], "There is no training of that name"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing_behind(arguments, said, kept, capsys):
    assert loupe(*arguments) == 2
    told = capsys.readouterr().err
    assert re.search(said, told)
    assert len(told.splitlines()) == 1
    assert not kept.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"abc", "The text has 3 characters; a language model needs at least 2,000"),
        (b"PK\x03\x04" + b"\xff\x00" * 99, r"book\.txt is no text that can be read"),
        (b"a" * LEAST_CHARACTERS, r"make \d+ pieces?; at least 64 are needed"),
    ],
)
def test_a_text_that_cannot_be_learnt_from_is_said(content, said, kept, tmp_path, capsys):
    (tmp_path / "book.txt").write_bytes(content)
    assert loupe("language", "--text", tmp_path / "book.txt") == 2
    told = capsys.readouterr().err
    assert re.search(said, told)
    assert len(told.splitlines()) == 1
    assert not kept.exists()


def test_a_text_for_a_task_with_data_of_its_own_is_said(tmp_path, kept, capsys):
    (tmp_path / "book.txt").write_text("a text")
    assert loupe("digits", "--text", tmp_path / "book.txt") == 2
    assert "digits learns from data of its own" in capsys.readouterr().err


def test_what_goes_on_stays_as_it_began(kept, capsys):
    loupe("sorting", *FEW)
    name = only(kept).name
    assert loupe("--resume", name, "--layers", 2) == 2
    assert "stays as it began. Leave --layers out" in capsys.readouterr().err
    assert loupe("--resume", name, "--seed", 0) == 2
    assert "Leave --seed out" in capsys.readouterr().err
    assert loupe("induction", "--resume", name) == 2
    assert f"The training {name} learns sorting, not induction" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert loupe("sorting", *FEW, "--out", tmp_path / "file") == 2
    told = capsys.readouterr().err
    assert "cannot be kept in" in told
    assert "Let --out name a folder that can be written to" in told


def test_it_takes_its_share_of_the_cores_as_trainings_of_the_page_do(kept, monkeypatch):
    monkeypatch.setattr("viz.training.cpu_threads.THREADS", 1)
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    run = cli_train.run

    def counted(*given, **more):
        seen.append(torch.get_num_threads())
        return run(*given, **more)

    monkeypatch.setattr(cli_train, "run", counted)
    try:
        assert loupe("sorting", *FEW) == 0
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_was_lost_is_not_gone_on_with(kept, capsys):
    wild = ["--learning-rate", "1e9", "--steps", "400", "--keep-every", "10"]
    loupe("forecasting", *SMALL, *wild)
    said = only(kept).about().message
    capsys.readouterr()
    assert loupe("--resume", only(kept).name) == 2
    told = capsys.readouterr()
    assert told.err == f"{said}\n"
    assert "warm-up" not in said
    assert only(kept).about().state == "failed"


@pytest.mark.parametrize(("by", "said"), [("page", "press Stop there"), ("terminal", "Ctrl+C")])
def test_one_that_works_elsewhere_is_said_at_once_and_where(by, said, kept, capsys):
    loupe("sorting", *FEW)
    folder = only(kept)
    folder.change(state="cancelled")
    capsys.readouterr()
    with held(folder.path, by):
        assert loupe("--resume", folder.name) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert not told.out


def test_a_folder_that_is_only_to_be_looked_at_is_said_and_its_results_are_told(kept, capsys):
    loupe("sorting", *FEW)
    folder = only(kept)
    first = capsys.readouterr().out
    (folder.path / "work.lock").unlink()
    (folder.path / "work.lock").mkdir()  # so that it cannot be opened, by root neither
    assert loupe("--resume", folder.name) == 0
    assert capsys.readouterr().out.splitlines()[-5:] == first.splitlines()[-5:]
    folder.change(state="cancelled")
    assert loupe("--resume", folder.name) == 2
    told = capsys.readouterr().err
    assert f"Nothing can be written to {folder.path}: Is a directory. Let the folder be" in told


def test_how_to_go_on_can_be_typed_as_it_stands(tmp_path, kept, capsys, monkeypatch):
    run, out = cli_train.run, tmp_path / "my runs"

    def stopped(folder, examples, tokenizer, control, **more):
        control.stop()
        return run(folder, examples, tokenizer, control, **more)

    monkeypatch.setattr(cli_train, "run", stopped)
    monkeypatch.setattr(sys, "argv", [".venv/bin/loupe", "train"])
    assert loupe("sorting", *FEW, "--out", out) == cli_train.STOPPED
    line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("Go on"))
    typed = shlex.split(line.removeprefix("Go on with: "))
    assert typed == [".venv/bin/loupe", "train", "--resume", only(out).name, "--out", str(out)]
