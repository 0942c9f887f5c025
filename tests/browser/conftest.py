"""A real server and a real Chromium; a screenshot is kept of every failure.

What imports torch is imported where it is used: the process that only hands tests out to others reads this file too.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.maps import TEXT
from tests.browser.pages import WATCH

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "assets" / "samples"
VIEWPORT = {"width": 1280, "height": 720}
OUTCOME = pytest.StashKey[pytest.TestReport]()
FAILURES = Path(__file__).parent / "failures"
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The pages of all tests share a process, which has Streamlit's and Plotly's scripts compiled.
    "--process-per-site",
    # No page lives long enough for its code to earn back what optimising it takes.
    "--js-flags=--no-opt --no-maglev",
]


# What a person would still wait for, on a machine that is busy with something else.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """Prefer the system's browser; Playwright's own download is used where there is none."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    chosen = {} if found is None else {"executable_path": found}
    return {**browser_type_launch_args, **chosen, "args": CHROMIUM}


@pytest.fixture(scope="session")
def warm(browser, browser_context_args):
    """A profile that keeps what was loaded, and the pages in it that stay open when a test ends."""
    context = browser.new_context(**browser_context_args)
    context.add_init_script(WATCH)
    resident = context.new_page()
    # As long as a page of this host is open, so is the process of all of them.
    resident.route("**", lambda route: route.fulfill(body="stays open"))
    resident.goto("http://localhost/")
    yield context, [resident]
    context.close()


@pytest.fixture
def page(warm, request):
    """A page that goes on from test to test, so that a link is followed in it and not loaded anew."""
    context, residents = warm
    if len(residents) == 1:
        residents.append(context.new_page())
    page = residents[1]
    yield page
    outcome = request.node.stash.get(OUTCOME, None)
    if page.is_closed() or outcome is None or not outcome.passed:
        del residents[1:]
        page.close()
        return
    page.unroute_all()
    if page.get_by_test_id("stPopoverBody").count():
        page.keyboard.press("Escape")
    page.emulate_media(color_scheme="null", reduced_motion="null")
    page.set_viewport_size(VIEWPORT)
    page.mouse.move(0, 0)


@pytest.fixture
def context(warm):
    """The warm profile; what a test leaves in it is gone before the next."""
    context, residents = warm
    yield context
    # Without its cookies a page that goes on would be a stranger to its own server.
    for page in residents[1:]:
        page.close()
    del residents[1:]
    origins = {"{0.scheme}://{0.netloc}".format(urlsplit(page.url)) for page in context.pages}
    for page in set(context.pages) - set(residents):
        page.close()
    context.clear_cookies()
    session = context.new_cdp_session(residents[0])
    for origin in origins:
        asked = {"origin": origin, "storageTypes": "local_storage,indexeddb,cache_storage"}
        session.send("Storage.clearDataForOrigin", asked)
    session.detach()


@pytest.fixture
def another_browser(browser, browser_context_args):
    """Return what opens a page with a profile of its own, where nothing is known of the first."""
    contexts = []

    def opened(**how):
        contexts.append(browser.new_context(**{**browser_context_args, **how}))
        contexts[-1].add_init_script(WATCH)
        return contexts[-1].new_page()

    yield opened
    for one in contexts:
        one.close()


def free_port() -> int:
    """Ask the system for a port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Start the app as a user does, and stop it by its handle."""
    from tests.models.folders import save_decoder, save_encoder_decoder, save_vision

    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    models = tmp_path_factory.mktemp("models")
    save_encoder_decoder(models / "translator")
    save_encoder_decoder(models / "reader", positions=1_024)
    save_decoder(models / "long", layers=1, heads=2, positions=32_768)
    save_decoder(models / "many", layers=32, heads=32)
    save_vision(models / "eyes")
    for seed, step in enumerate((0, 20, 100)):
        save_decoder(models / "tuned" / f"step-{step}", layers=2, heads=2, seed=seed)
    environment = {"HF_HUB_OFFLINE": "1", "LOUPE_MODEL_FOLDERS": str(models)}
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, **environment}
        )
        try:
            wait_until_healthy(f"http://localhost:{port}", process)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(10)


def wait_until_healthy(url: str, process: subprocess.Popen) -> None:
    """Wait for the server to answer, or say that it died."""
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("the server did not become healthy in 30 s")


@pytest.fixture(scope="session")
def store():
    """Where the app keeps what it is given."""
    from viz.models.folders import cache_folder
    from viz.service import FileStore

    return FileStore(cache_folder() / "media", "picture or sound")


@pytest.fixture(scope="session")
def cat(store):
    """A picture that is kept."""
    return store.put((SAMPLES / "cat.jpg").read_bytes(), ".jpg")


@pytest.fixture(scope="session")
def voice(store):
    """A sound that is kept."""
    return store.put((SAMPLES / "voice.ogg").read_bytes(), ".ogg")


@pytest.fixture(scope="session")
def stack():
    """What the map must show, computed apart from it."""
    import viz

    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    return viz.capture(model, TEXT).stacks["self"]


def pytest_collection_modifyitems(items):
    """Begin with tests that share what is slow to make, so that one process has them all and makes it once."""
    items.sort(key=lambda item: not {"compare_app", "stack"}.intersection(item.fixturenames))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a picture of the page when a test fails."""
    outcome = yield
    if call.when == "call":
        item.stash[OUTCOME] = outcome.get_result()
    pages = [one for one in item.funcargs.values() if isinstance(one, Page)]
    if pages and not pages[0].is_closed() and outcome.get_result().failed:
        FAILURES.mkdir(exist_ok=True)
        pages[0].screenshot(path=FAILURES / f"{item.name}.png", full_page=True)
