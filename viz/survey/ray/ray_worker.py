"""A process that Ray starts somewhere, which loads a model once and measures windows of a corpus with it."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from viz.errors import LoupeError
from viz.models import Model
from viz.models.catalogue import find_entry
from viz.models.folders import plain_path
from viz.models.model_facts import fingerprint
from viz.models.work_control import WorkControl
from viz.survey.grammar.pipelines import Pipeline, installed_pipelines, load_pipeline
from viz.survey.measured_passes import WindowPasses
from viz.survey.measured_windows import measure_windows
from viz.survey.shard_file import sums_bytes
from viz.survey.texts.windows import Window


def _versions() -> dict[str, str]:
    """Name the versions of what must be the same everywhere, because another gives other sums.

    Of this package its files count, too: a checkout that is worked on keeps its number.
    """
    package = Path(__file__).parent.parent
    files = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        files.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    own = f"{version('attention-loupe')} (files {files.hexdigest()[:8]})"
    return {"attention-loupe": own, "transformers": version("transformers")}


# As they were when this process began.
VERSIONS = _versions()


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that is loaded elsewhere, as it was loaded here.

    Attributes:
        name: that it is loaded by; a folder by its whole path.
        called: as the model is called here.
        revision: of the hub.
        dtype: that it computes in here.
        fingerprint: of its weights here.
        versions: of what measures, here.
        grammar: spaCy pipeline that reads along; None for none.
        grammar_version: of it here.
    """

    name: str | Path
    called: str
    revision: str | None
    dtype: torch.dtype
    fingerprint: str
    versions: dict[str, str]
    grammar: str | None = None
    grammar_version: str | None = None

    @classmethod
    def of(cls, model: Model, name: str | Path, grammar: str | None = None) -> ModelSource:
        """Take what is needed of a model, the name that it was loaded by, and the pipeline that reads along."""
        is_folder = isinstance(name, Path) or (
            find_entry(name) is None and bool(name) and plain_path(name).is_dir()
        )
        return cls(
            name=plain_path(str(name)).absolute() if is_folder else name,
            called=model.name,
            revision=model.revision,
            dtype=model.dtype,
            fingerprint=model.fingerprint,
            versions=VERSIONS,
            grammar=grammar,
            grammar_version=installed_pipelines().get(grammar) if grammar else None,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a worker cannot do, for its user; an error itself may not survive the way between processes."""

    message: str
    hint: str

    def error(self) -> LoupeError:
        """Return it to be raised."""
        return LoupeError(self.message, self.hint)


class WindowWorker:
    """Measures windows; all that it is told and tells are plain values and bytes.

    Args:
        source: the model.
        device: where it runs.
        seed: of examples that are drawn by chance.
    """

    def __init__(self, source: ModelSource, *, device: str, seed: int) -> None:
        self._source, self._device, self._seed = source, device, seed
        self._model: Model | None = None
        self._pipeline: Pipeline | None = None
        self._passes: WindowPasses | None = None
        self._control = WorkControl()
        self._done = (0, 0)

    def load(self) -> Refusal | None:
        """Load the model, and make sure that it is the one that was asked for."""
        from viz.capture.load_and_wrap_model import load_model

        source, here = self._source, socket.gethostname()
        for name, wanted in source.versions.items():
            if (found := VERSIONS[name]) != wanted:
                return Refusal(
                    f"The worker on {here} has {name} {found}, and this machine has {wanted}.",
                    "Install the same version on every machine of the cluster.",
                )
        try:
            model = load_model(
                source.name, device=self._device, dtype=source.dtype, revision=source.revision
            )
        except LoupeError as error:
            return Refusal(
                f"The worker on {here} cannot load {source.called}: {error.message}",
                f"Every machine of the cluster needs the model. {error.hint}".strip(),
            )
        found = fingerprint(model.module, source.called, source.revision)
        if found != source.fingerprint:
            return Refusal(
                f"The worker on {here} has another version of {source.called}: weights {found[:12]}, and here {source.fingerprint[:12]}.",
                "Bring the same files to every machine of the cluster, or name a revision.",
            )
        self._model, self._passes = model, WindowPasses(model)
        return self._load_pipeline()

    def measure(self, windows: Sequence[Window]) -> bytes | Refusal | None:
        """Measure some windows that follow one another, to their end or until it is stopped.

        Returns:
            Their sums as `shard_file.sums_bytes` writes them; how many they are is in them. None where it was stopped
            before the first.
        """
        if self._model is None:
            raise RuntimeError("The model was not loaded.")
        self._done = (windows[0].number, 0)
        try:
            found = measure_windows(
                self._model,
                windows,
                seed=self._seed,
                pipeline=self._pipeline,
                passes=self._passes,
                before=self._control.wait,
                seen=self._count,
            )
        except LoupeError as error:
            return Refusal(f"On {socket.gethostname()}: {error.message}", error.hint)
        return None if found is None else sums_bytes(found.sums)

    def done(self) -> tuple[int, int]:
        """Tell, while it measures, which window it began with and how many it has measured since."""
        return self._done

    def stop(self) -> None:
        """Let it end after its window."""
        self._control.stop()

    def _load_pipeline(self) -> Refusal | None:
        """Load the spaCy pipeline that reads along, in the version of the machine that asks."""
        source, here = self._source, socket.gethostname()
        if source.grammar is None:
            return None
        try:
            self._pipeline = load_pipeline(source.grammar)
        except LoupeError as error:
            return Refusal(f"On {here}: {error.message}", error.hint)
        if self._pipeline.version != source.grammar_version:
            return Refusal(
                f"The worker on {here} has {source.grammar} {self._pipeline.version}, and this machine has "
                f"{source.grammar_version}.",
                "Install the same version on every machine of the cluster.",
            )
        return None

    def _count(self, _window: Window) -> None:
        first, done = self._done
        self._done = (first, done + 1)
