#!/usr/bin/env bash
# See to a Node for the tests of tests/canvas: the system's or Debian's package. Without one they are skipped.
set -euo pipefail
if command -v node >/dev/null; then exit 0; fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q && apt-get install -y -q --no-install-recommends nodejs && exit 0
fi
echo "No node here: what the canvas components reckon is not tested. Install Node 18 or later." >&2
