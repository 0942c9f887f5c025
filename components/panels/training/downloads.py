"""What leaves the Train page: a checkpoint into Explore, and files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import streamlit as st

from components.explore_session import page_link, workbench
from components.panels.compare.compare_links import checkpoints_link
from components.panels.training.unseen_example import picture_of, text_of
from viz.errors import LoupeError
from viz.training.task import Loaded
from viz.training.training_folder import About, RunFolder, runs_root


def files_panel(
    folder: RunFolder, about: About, loaded: Loaded, step: int, at: tuple[str, int, int]
) -> None:
    """Offer the checkpoint that is looked at, in Explore and as a file, and TensorBoard's log."""
    _explore(folder, loaded, step, at)
    checkpoints_link("Compare checkpoints →", folder, loaded, at, step)
    with st.container(horizontal=True):
        st.download_button(
            f"Checkpoint of step {step:,} (safetensors)",
            lambda: zipped(folder.checkpoint(step)),
            f"{about.task}-step-{step}.zip",
            "application/zip",
            key="train checkpoint file",
            on_click="ignore",
        )
        st.download_button(
            "TensorBoard log",
            lambda: zipped(folder.path / "tensorboard"),
            f"{about.task}-tensorboard.zip",
            "application/zip",
            key="train log file",
            on_click="ignore",
        )


def _explore(folder: RunFolder, loaded: Loaded, step: int, at: tuple[str, int, int]) -> None:
    """Lead to the same head of the same checkpoint in Explore, or say why not."""
    probe, (stack, layer, head) = loaded.probes[0], at
    # Told from the folder of models on, so that a link says nothing of this machine's folders.
    model = folder.checkpoint(step).relative_to(runs_root().parent)
    asked = {"model": model.as_posix(), "local": "1", "layer": str(layer), "head": str(head)}
    asked |= {"stack": stack}
    text = text_of(probe, loaded)
    if text is not None:
        asked |= {"text": text, **({"pair": probe.target} if probe.target else {})}
    elif not isinstance(probe.given, str) and "pixel_values" in probe.given:
        packed = io.BytesIO()
        picture_of(probe).save(packed, "PNG")
        try:
            asked |= {"text": "", "media": workbench().media.put(packed.getvalue(), ".png")}
        except LoupeError as error:
            st.caption(str(error))
            return
    else:
        st.caption(
            "Explore reads texts and pictures, and this model reads numbers: the checkpoint opens from "
            "Python, with `viz.load_model`."
        )
        return
    page_link("Explore", f"Open step {step:,} in Explore →", **asked)


def zipped(folder: Path) -> bytes:
    """Pack the files of a folder; weights hardly shrink."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return packed.getvalue()
