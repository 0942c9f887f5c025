"""What the page says to somebody whose run waits for others', before it is asked for and meanwhile."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from streamlit.testing.v1 import AppTest

from components import run_panel
from viz.service import shared_workbench
from viz.service.pass_queue import WAIT, share_of


@contextmanager
def others_at_work(number: int = 2):
    """Let others have turns."""
    ends, begun = threading.Event(), threading.Semaphore(0)

    def hold(name: str) -> None:
        with shared_workbench().turn(name, lambda *_: None):
            begun.release()
            ends.wait(60)

    threads = [threading.Thread(target=hold, args=(f"other {at}",)) for at in range(number)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=20)
    try:
        yield
    finally:
        ends.set()
        for thread in threads:
            thread.join(20)


def explore():
    from components.pages import explore

    explore.page()


def test_the_line_under_the_form_says_how_many_are_before():
    at = AppTest.from_function(explore, default_timeout=60).run()
    assert "before you" not in " ".join(one.value for one in at.caption)
    with others_at_work(shared_workbench().limits.passes):
        at.text_area(key="text").set_value("Another text.").run()
        line = next(one.value for one in at.caption if "tokens" in one.value)
        assert f"; {shared_workbench().limits.passes} before you. Press Run" in line


def test_a_run_that_waits_says_how_many_are_before_in_place_of_a_phase(monkeypatch):
    said: list[tuple[float, str]] = []

    class Bar:
        def progress(self, share: float, words: str):
            said.append((share, words))
            return self

        def empty(self) -> None:
            pass

    with run_panel.progress_bar(Bar(), 2, names=["a", "b_c"]) as told:
        for before in (3, 3, 1):
            told(1)(WAIT, share_of(before))
        told(1)("load", 0.5)
    words = [one for _, one in said[1:]]
    assert words[0] == "Waiting, 3 before you, 2 of 2: b\\_c"
    assert words[1] == "Waiting, 1 before you, 2 of 2: b\\_c", "and what is known is not said again"
    assert words[2].startswith("Loading the model")
    assert said[1][0] == pytest.approx(0.5), "one of two is done"
