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
    _pip("install", UV)
    torch = next(line for line in _lines("requirements.lock") if line.startswith("torch=="))
    _install(*_torch_arguments(torch))
    print("2/3 everything else", flush=True)
    _install(*(argument for lock in LOCKS[purpose] for argument in ("-r", lock)))
    print("3/3 Attention Loupe", flush=True)
    _pip("install", "--no-deps", "--editable", ".")
    stamp.write_text(wanted)


def _install(*arguments: str) -> None:
    """Install by uv, which takes a tenth of the time, or by pip, which knows its mirrors."""
    uv = [str(PYTHON), "-m", "uv", "pip", "install", "--quiet", "--python", str(PYTHON)]
    if subprocess.run([*uv, *arguments], cwd=ROOT, check=False, capture_output=True).returncode:
        _pip("install", *arguments)


def _torch_arguments(torch: str) -> list[str]:
    """Choose the build of torch: without an NVIDIA GPU, never one that brings CUDA along.

    The wheel that pip would take is named by its address, because uv does not read pip's configuration. What torch
    needs besides is in the lock.
    """
    if sys.platform != "linux" or _has_nvidia_gpu():
        return [torch]
    planned = _would_install(torch)
    if any(name.startswith(("nvidia-", "cuda-", "triton")) for name in planned):
        return [torch, "--index-url", CPU_WHEELS, "--extra-index-url", CPU_WHEELS]
    return ["--no-deps", f"torch @ {planned['torch']}"]


def _has_nvidia_gpu() -> bool:
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def _would_install(requirement: str) -> dict[str, str]:
    """Ask pip what it would install and from where, without installing it: addresses by name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = ["install", "--dry-run", "--ignore-installed", "--report", str(report)]
        _pip(*arguments, requirement)
        planned = json.loads(report.read_text())["install"]
    return {one["metadata"]["name"].lower(): one["download_info"]["url"] for one in planned}


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
