"""Logs that are read while they grow."""

from __future__ import annotations

import math

from viz.training.training_log import Notes


def test_only_what_was_written_since_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    notes = Notes(path)
    assert notes.read() == []
    path.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert notes.read() == [{"step": 1, "loss": 2.0}]
    with path.open("a") as file:
        file.write('ss": null}\n')
    first, second = notes.read()
    assert first == {"step": 1, "loss": 2.0}
    assert second["step"] == 2
    assert math.isnan(second["loss"])
    # What was read is not read again.
    path.write_bytes(b" " * path.stat().st_size)
    assert len(notes.read()) == 2


def test_a_step_that_is_made_again_undoes_those_after_it(tmp_path):
    path = tmp_path / "log.jsonl"
    notes = Notes(path)
    path.write_text("".join(f'{{"step": {step}, "loss": 1}}\n' for step in (1, 2, 3, 4)))
    assert len(notes.read()) == 4
    with path.open("a") as file:
        file.write('{"step": 3, "loss": 9}\n')
    assert [(line["step"], line["loss"]) for line in notes.read()] == [(1, 1), (2, 1), (3, 9)]


def test_half_a_line_of_a_machine_that_stopped_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 1}\n{"step": 2, "lo\n{"step": 2, "loss": 3}\n')
    assert [line["loss"] for line in Notes(path).read()] == [1, 3]
