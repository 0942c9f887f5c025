"""A survey that was made before, asked for its tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from viz.errors import InputError, ShapeError, StorageError
from viz.survey.grammar.pipeline_note import pipeline_words
from viz.survey.grammar.top_relations import followed_relations
from viz.survey.head_sentence import HeadSentence, head_sentence
from viz.survey.score_catalogue import SCORES
from viz.survey.survey_card import SurveyCard, read_card
from viz.survey.survey_tables import BY_TOKENIZER, GRAMMAR_TABLES, HEAD, TABLES


class Survey:
    """The tables of a survey, read as they are asked for.

    Attributes:
        folder: where they are.
        card: what it is of.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card: SurveyCard = read_card(folder)
        missing = [name for name in TABLES if not (folder / f"{name}.parquet").is_file()]
        if missing:
            windows, tokens = self.card.windows, self.card.tokens
            raise StorageError(
                f"The survey in {folder} was ended before it wrote its tables; {windows:,} windows with {tokens:,} "
                "tokens are measured."
                if self.card.state == "running"
                else f"The survey in {folder} lacks {missing[0]}.parquet.",
                "Go on with the survey, which writes its tables at its end and where it is stopped.",
            )

    def __repr__(self) -> str:
        card = self.card
        return f"Survey({card.model['name']!r}, {card.windows:,} windows, {card.tokens:,} tokens, {card.state})"

    @property
    def has_relations(self) -> bool:
        """Whether a spaCy pipeline found dependency relations in its texts."""
        return "relations" in self.tables

    @property
    def tables(self) -> dict[str, str]:
        """Its tables, and what a row of each is."""
        there = {
            name: row
            for name, row in GRAMMAR_TABLES.items()
            if (self.folder / f"{name}.parquet").is_file()
        }
        return TABLES | there

    def table(self, name: str) -> pd.DataFrame:
        """Return one of `tables` as a whole.

        Raises:
            InputError: there is none of that name.
            StorageError: its file is damaged.
        """
        if name not in self.tables:
            if name in GRAMMAR_TABLES:
                raise no_grammar(self)
            raise InputError(
                f"There is no table {name!r:.40}.", f"Choose one of {', '.join(self.tables)}."
            )
        return self._ask("SELECT * FROM query_table(?)", name, values=[name])

    def heads(self) -> pd.DataFrame:
        """Return one row a head: stack, layer, head, and a column for each score; NaN where it has none."""
        scores = self.table("scores")
        wide = scores.pivot_table(index=HEAD, columns="score", values="value", dropna=False)
        own = [name for name in SCORES if name in wide.columns]
        return wide[own].dropna(how="all").reset_index().rename_axis(columns=None)

    def scores(self, layer: int, head: int, *, stack: str = "self") -> pd.DataFrame:
        """Return all scores of a head, in the order of the catalogue.

        Raises:
            ShapeError: there is no such head.
        """
        found = self._of("scores", stack, layer, head)
        if found.empty:
            raise ShapeError(
                f"There is no head {head} in layer {layer} of {stack}.",
                "Choose one that heads() lists.",
            )
        places = {name: place for place, name in enumerate(SCORES)}
        return found.sort_values("score", key=lambda names: names.map(places), ignore_index=True)

    def sentence(self, layer: int, head: int, *, stack: str = "self") -> HeadSentence:
        """Say what a head does, in one sentence made of its numbers."""
        scores = self.scores(layer, head, stack=stack)
        followed = (
            followed_relations(self.relations(layer, head, stack=stack))
            if self.has_relations
            else {}
        )
        return head_sentence(scores, followed.get((stack, layer, head)))

    def distribution(
        self, layer: int, head: int, score: str, *, stack: str = "self"
    ) -> pd.DataFrame:
        """Return how the rows of a head are spread over a score of texts: low, high and share."""
        found = self._of("distributions", stack, layer, head)
        return found[found["score"] == score][["low", "high", "share"]].reset_index(drop=True)

    def classes(
        self, layer: int, head: int, *, stack: str = "self", kind: str = BY_TOKENIZER
    ) -> pd.DataFrame:
        """Return what a head looks at, by class: looks_from, looks_at, weight, chance, either half, counted.

        Args:
            layer: of the head.
            head: of it.
            stack: of it.
            kind: "token" for the tokenizer's own classes, or "part of speech", which a survey without a spaCy pipeline
                has none of.
        """
        found = self._of("classes", stack, layer, head)
        return found[found["kind"] == kind].drop(columns="kind").reset_index(drop=True)

    def relations(self, layer: int, head: int, *, stack: str = "self") -> pd.DataFrame:
        """Return how far a head follows dependency relations: relation, looks_from, looks_at, weight, chance, ...

        Raises:
            InputError: no spaCy pipeline found any in the texts of this survey.
        """
        if not self.has_relations:
            raise no_grammar(self)
        return self._of("relations", stack, layer, head)

    def examples(
        self, layer: int, head: int, *, stack: str = "self", kind: str = "heaviest"
    ) -> pd.DataFrame:
        """Return edges of a head with the texts that they are in, the first place first."""
        return self._ask(
            'SELECT e.*, w.text, w.source, w.start FROM examples e JOIN windows w USING ("window") '
            "WHERE e.stack = ? AND e.layer = ? AND e.head = ? AND e.kind = ? ORDER BY e.place",
            *("examples", "windows"),
            values=[stack, layer, head, kind],
        )

    def leaders(self, score: str, count: int = 10) -> pd.DataFrame:
        """Return the heads that have most of a score, the first first.

        Raises:
            InputError: there is no such score.
        """
        SCORES.find(score)
        return self._ask(
            "SELECT * EXCLUDE (score) FROM scores WHERE score = ? AND NOT isnan(value) "
            "ORDER BY value DESC, stack, layer, head LIMIT ?",
            "scores",
            values=[score, count],
        )

    def _of(self, table: str, stack: str, layer: int, head: int) -> pd.DataFrame:
        return self._ask(
            "SELECT * FROM query_table(?) WHERE stack = ? AND layer = ? AND head = ?",
            table,
            values=[table, stack, int(layer), int(head)],
        )

    def _ask(self, query: str, *names: str, values: Sequence[Any] = ()) -> pd.DataFrame:
        """Ask DuckDB, which reads of the files only what is needed.

        Raises:
            StorageError: a file is damaged.
        """
        try:
            with duckdb.connect() as asked:
                for name in names:
                    asked.from_parquet(str(self.folder / f"{name}.parquet")).create_view(name)
                found: pd.DataFrame = asked.execute(query, list(values)).df()
        except duckdb.Error as error:
            raise StorageError(
                f"A table of the survey in {self.folder} is damaged.",
                "Go on with the survey, which writes its tables again, or bring back the files.",
            ) from error
        return found


def no_grammar(survey: Survey) -> InputError:
    """Say that a survey knows nothing of dependency relations, and why."""
    if not survey.card.grammar:
        return InputError(
            f"The survey in {survey.folder} has no dependency relations: no spaCy pipeline read along.",
            "Survey the texts into another folder with `--grammar PIPELINE`.",
        )
    return InputError(
        f"The survey in {survey.folder} has no dependency relations: {pipeline_words(survey.card)}.",
        "Choose a pipeline that has a parser.",
    )


def load_survey(folder: str | Path) -> Survey:
    """Open a survey's folder, also one of another machine.

    Raises:
        InputError: it holds no survey.
        StorageError: its card was edited, or a table is not there.
    """
    return Survey(Path(folder).expanduser())
