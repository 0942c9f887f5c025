"""A survey that was made before, asked for its tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from viz.errors import InputError, ShapeError, StorageError
from viz.survey.head_sentence import HeadSentence, head_sentence
from viz.survey.score_catalogue import SCORES
from viz.survey.survey_card import SurveyCard, read_card
from viz.survey.survey_tables import HEAD, TABLES


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
            raise StorageError(
                f"The survey in {folder} has no table of {missing[0]} yet."
                if self.card.windows == 0
                else f"The survey in {folder} lacks {missing[0]}.parquet.",
                "Go on with the survey, which writes its tables at its end and where it is stopped.",
            )

    def __repr__(self) -> str:
        card = self.card
        return f"Survey({card.model['name']!r}, {card.windows:,} windows, {card.tokens:,} tokens, {card.state})"

    def table(self, name: str) -> pd.DataFrame:
        """Return one of `TABLES` as a whole.

        Raises:
            InputError: there is none of that name.
            StorageError: its file is damaged.
        """
        if name not in TABLES:
            raise InputError(
                f"There is no table {name!r:.40}.", f"Choose one of {', '.join(TABLES)}."
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
        return head_sentence(self.scores(layer, head, stack=stack))

    def distribution(
        self, layer: int, head: int, score: str, *, stack: str = "self"
    ) -> pd.DataFrame:
        """Return how the rows of a head are spread over a score of texts: low, high and share."""
        found = self._of("distributions", stack, layer, head)
        return found[found["score"] == score][["low", "high", "share"]].reset_index(drop=True)

    def classes(self, layer: int, head: int, *, stack: str = "self") -> pd.DataFrame:
        """Return what a head looks at, by class: looks_from, looks_at, weight, chance, counted."""
        return self._of("classes", stack, layer, head)

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


def load_survey(folder: str | Path) -> Survey:
    """Open a survey's folder, also one of another machine.

    Raises:
        InputError: it holds no survey.
        StorageError: its card was edited, or a table is not there.
    """
    return Survey(Path(folder).expanduser())
