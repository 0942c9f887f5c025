"""Tables of surveys as the page shows them, read once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from components.panels.heads.session_surveys import OWN, surveys
from components.panels.heads.survey_labels import title_of_model
from viz.errors import LoupeError, StorageError
from viz.models.named_folder import NAME
from viz.service.survey_texts import text_folders
from viz.survey import Survey, load_survey
from viz.survey.grammar.top_relations import (
    LEAST_COUNTED,
    TopRelation,
    clearest_first,
    followed_relations,
    relation_title,
)
from viz.survey.head_sentence import head_sentence
from viz.survey.score_catalogue import SCORES
from viz.survey.sums.row_blocks import TEXT_SCORES
from viz.survey.survey_tables import BY_TOKENIZER, HEAD
from viz.survey.texts.corpus_folder import find_local

# Tables of surveys, and of heads, that are kept read.
KEPT_SURVEYS, KEPT_HEADS = 12, 200

# A score that almost no query has anything of is not worth a picture: the share of queries in its first bin.
NOTHING = 0.995

Head = tuple[str, int, int]

# In the order in which a text goes through them.
STACKS = ("self", "encoder", "decoder", "cross")


@dataclass(frozen=True, slots=True)
class Shown:
    """A survey whose tables can be shown.

    Attributes:
        key: its name, or its folder.
        written: when its tables were, in nanoseconds.
        model_title: what the page calls its model.
        texts: what its user calls its texts.
        model: its model as a link to Explore names it.
        survey: its tables.
    """

    key: str
    written: int
    model_title: str
    texts: str
    model: Mapping[str, str]
    survey: Survey

    @property
    def title(self) -> str:
        """What the page calls it."""
        return f"{self.model_title} on {self.texts}"

    @property
    def stacks(self) -> list[str]:
        """Its stacks, what reads the text first."""
        named = list(dict.fromkeys(heads_table(self)["stack"]))
        return sorted(named, key=lambda one: STACKS.index(one) if one in STACKS else len(STACKS))


def shown_survey(key: str) -> Shown | None:
    """Find a survey by its name, or by its folder; None where nothing is measured yet.

    Raises:
        GoneError: there is none of that name.
        StorageError: the folder may not be read, or is damaged.
    """
    if NAME.fullmatch(key):
        survey = surveys().result(key)
        if survey is None:
            return None
        asked = surveys().standing(key).asked
        title = title_of_model(asked.model, local=asked.local)
        texts = asked.texts.title
        model = {"model": asked.model, "revision": asked.revision or ""}
        model |= {"local": "1"} if asked.local else {}
        computed = {"device": asked.device, "dtype": asked.dtype}
        model |= {part: told for part, told in computed.items() if told != "auto"}
    else:
        survey = _of_folder(key)
        texts = str(survey.card.corpus.get("source", "")).rpartition("/")[2]
        name = survey.card.model["name"] or ""
        # A folder's name alone, so that a page says nothing of another machine's folders.
        title = title_of_model(name.rpartition("/")[2] if name.startswith("/") else name)
        model = {"model": name, "revision": survey.card.model["revision"] or ""}
    written = (survey.folder / "windows.parquet").stat().st_mtime_ns
    named = {part: told for part, told in model.items() if told}
    return Shown(key, written, title, texts, named, survey)


def _of_folder(path: str) -> Survey:
    found = find_local(path, text_folders())
    if found is None:
        raise StorageError(f"There is no folder {path:.80}.", "Check the name.")
    return load_survey(found)


def others(than: Shown) -> list[Shown]:
    """List this session's other surveys that have something to show, the latest first."""
    found = []
    for name in OWN.known():
        try:
            one = shown_survey(name) if name != than.key else None
        except LoupeError:
            continue
        if one is not None:
            found.append(one)
    return found


_BY_NAME: dict[str | type[Any], Callable[[Any], Any]] = {Shown: lambda one: (one.key, one.written)}


