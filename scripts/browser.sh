#!/usr/bin/env bash
# See to a Chromium for the browser tests: the system's, Debian's package, or Playwright's own.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q && apt-get install -y -q chromium && exit 0
fi
exec .venv/bin/python -m playwright install chromium
