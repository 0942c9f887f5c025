"""Small spaCy pipelines, each written as a package on disk as `spacy package` and pip would leave it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import spacy

# Words whose part of speech is known; the rest are nouns.
PARTS = {
    "DET": ("the", "a"),
    "VERB": ("saw", "chased", "sat", "sleeps", "see"),
    "ADJ": ("tired", "old", "black", "unbelievable"),
    "ADP": ("on", "beside"),
    "PRON": ("it", "she"),
    "PUNCT": (".", ",", "!"),
}

# A parser of rules: what stands before a noun depends on it, a noun before a verb is its subject, one after it its object.
RULES = """
from pathlib import Path

from spacy.language import Language
from spacy.util import load_model_from_init_py

DEPENDS = {"DET": "det", "ADJ": "amod"}


@Language.component("rules_of_grammar", assigns=["token.head", "token.dep"])
def rules_of_grammar(doc):
    heads, relations = list(range(len(doc))), ["ROOT"] * len(doc)
    verbs = [one.i for one in doc if one.pos_ == "VERB"]
    nouns = [one.i for one in doc if one.pos_ in ("NOUN", "PRON")]
    for one in doc:
        after = [noun for noun in nouns if noun > one.i]
        near = min(verbs, key=lambda verb: abs(verb - one.i), default=None)
        if one.pos_ in DEPENDS and after:
            heads[one.i], relations[one.i] = after[0], DEPENDS[one.pos_]
        elif one.i in nouns and near is not None:
            heads[one.i], relations[one.i] = near, "nsubj" if one.i < near else "obj"
    for token, head, relation in zip(doc, heads, relations):
        token.head, token.dep_ = doc[head], relation
    return doc


def load(**options):
    return load_model_from_init_py(__file__, **options)
"""

PLAIN = """
from spacy.util import load_model_from_init_py


def load(**options):
    return load_model_from_init_py(__file__, **options)
"""


@contextmanager
def packages_on_path(folder: Path) -> Iterator[Path]:
    """Let a folder be on the path with pipelines of rules for both, for parts of speech alone, and for neither."""
    sys.path.insert(0, str(folder))
    write_package(folder, "en_small_rules", "attribute_ruler", "rules_of_grammar")
    write_package(folder, "en_small_parts", "attribute_ruler")
    write_package(folder, "en_small_bare", "sentencizer")
    yield folder
    sys.path.remove(str(folder))


def write_package(site: Path, name: str, *components: str, version: str = "1.0") -> None:
    """Write a package of a pipeline that has some of: attribute_ruler, rules_of_grammar, sentencizer.

    Args:
        site: a folder that is on the path.
        name: of the package.
        components: of the pipeline.
        version: of the package.
    """
    package = site / name
    package.mkdir(parents=True)
    language = spacy.blank("en")
    (package / "__init__.py").write_text(RULES if "rules_of_grammar" in components else PLAIN)
    if "attribute_ruler" in components:
        ruler = language.add_pipe("attribute_ruler")
        ruler.add([[{"IS_SPACE": False}]], {"POS": "NOUN"})
        for part, words in PARTS.items():
            ruler.add([[{"LOWER": {"IN": list(words)}}]], {"POS": part})
    if "rules_of_grammar" in components:
        # Its code says what the component is, as a real package's does.
        import_module(name)
        language.add_pipe("rules_of_grammar")
    if "sentencizer" in components:
        language.add_pipe("sentencizer")
    language.meta.update(name=name.removeprefix("en_"), version=version)
    language.to_disk(package / f"{name}-{version}")
    (package / "meta.json").write_text((package / f"{name}-{version}" / "meta.json").read_text())
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[spacy_models]\n{name} = {name}\n")
