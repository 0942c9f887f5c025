#!/usr/bin/env bash
# Guess, from memory: a script that is connected to a Ray cluster by ray://, where tasks and actors run, can make and read
# a dataset of Ray Data there, too, as it can on a machine of the cluster.
#
# Seen (ray 2.60.0, pyarrow 26.0.1): connected by ray://, tasks run, and the smallest dataset raises AttributeError when it is
# read, because the client's worker lacks what Ray Data asks of it. By the cluster's plain address the same dataset is read.
set -euo pipefail
folder=$(mktemp -d)
cleanup() {
  [ -n "${head:-}" ] && kill "$head" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[client,data]==2.60.0" pyarrow==26.0.1
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled
read -r port client dashboard < <("$folder/venv/bin/python" - <<'PYTHON'
import socket

held = [socket.socket() for _ in range(3)]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PYTHON
)
"$folder/venv/bin/ray" start --head --block --port="$port" --ray-client-server-port="$client" --num-cpus=2 \
  --object-store-memory=100000000 --include-dashboard=false --dashboard-port="$dashboard" --temp-dir="$folder/r" \
  --min-worker-port=0 --max-worker-port=0 >"$folder/log" 2>&1 &
head=$!
cat >"$folder/read.py" <<'PYTHON'
import sys

import ray

ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")


@ray.remote
def task():
    return 41


print("a task:", ray.get(task.remote()) + 1)
try:
    print("a dataset:", ray.data.range(4).take_all())
except AttributeError as error:
    print("a dataset: AttributeError", error)
PYTHON
by() { timeout 120 "$folder/venv/bin/python" "$folder/read.py" "$1" 2>/dev/null; }
for _ in $(seq 60); do
  plain=$(by "127.0.0.1:$port") && break
  sleep 1
done
through=$(by "ray://127.0.0.1:$client")
printf 'by plain address:\n%s\nby ray://:\n%s\n' "$plain" "$through"
[[ "$plain" == *"a task: 42"*"'id': 3"* ]] || { echo "the plain address reads no dataset now"; exit 1; }
[[ "$through" == *"a task: 42"*"AttributeError"* ]] || { echo "ray:// reads a dataset now"; exit 1; }