@st.cache_data(max_entries=KEPT_SURVEYS, show_spinner=False, hash_funcs=_BY_NAME)
def heads_table(shown: Shown) -> pd.DataFrame:
    """Return a row a head: stack, layer, head, `does` (the score its sentence is about), `sentence`, and all scores.

    With a survey along which a pipeline read, also `relation`, which the head follows most, `relation_weight` along it, and
    `relation_baseline` by chance or distance.
    """
    survey = shown.survey
    wide = survey.heads()
    does, sentences = {}, {}
    followed: Mapping[Any, TopRelation] = {}
    if survey.has_relations:
        followed = followed_relations(survey.table("relations"))
    for key, rows in survey.table("scores").groupby(HEAD, sort=False):
        said = head_sentence(rows, followed.get(key))
        does[key], sentences[key] = said.score or "", said.words
    keys = list(wide[HEAD].itertuples(index=False, name=None))
    wide.insert(3, "does", [does.get(key, "") for key in keys])
    wide.insert(4, "sentence", [sentences.get(key, "") for key in keys])
    if followed:
        top = [followed.get(key) for key in keys]
        wide["relation"] = [
            "" if one is None else relation_title(one.relation, one.looks_from) for one in top
        ]
        wide["relation_weight"] = [math.nan if one is None else one.weight for one in top]
        wide["relation_baseline"] = [math.nan if one is None else one.baseline for one in top]
    return wide


@st.cache_data(max_entries=KEPT_SURVEYS, show_spinner=False, hash_funcs=_BY_NAME)
def chances(shown: Shown, score: str) -> dict[Head, float]:
    """Return what chance would give of a score, by head."""
    scores = shown.survey.table("scores")
    found = scores[scores["score"] == score]
    keys = found[HEAD].itertuples(index=False, name=None)
    return dict(zip(keys, found["chance"].astype(float), strict=True))


def scores_of(shown: Shown, stack: str) -> list[str]:
    """List the scores that any head of a stack has, in the order of the catalogue."""
    heads = heads_table(shown)
    heads = heads[heads["stack"] == stack]
    return [name for name in SCORES if name in heads.columns and heads[name].notna().any()]


@st.cache_data(max_entries=KEPT_HEADS, show_spinner=False, hash_funcs=_BY_NAME)
def head_scores(shown: Shown, head: Head) -> pd.DataFrame:
    """Return all scores of a head with their titles and the head's rank by each."""
    stack, layer, number = head
    found = shown.survey.scores(layer, number, stack=stack)
    found = found[found["score"].isin(SCORES.names) & found["value"].notna()]
    everyone = heads_table(shown)
    ranks = []
    for name, value in zip(found["score"], found["value"], strict=True):
        values = everyone.loc[everyone["stack"] == stack, name].dropna()
        ranks.append(f"{int((values > value).sum()) + 1:,} of {len(values):,}")
    return found.assign(title=[SCORES[name].title for name in found["score"]], rank=ranks)


@st.cache_data(max_entries=KEPT_HEADS, show_spinner=False, hash_funcs=_BY_NAME)
def head_distributions(shown: Shown, head: Head) -> dict[str, pd.DataFrame]:
    """Return how the queries of a head are spread over the scores of texts that some of them have something of."""
    stack, layer, number = head
    found = {}
    for name in TEXT_SCORES:
        frame = shown.survey.distribution(layer, number, name, stack=stack)
        bare = frame.loc[frame["low"] == 0, "share"].sum() >= NOTHING
        if not frame.empty and (name in ("entropy", "distance") or not bare):
            found[name] = frame
    return found


@st.cache_data(max_entries=KEPT_HEADS, show_spinner=False, hash_funcs=_BY_NAME)
def head_classes(shown: Shown, head: Head, kind: str = BY_TOKENIZER) -> pd.DataFrame:
    """Return what a head looks at, by class of a kind."""
    stack, layer, number = head
    return shown.survey.classes(layer, number, stack=stack, kind=kind)


@st.cache_data(max_entries=KEPT_HEADS, show_spinner=False, hash_funcs=_BY_NAME)
def head_relations(shown: Shown, head: Head) -> pd.DataFrame:
    """Return the relations of a head with their `title`, the clearest first and those last that were met rarely.

    There is none where no pipeline has read along.
    """
    stack, layer, number = head
    if not shown.survey.has_relations:
        return pd.DataFrame()
    found = clearest_first(shown.survey.relations(layer, number, stack=stack))
    named = zip(found["relation"], found["looks_from"], strict=True)
    found = found.assign(title=[relation_title(*one) for one in named])
    rarely = found["counted"] < LEAST_COUNTED
    return pd.concat([found[~rarely], found[rarely]], ignore_index=True)


@st.cache_data(max_entries=KEPT_HEADS, show_spinner=False, hash_funcs=_BY_NAME)
def head_examples(shown: Shown, head: Head, kind: str) -> pd.DataFrame:
    """Return examples of a head with their texts."""
    stack, layer, number = head
    return shown.survey.examples(layer, number, stack=stack, kind=kind)
