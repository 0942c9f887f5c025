#!/usr/bin/env bash
# See to a Chromium for the browser tests: Debian's headless one, which takes a fifth less of the processor than the
# whole browser; else the system's, or Playwright's own.
set -euo pipefail
shell=chromium-headless-shell
if command -v $shell >/dev/null; then exit 0; fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q
    if apt-get install -y -q $shell; then exit 0; fi
fi
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
exec .venv/bin/python -m playwright install chromium
