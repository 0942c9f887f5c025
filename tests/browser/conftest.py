"""A real server and a real Chromium; a screenshot is kept of every failure."""

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

import pytest
from playwright.sync_api import expect

import viz
from tests.browser.maps import TEXT
from tests.models.folders import save_decoder, save_encoder_decoder, save_vision

ROOT = Path(__file__).parents[2]
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
]


# What a person would still wait for, on a machine that is busy with something else.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """Prefer the system's browser; Playwright's own download is used where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    chosen = {} if found is None else {"executable_path": found}
    return {**browser_type_launch_args, **chosen, "args": CHROMIUM}


def free_port() -> int:
    """Ask the system for a port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Start the app as a user does, and stop it by its handle."""
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
def stack():
    """What the map must show, computed apart from it."""
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    return viz.capture(model, TEXT).stacks["self"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a picture of the page when a test fails."""
    outcome = yield
    page = item.funcargs.get("page")
    if page is not None and outcome.get_result().failed:
        FAILURES.mkdir(exist_ok=True)
        page.screenshot(path=FAILURES / f"{item.name}.png", full_page=True)
