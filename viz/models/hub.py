"""From a Hugging Face id to a folder on this machine, fetched once and from safetensors only."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import OfflineModeIsEnabled
from tqdm.auto import tqdm

from viz.errors import BudgetError, ModelRefusedError

Progress = Callable[[str, float], None]

WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

# What configuration, tokenizers and processors are made of.
SMALL_FILES = (".json", ".txt", ".model", ".jinja", ".tiktoken")

# A hub that takes longer to answer than this is not reached, in seconds.
PATIENCE = 10

# The share of the free disk that one model may take.
DISK_SHARE = 0.9

# How much of loading is fetching, for the progress bar.
FETCHING = 0.2


def hub_folder(name: str, revision: str | None, tell: Progress) -> Path:
    """Fetch what a model needs, or find it in the cache where the hub cannot be reached.

    Raises:
        ModelRefusedError: it has no safetensors weights.
        BudgetError: it does not fit on the disk.
        Exception: whatever the hub's own library raises; see `viz.models.loading_errors.explain`.
    """
    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=PATIENCE)
    except Exception as error:
        if not _is_unreachable(error):
            raise
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    files = _needed(info.siblings or (), name)
    total = sum(files.values())
    free = shutil.disk_usage(_existing(Path(HF_HUB_CACHE))).free
    if total > DISK_SHARE * free:
        raise BudgetError(
            f"{name} takes {total / 1e9:.1f} GB; {free / 1e9:.1f} GB are free on the disk.",
            "Choose a smaller model, or free some space.",
        )
    done, folder = 0, Path()
    for file, size in files.items():
        path = hf_hub_download(name, file, revision=revision, tqdm_class=_bar(tell, done, total))
        folder = Path(path).parent
        done += size
    return folder


def _is_unreachable(error: Exception) -> bool:
    """Whether the network failed, by name: the hub's library has changed its HTTP library twice."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, OfflineModeIsEnabled) or bool(
        kinds & {"TransportError", "ConnectionError"}
    )


def _needed(siblings: Sequence[Any], name: str) -> dict[str, int]:
    """Choose the files to fetch, small ones first, with their sizes in bytes."""
    sizes = {file.rfilename: int(file.size or 0) for file in siblings}
    weights = {file: size for file, size in sizes.items() if WEIGHTS.fullmatch(file)}
    if not weights:
        pickled = sorted(file for file in sizes if file.endswith(PICKLED))
        has = (
            f"only pickled weights ({pickled[0]}), which can run code" if pickled else "no weights"
        )
        raise ModelRefusedError(
            f"{name} has {has}.", "Choose a revision or a model with safetensors weights."
        )
    small = {
        file: size for file, size in sizes.items() if file.endswith(SMALL_FILES) and "/" not in file
    }
    return small | weights


def _bar(tell: Progress, done: int, total: int) -> type[tqdm]:
    """Make a progress bar that draws nothing and tells what share of all bytes is there."""

    class Bar(tqdm):  # type: ignore[misc]  # tqdm carries no types
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})
            self.bytes = done + int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.bytes += int(n or 0)
            tell("load", FETCHING * min(1.0, self.bytes / max(1, total)))

    return Bar


def _existing(folder: Path) -> Path:
    """Return the nearest folder above that is there already."""
    return folder if folder.exists() else _existing(folder.parent)
