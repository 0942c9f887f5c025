"""People who wait for each other, close their pages meanwhile, or whose server is started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, free_port, wait_until_healthy
from tests.browser.pages import settle

APP = "tests.browser.apps.held:app"

# Until a page has come back to a server that was started again: Streamlit tries ever more rarely.
BACK = 60_000


@dataclass
class Server:
    """A server that can be killed and started again under the same address, and be kept busy."""

    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def held(self) -> Path:
        """As long as this file is there, somebody else's run goes on."""
        return self.folder / "held"

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", APP, "--port", str(self.port)]
        environment = {"HF_HUB_OFFLINE": "1", "LOUPE_PASSES": "1", "HELD": str(self.held)}
        with (self.folder / "log").open("a") as out:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=out,
                stderr=out,
                env={**os.environ, **environment},
            )
        wait_until_healthy(self.url, self._process)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("held"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def quiet(own_server) -> Iterator[Server]:
    """The server, with nobody else at work before and after."""
    yield own_server
    own_server.held.unlink(missing_ok=True)


def opened(page: Page, server: Server) -> Page:
    page.goto(server.url)
    expect(tokens(page, "animal")).to_be_visible(timeout=BACK)
    return page


def tokens(page: Page, word: str):
    return page.locator(".token", has_text=word).first


def field_of(page: Page):
    return page.get_by_role("textbox", name="Text", exact=True)


def press_run(page: Page, text: str) -> None:
    field_of(page).fill(text)
    page.get_by_role("button", name="Run", exact=True).click()


def waits(page: Page, number: int) -> None:
    expect(page.get_by_text(f"Waiting, {number} before you")).to_be_visible()


def test_those_who_wait_are_told_how_many_are_before_and_may_leave(context, another_browser, quiet):
    ann, bob, cem = (
        opened(new(), quiet) for new in (context.new_page, another_browser, another_browser)
    )
    quiet.held.touch()
    press_run(ann, "The otter slept.")
    waits(ann, 1)
    press_run(bob, "The zebra slept.")
    waits(bob, 2)
    expect(tokens(bob, "animal")).to_be_visible()  # the earlier result stays
    field_of(cem).fill("The heron slept.")
    field_of(cem).blur()
    expect(cem.get_by_text("3 before you. Press Run to see it")).to_be_visible()
    press_run(cem, "The heron slept.")
    waits(cem, 3)
    bob.close()
    waits(cem, 2)
    ann.get_by_role("button", name="Cancel").click()
    waits(cem, 1)
    expect(tokens(ann, "animal")).to_be_visible()
    expect(tokens(ann, "otter")).to_have_count(0)
    quiet.held.unlink()
    expect(tokens(cem, "heron")).to_be_visible()
    expect(cem.get_by_text("before you")).to_have_count(0)


def test_two_pages_of_one_person_take_turns_and_each_gets_its_own(context, quiet):
    first, second = (opened(context.new_page(), quiet) for _ in range(2))
    quiet.held.touch()
    press_run(first, "The camel slept.")
    waits(first, 1)
    press_run(second, "The moose slept.")
    waits(second, 2)
    quiet.held.unlink()
    expect(tokens(first, "camel")).to_be_visible()
    expect(tokens(second, "moose")).to_be_visible()
    assert first.locator(".token").all_inner_texts() != second.locator(".token").all_inner_texts()


def test_a_page_comes_back_with_its_text_and_settings_when_the_server_is_started_again(
    context, quiet
):
    page = opened(context.new_page(), quiet)
    press_run(page, "The tapir slept because it was tired.")
    expect(tokens(page, "tap")).to_be_visible()
    page.goto(f"{page.url}&layer=4&head=7" if "?" in page.url else f"{page.url}?layer=4&head=7")
    heading = page.get_by_role("heading", name="Layer 4, head 7")
    expect(heading).to_be_visible(timeout=BACK)
    expect(page.locator("html[data-drafts=kept]")).to_be_attached()
    field_of(page).fill("A draft that nobody ran.")
    field_of(page).blur()
    expect(page.get_by_text("Press Run to see it")).to_be_visible()
    asked = page.evaluate("window.watch.asked")
    quiet.kill()
    quiet.start()
    # By itself it asks the new server, which knows of the address alone.
    page.wait_for_function("asked => window.watch.asked > asked", arg=asked, timeout=BACK)
    settle(page)
    expect(tokens(page, "tap")).to_be_visible()
    expect(heading).to_be_visible()
    expect(field_of(page)).to_have_value("A draft that nobody ran.")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(tokens(page, "draft")).to_be_visible(timeout=BACK)
    expect(heading).to_be_visible()
    page.reload()
    expect(tokens(page, "draft")).to_be_visible(timeout=BACK)
