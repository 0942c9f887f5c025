"""Set up the project's own virtual environment: `python scripts/setup.py app` or `test`.

Standard library only, because it runs before anything is installed. It does nothing when the
environment already holds what the lock says. The reasons are in docs/decisions/0001-installing.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCKS = {"app": ["requirements.lock"], "test": ["requirements.lock", "requirements-test.lock"]}
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
OLDEST = (3, 11)
UV = "uv==0.13.9"


def main() -> None:
    """Install what one purpose needs, if it is not there yet."""
    purpose = sys.argv[1] if len(sys.argv) > 1 else ""
    if purpose not in LOCKS:
        sys.exit("Usage: python scripts/setup.py app|test")
    if sys.version_info < OLDEST:
        sys.exit(f"Attention Loupe needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    stamp = VENV / f"installed-{purpose}"
    wanted = _digest([*LOCKS[purpose], "pyproject.toml"])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Setting up {VENV} (a few minutes the first time)", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True, symlinks=os.name != "nt")
    print("1/3 PyTorch", flush=True)
    torch = next(line for line in _lines("requirements.lock") if line.startswith("torch=="))
    _pip("install", "--no-compile", *_torch_arguments(torch))
    print("2/3 everything else", flush=True)
    _install_locks(LOCKS[purpose])
    print("3/3 Attention Loupe", flush=True)
    _pip("install", "--no-deps", "--editable", ".")
    stamp.write_text(wanted)


def _install_locks(locks: list[str]) -> None:
    """Install what the locks say: by uv, which takes a tenth of the time, or by pip, which knows its mirrors."""
    _pip("install", UV)
    files = [argument for lock in locks for argument in ("-r", lock)]
    uv = [str(PYTHON), "-m", "uv", "pip", "install", "--quiet", "--python", str(PYTHON), *files]
    if subprocess.run(uv, cwd=ROOT, check=False, capture_output=True).returncode:
        _pip("install", *files)


def _torch_arguments(torch: str) -> list[str]:
    """Choose the build of torch: without an NVIDIA GPU, never one that brings CUDA along."""
    if sys.platform != "linux" or _has_nvidia_gpu() or not _brings_cuda(torch):
        return [torch]
    return [torch, "--index-url", CPU_WHEELS, "--extra-index-url", CPU_WHEELS]


def _has_nvidia_gpu() -> bool:
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def _brings_cuda(torch: str) -> bool:
    """Ask pip what installing torch would install, without installing it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = ["install", "--dry-run", "--ignore-installed", "--report", str(report), torch]
        _pip(*arguments)
        names = [
            item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]
        ]
    return any(name.startswith(("nvidia-", "cuda-", "triton")) for name in names)


def _pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(
            f"Installing failed; pip's own words are above. The command was: {' '.join(command)}"
        )


def _lines(name: str) -> list[str]:
    return (ROOT / name).read_text().splitlines()


def _digest(names: list[str]) -> str:
    content = b"".join((ROOT / name).read_bytes() for name in names)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


if __name__ == "__main__":
    main()
