"""spaCy pipelines that are installed here, and one of them loaded.

A pipeline names functions that are called when it is loaded, of spaCy's and of whatever else is installed. So only packages
are loaded, which somebody has installed as code of theirs; a folder of unknown origin is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from viz.errors import InputError, LoupeError
from viz.models.argument_checks import kind_of_value
from viz.models.folders import plain_path

# Where packages say that they hold a pipeline, as `spacy package` writes them.
GROUP = "spacy_models"

EXTRA = 'pip install "attention-loupe[grammar]"'

# Components that say nothing of grammar and take much of a pipeline's time.
UNUSED = (
    *("ner", "beam_ner", "entity_ruler", "entity_linker", "lemmatizer", "trainable_lemmatizer"),
    *("textcat", "textcat_multilabel", "spancat", "spancat_singlelabel", "span_finder"),
    "span_ruler",
)

# What a pipeline tells of words.
PARTS, RELATIONS = "parts of speech", "dependency relations"

# Components that do not say in spaCy which of these they set, and do: of the patterns that they were given.
UNSAID = {"attribute_ruler": PARTS}

# What components say that they set.
SAID = {"token.pos": PARTS, "token.dep": RELATIONS}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that is loaded.

    Attributes:
        name: of its package.
        version: of it.
        spacy: version of spaCy.
        tells: what it tells of words: parts of speech, dependency relations, or both.
        language: spaCy's own object.
    """

    name: str
    version: str
    spacy: str
    tells: tuple[str, ...]
    language: Any

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it does not tell."""
        return tuple(one for one in (PARTS, RELATIONS) if one not in self.tells)


def installed_pipelines() -> dict[str, str]:
    """Return the versions of all pipelines by the names of their packages, none of which is loaded."""
    if find_spec("spacy") is None:
        return {}
    found = {one.name: one.dist.version for one in entry_points(group=GROUP) if one.dist}
    return dict(sorted(found.items()))


def load_pipeline(name: str) -> Pipeline:
    """Load an installed pipeline, without what says nothing of grammar.

    Args:
        name: of its package, such as en_core_web_sm.

    Raises:
        InputError: it is not installed, or tells neither parts of speech nor relations.
        LoupeError: spaCy is not installed, or cannot load it.

    Cost: several seconds, most of which spaCy itself takes to begin.
    """
    try:
        from spacy.about import __version__
        from spacy.util import load_model_from_package
    except ImportError as error:
        raise LoupeError(
            "Parts of speech and relations are found by spaCy, which is not installed.",
            f"Install it, {EXTRA}, and a pipeline for the language of the texts.",
        ) from error
    version = _version_of(name)
    try:
        language = load_model_from_package(name, exclude=UNUSED)
    except Exception as error:
        # Its package is others' code, which raises whatever it likes.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise LoupeError(
            f"spaCy {__version__} cannot load the pipeline {name} {version}: {reason:.200}",
            "Install the version of it that belongs to this spaCy.",
        ) from error
    tells = _tells(language)
    if not tells:
        parts = ", ".join(language.pipe_names) or "nothing"
        raise InputError(
            f"The spaCy pipeline {name} tells neither parts of speech nor dependency relations; it has {parts}.",
            "Choose one that has a tagger or a parser.",
        )
    return Pipeline(name, version, __version__, tells, language)


def _version_of(name: object) -> str:
    """Look up an installed pipeline.

    Raises:
        InputError: there is none of that name.
    """
    if not isinstance(name, str):
        raise InputError(
            f"The spaCy pipeline is {kind_of_value(name)}.",
            "Name its package, such as en_core_web_sm.",
        )
    known = installed_pipelines()
    if name in known:
        return known[name]
    if "/" in name or "\\" in name or (name and plain_path(name).is_dir()):
        raise InputError(
            f"{name:.80} is a folder, and only pipelines that are installed as packages are loaded.",
            "Let `python -m spacy package` make a package of it, and install that.",
        )
    there = f"installed are {', '.join(known)}" if known else "none is installed"
    raise InputError(
        f"There is no spaCy pipeline {name!r:.80}; {there}.",
        "Name an installed one, or install one: python -m spacy download en_core_web_sm"
        if name not in ("", "en_core_web_sm")
        else "Install one for the language of the texts: python -m spacy download en_core_web_sm",
    )


def _tells(language: Any) -> tuple[str, ...]:
    found = set()
    for name in language.pipe_names:
        meta = language.get_pipe_meta(name)
        found |= {SAID[one] for one in meta.assigns if one in SAID}
        found |= {UNSAID[meta.factory]} if meta.factory in UNSAID else set()
    return tuple(one for one in (PARTS, RELATIONS) if one in found)
