"""The Train page in a real browser, with trainings of a few seconds."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.pages import READY, go_back, settle
from tests.training.test_training_run import wait_for
from viz.service.training_jobs import Trainings
from viz.training.tasks import TASKS
from viz.training.training_folder import About, RunFolder, runs_root
from viz.training.training_settings import Settings

ROOT = Path(__file__).parents[2]
QUICK = {"Steps": 40, "Checkpoint every": 10}
ENDLESS = {"Steps": 100_000, "Checkpoint every": 1_000, "Batch": 4}
AT_WORK = ("waiting", "running", "paused")


@pytest.fixture
def train(page, server):
    """Open the page; what was trained on it is stopped and thrown away in the end."""
    began = set()
    page.on("framenavigated", lambda frame: began.update(run_of(frame.url)))
    opened(page, f"{server}/train")
    yield page
    for name in began | run_of(page.url):
        if (runs_root() / name).exists() and RunFolder(runs_root() / name).about().state in AT_WORK:
            page.goto(f"{server}/train?run={name}")
            stop(page)
        shutil.rmtree(runs_root() / name, ignore_errors=True)


@pytest.fixture(scope="module")
def done():
    """A training as the page begins it with QUICK, which tests only look at."""
    task = next(iter(TASKS))
    here = Trainings()
    settings = Settings(steps=QUICK["Steps"], keep_every=QUICK["Checkpoint every"])
    name = here.start(About(task, settings, TASKS[task].options))
    wait_for(lambda: here.about(name).state == "done")
    yield name
    shutil.rmtree(runs_root() / name, ignore_errors=True)


@pytest.fixture
def trained(page, server, done):
    """The page as it shows a training that is done."""
    opened(page, f"{server}/train?run={done}")
    said(page, "Done")
    return page


def run_of(url):
    return set(parse_qs(urlsplit(url).query).get("run", ())) - {"0" * 24}


def opened(page, url):
    page.goto(url)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible(timeout=READY)
    settle(page)


def choose(page, settings):
    field = page.get_by_role("spinbutton", name="Steps", exact=True)
    if not field.is_visible():
        page.get_by_text("Model and training", exact=True).click()
    for name, value in settings.items():
        field = page.get_by_role("spinbutton", name=name, exact=True)
        field.fill(str(value))
        field.press("Enter")
        settle(page)


def start(page):
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile("run="), timeout=READY)


def stop(page):
    """Stop what is trained; a click that meets the page while it draws itself anew can be lost."""
    button = page.get_by_role("button", name="Stop", exact=True)
    for _ in range(5):
        button.click(timeout=READY)
        try:
            expect(button).not_to_be_visible()
        except AssertionError:
            continue
        return
    raise AssertionError("five clicks on Stop changed nothing")


def said(page, words):
    """Wait until the progress line says something."""
    expect(page.get_by_test_id("stProgress")).to_contain_text(words, timeout=READY)


def picture(page):
    """The drawn cells of the pattern."""
    return page.locator(".hm image").nth(1).get_attribute("href")


def test_a_training_is_watched_scrubbed_and_opened_in_explore(train):
    choose(train, QUICK)
    start(train)
    said(train, "Done")
    settle(train)
    table = train.get_by_role("table")
    expect(table).to_contain_text("step 40")
    expect(table).to_contain_text(
        re.compile(r"score of layer \d, head \d over \d+ examples\s*0\.\d\d")
    )
    expect(table).to_contain_text("a head that attends to all keys alike")
    expect(table).to_contain_text("accuracy on 256 unseen examples")
    last = picture(train)
    slider = train.get_by_role("slider", name="Checkpoint after step")
    slider.focus()
    for _ in range(4):
        train.keyboard.press("ArrowLeft")
    expect(table).to_contain_text("step 0")
    settle(train)
    assert picture(train) != last
    train.keyboard.press("End")
    expect(table).to_contain_text("step 40")
    settle(train)
    cells = train.locator(".hm image").nth(1).evaluate(COLOURS)
    train.get_by_role("link", name="Open step 40 in Explore").click()
    expect(train.locator(".token").first).to_be_visible(timeout=READY)
    settle(train)
    expect(train.get_by_text("32 x 32 tokens, every weight drawn")).to_be_visible()
    assert train.locator(".hm image").nth(1).evaluate(COLOURS) == cells
    train.get_by_role("link", name="Train", exact=True).click()
    said(train, "Done")


# The colours in the middle of 8 x 8 parts of a drawn picture, whatever its size.
COLOURS = """async image => {
    const drawn = new Image();
    drawn.src = image.getAttribute("href");
    await drawn.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [drawn.width, drawn.height];
    const pen = canvas.getContext("2d");
    pen.drawImage(drawn, 0, 0);
    const found = [];
    for (let row = 0; row < 32; row += 4) for (let column = 0; column < 32; column += 4) {
        const at = [(column + 0.5) / 32 * drawn.width, (row + 0.5) / 32 * drawn.height];
        found.push([...pen.getImageData(...at.map(Math.floor), 1, 1).data].join());
    }
    return found;
}"""


def test_a_training_is_paused_goes_on_and_is_stopped_and_its_link_leads_back(train, context):
    choose(train, ENDLESS)
    start(train)
    said(train, "left")
    train.get_by_role("button", name="Pause", exact=True).click()
    said(train, "Paused")
    other = context.new_page()
    opened(other, train.url)
    said(other, "Paused")
    expect(other.locator(".hm image").nth(1)).to_be_visible()
    other.close()
    train.get_by_role("button", name="Go on", exact=True).click()
    said(train, "left")
    stop(train)
    said(train, "Stopped")
    train.reload()
    said(train, "Stopped")
    expect(train.get_by_role("button", name="Go on", exact=True)).to_be_visible()


def test_what_does_not_fit_is_said_and_what_was_on_screen_stays(trained):
    choose(trained, {"Heads": 3})
    alert = trained.get_by_role("alert")
    expect(alert).to_contain_text("The width 64 is not divisible by 3 heads")
    expect(trained.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    said(trained, "Done")
    choose(trained, {"Heads": 2, "Width": 512, "Layers": 12, "Steps": 100_000})
    choose(trained, {"Checkpoint every": 1})
    trained.get_by_role("button", name="Start", exact=True).click()
    expect(alert).to_contain_text(re.compile(r"100,002 checkpoints of .* MB each would take"))
    said(trained, "Done")


def test_a_number_out_of_range_is_said_and_starts_nothing(train):
    choose(train, {"Steps": 1})
    expect(train.get_by_role("alert")).to_contain_text("Steps is 1. Choose 10 to 100,000")
    expect(train.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    choose(train, QUICK)
    start(train)
    said(train, "Step 40 of 40. Done")


def test_step_and_head_are_in_the_address_and_back_undoes_them(trained, context):
    table = trained.get_by_role("table")
    trained.get_by_role("slider", name="Checkpoint after step").focus()
    trained.keyboard.press("Home")
    expect(table).to_contain_text("step 0")
    expect(trained).to_have_url(re.compile("step=0$"))
    settle(trained)
    trained.get_by_role("combobox", name="Head", exact=True).click()
    trained.get_by_role("option", name="layer 1, head 1").click()
    expect(trained).to_have_url(re.compile(r"step=0&head=1\.1$"))
    expect(table).to_contain_text("score of layer 1, head 1 over")
    settle(trained)
    other = context.new_page()
    opened(other, trained.url)
    expect(other.get_by_role("table")).to_contain_text("score of layer 1, head 1 over")
    expect(other.get_by_role("table")).to_contain_text("step 0")
    other.close()
    trained.get_by_role("link", name="Open step 0 in Explore").click()
    expect(trained.locator(".token").first).to_be_visible(timeout=READY)
    settle(trained)
    # What Explore writes is what the link said, so that one press leads away.
    trained.go_back()
    expect(trained).to_have_url(re.compile(r"/train\?.*step=0&head=1\.1$"))
    expect(table).to_contain_text("score of layer 1, head 1 over")
    go_back(trained)
    expect(trained).to_have_url(re.compile("step=0$"))
    expect(trained.get_by_role("combobox", name="Head", exact=True)).to_have_value(
        "the one that scores best"
    )
    expect(table).to_contain_text("step 0")


def test_a_page_that_rests_notices_a_terminal_that_goes_on(train):
    choose(train, ENDLESS)
    start(train)
    said(train, "left")
    stop(train)
    said(train, "Stopped")
    (name,) = run_of(train.url)
    command = [sys.executable, "-m", "viz.cli", "train", "--resume", name]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as terminal:
        said(train, "At work elsewhere")
        expect(train.get_by_text("where Ctrl+C stops it")).to_be_visible()
        terminal.send_signal(signal.SIGINT)
    said(train, "Stopped")


def test_one_that_this_page_began_can_be_deleted(train):
    choose(train, QUICK)
    start(train)
    said(train, "Done")
    settle(train)
    (name,) = run_of(train.url)
    train.get_by_role("button", name="Delete", exact=True).click()
    train.get_by_role("button", name="Delete for good").click()
    expect(train.get_by_text("Choose a task and press Start")).to_be_visible()
    assert not (runs_root() / name).exists()


def test_a_training_that_diverges_says_where_and_shows_the_last_good_checkpoint(train):
    choose(train, {"Learning rate": 100, "Steps": 400, "Checkpoint every": 5})
    start(train)
    expect(train.get_by_role("alert")).to_contain_text("diverged", timeout=READY)
    expect(train.get_by_role("alert")).to_contain_text(re.compile(r"step \d+"))
    expect(train.get_by_role("alert")).to_contain_text("Choose a lower learning rate than 100")
    settle(train)
    expect(train.get_by_role("table")).to_contain_text("step 0")
    expect(train.get_by_role("button", name="Go on", exact=True)).to_have_count(0)


def test_a_link_names_a_task_or_a_training_and_says_what_is_none(train, server):
    opened(train, f"{server}/train?task=reverse")
    expect(train.get_by_text("Letters go in, and the same letters are to come out")).to_be_visible()
    opened(train, f"{server}/train?task=juggling")
    expect(train.get_by_role("alert").first).to_contain_text("There is no task 'juggling'")
    opened(train, f"{server}/train?run={'0' * 24}")
    expect(train.get_by_role("alert").first).to_contain_text("no training of that name")
    train.go_back()


def test_a_text_that_cannot_be_learnt_from_is_said_to_be_none(trained):
    task = trained.get_by_role("combobox", name="Task")
    task.scroll_into_view_if_needed()  # a menu that is open closes when the page is scrolled
    settle(trained)
    task.click()
    trained.get_by_role("option", name=TASKS["language"].title).click()
    settle(trained)
    trained.get_by_role("combobox", name="Text", exact=True).click()
    trained.get_by_role("option", name="A file of your own").click()
    settle(trained)
    begin = trained.get_by_role("button", name="Start", exact=True)
    expect(begin).to_be_disabled()
    chooser = trained.locator('input[type="file"]')
    for name, content, words in (
        ("noise.txt", bytes(range(256)) * 40, "noise.txt is no text that can be read"),
        ("three.txt", b"abc", "The text has 3 characters; a language model needs at least 2,000"),
    ):
        chooser.set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})
        expect(trained.get_by_role("alert")).to_contain_text(words)
        expect(begin).to_be_disabled()
        said(trained, "Done")
    book = ("It was the best of times, it was the worst of times. " * 60).encode()
    chooser.set_input_files({"name": "book.txt", "mimeType": "text/plain", "buffer": book})
    expect(trained.get_by_text("3,180 characters")).to_be_visible()
    expect(begin).to_be_enabled()


def test_a_reload_leaves_a_browser_what_it_may_delete(train, another_browser, server):
    choose(train, QUICK)
    start(train)
    said(train, "Done")
    name = run_of(train.url).pop()
    stranger = another_browser()
    opened(stranger, f"{server}/train?run={name}")
    said(stranger, "Done")
    expect(stranger.get_by_role("button", name="Delete")).to_have_count(0)
    train.reload()
    said(train, "Done")
    settle(train)
    train.get_by_role("button", name="Delete").click()
    train.get_by_role("button", name="Delete for good").click()
    expect(train.get_by_text("Choose a task and press Start.")).to_be_visible(timeout=READY)
    assert not (runs_root() / name).exists()


def test_on_a_telephone_nothing_is_wider_than_the_screen(trained):
    trained.set_viewport_size({"width": 390, "height": 844})
    settle(trained)
    wide = trained.locator('[data-testid="stMain"]').evaluate("e => e.scrollWidth - e.clientWidth")
    assert wide <= 0
    bar, pattern = trained.get_by_test_id("stProgress"), trained.locator(".hm image").nth(1)
    begin = trained.get_by_role("button", name="Start", exact=True)
    assert pattern.bounding_box()["y"] < begin.bounding_box()["y"], "what is shown comes first"
    assert bar.bounding_box()["y"] < pattern.bounding_box()["y"]
    assert pattern.bounding_box()["width"] > 200
