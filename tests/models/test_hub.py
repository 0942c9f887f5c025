"""Models from a hub: a real HTTP server that answers as Hugging Face does, in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.models.folders import save_small

COMMIT = "0123456789abcdef0123456789abcdef01234567"

LOAD = """
import sys, viz
# A line of standard input is a model, and its revision if it has one.
for line in sys.stdin:
    name, _, revision = line.strip().partition(" ")
    phases = []
    try:
        model = viz.load_model(name, revision=revision or None,
                               progress=lambda phase, share: phases.append(share))
    except viz.LoupeError as error:
        print(type(error).__name__, error, flush=True)
    else:
        print(model.layers, model.heads, phases == sorted(phases), len(phases) > 5, flush=True)
"""


@pytest.fixture
def hub(tmp_path):
    """Serve owner/small with weights, owner/pickled without, and nothing else."""
    folder = tmp_path / "small"
    save_small(folder)
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"x" * 100)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, content=b"", **headers):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_GET(self):
            asked.append(self.path)
            path = self.path.split("?")[0]
            if path.startswith("/api/models/owner/small"):
                if "/revision/" in path and not path.endswith(("/main", COMMIT)):
                    return self.answer(404, X_Error_Code="RevisionNotFound")
                names = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]
                siblings = [{"rfilename": n, "size": (folder / n).stat().st_size} for n in names]
                card = {"id": "owner/small", "sha": COMMIT, "siblings": siblings}
                return self.answer(200, json.dumps(card).encode())
            if path.startswith("/api/models/owner/pickled"):
                siblings = [{"rfilename": "config.json"}, {"rfilename": "pytorch_model.bin"}]
                card = {"id": "owner/pickled", "sha": COMMIT, "siblings": siblings}
                return self.answer(200, json.dumps(card).encode())
            if path.startswith("/api/models/owner/gated"):
                return self.answer(403, X_Error_Code="GatedRepo")
            file = folder / Path(path).name
            if path.startswith("/owner/small/resolve/main/") and file.is_file():
                content = file.read_bytes()
                tag = f'"{hashlib.sha256(content).hexdigest()}"'
                return self.answer(200, content, ETag=tag, X_Repo_Commit=COMMIT)
            return self.answer(404, X_Error_Code="RepoNotFound")

        do_HEAD = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked = asked
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def load(hub, tmp_path):
    """Return what loads a model in a process of its own, because the hub's address is read at import."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    with subprocess.Popen(
        [sys.executable, "-c", LOAD],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def loaded(name, revision=""):
            print(name, revision, file=process.stdin, flush=True)
            return process.stdout.readline()

        yield loaded
        process.stdin.close()
    assert process.returncode == 0


REFUSED = {
    ("owner/small", "nowhere"): "has no revision 'nowhere'",
    ("owner/pickled", ""): "only pickled weights (pytorch_model.bin)",
    ("owner/gated", ""): "is gated",
    ("nobody/nothing", ""): "no model nobody/nothing, or it is private",
}


def test_a_model_is_fetched_once_and_what_is_refused_is_one_sentence(hub, load):
    assert load("owner/small").startswith("3 4 True True")
    assert not any("onnx" in path for path in hub.asked if "/resolve/" in path)
    for asked, words in REFUSED.items():
        assert words in load(*asked)
    hub.shutdown()
    hub.server_close()
    # It loads again without the hub.
    assert load("owner/small").startswith("3 4")
