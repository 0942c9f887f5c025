#!/usr/bin/env bash
# Guess, from memory: what a script sets under a widget's key in `st.session_state` before it draws the widget is what the
# widget has, wherever it stands, until the user or the script changes it.
#
# Seen (streamlit 1.67.0): not in a popover that was opened once and closed. The browser keeps what its widgets were set
# to when they were last drawn, and sends that with the next run: the widgets are set back, and their `on_change` is
# called as if the user had done it. In a popover that was never opened the guess holds. A toggle, a select box and
# a slider do the same. Needs Chromium on the machine.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check streamlit==1.67.0 playwright==1.65.2
cat >"$folder/app.py" <<'PYTHON'
import streamlit as st

BEFORE, AFTER = {"slider": 2, "box": "a", "toggle": False}, {"slider": 5, "box": "c", "toggle": True}
state = st.session_state
wanted = state.setdefault("wanted", dict(BEFORE))


def noted(name):
    wanted[name] = state[name]
    state.calls = [*state.get("calls", []), name]


with st.popover("Settings"):
    for name in wanted:
        state[name] = wanted[name]
    st.slider("slider", 0, 9, key="slider", on_change=noted, args=("slider",))
    st.selectbox("box", ["a", "b", "c"], key="box", on_change=noted, args=("box",))
    st.toggle("toggle", key="toggle", on_change=noted, args=("toggle",))
st.button("set elsewhere", on_click=lambda: wanted.update(AFTER))
st.button("nothing", on_click=lambda: state.update(runs=state.get("runs", 0) + 1))
st.text(f"runs {state.get('runs', 0)} wanted {[str(one) for one in wanted.values()]} calls {state.get('calls', [])}")
PYTHON
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/python" -m streamlit run "$folder/app.py" --server.port "$port" --server.headless true \
    --browser.gatherUsageStats false >"$folder/log" 2>&1 &
server=$!
"$folder/venv/bin/python" - "$port" <<'PYTHON'
import shutil
import sys
import time
import urllib.request
from importlib.metadata import version

from playwright.sync_api import expect, sync_playwright

address = f"http://localhost:{sys.argv[1]}"
for _ in range(100):
    try:
        urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
        break
    except OSError:
        time.sleep(0.2)
print("streamlit", version("streamlit"))
chromium = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))


def seen(browser, opens):
    page = browser.new_page()
    page.goto(address)
    said = page.get_by_test_id("stText")
    expect(said).to_contain_text("runs 0", timeout=30_000)
    if opens:
        page.get_by_role("button", name="Settings").click()
        expect(page.get_by_test_id("stPopoverBody").get_by_test_id("stSlider")).to_be_visible()
        time.sleep(1)  # as long as somebody reads
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    page.get_by_role("button", name="set elsewhere").click()
    expect(said).to_contain_text("['5', 'c', 'True'] calls []")
    page.get_by_role("button", name="nothing").click()
    expect(said).to_contain_text("runs 1")
    return said.inner_text()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
    never, once = seen(browser, opens=False), seen(browser, opens=True)
    browser.close()
print("never opened:", never)
print("opened once: ", once)
assert never == "runs 1 wanted ['5', 'c', 'True'] calls []", "a popover that was never opened does it too"
assert once == "runs 1 wanted ['2', 'a', 'False'] calls ['slider', 'box', 'toggle']", "it no longer does it"
PYTHON
