"""A survey on disk: what was measured so far, and the tables that are made of it.

card.json                      what it is of, and how far it came
shards/                        sums over a few windows each, from which it goes on
probes/                        scores on inputs of their own
scores.parquet, ...            the tables, see `viz.survey.survey_tables`
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from viz.errors import StorageError
from viz.models.whole_file import write_whole
from viz.survey.measured import Measured, NotMeasured
from viz.survey.shard_file import COUNTS, SUFFIX, Shard, read_counts, read_shard, write_shard
from viz.survey.sums.survey_sums import SurveySums
from viz.survey.survey_card import CARD, SurveyCard, read_card, write_card
from viz.survey.survey_tables import tables

FIELDS = ("value", "chance", "halves", "counted")


class SurveyFolder:
    """One survey's folder.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def has_card(self) -> bool:
        """Whether a survey was begun here."""
        return (self.path / CARD).is_file()

    @property
    def is_bare(self) -> bool:
        """Whether nothing was measured, so that something else may begin here."""
        return not self.shards() and not any((self.path / "probes").glob(f"*{SUFFIX}"))

    def card(self) -> SurveyCard:
        """Read its card; errors as in `read_card`."""
        return read_card(self.path)

    def write_card(self, card: SurveyCard) -> None:
        """Write its card; errors as in `survey_card.write_card`."""
        write_card(self.path, card)

    def shards(self) -> list[Shard]:
        """List what was read, in the order of the windows."""
        files = sorted((self.path / "shards").glob(f"*{SUFFIX}"))
        return [shard for shard in (Shard.named(one.name) for one in files) if shard is not None]

    def keep_shard(self, shard: Shard, sums: SurveySums) -> None:
        """Keep the sums of a shard; errors as in `write_shard`."""
        write_shard(self.path / "shards", shard, sums)

    def counts(self) -> dict[str, int]:
        """Count the windows and tokens that were measured, and the windows that were refused, in the words of the card.

        Raises:
            StorageError: a shard is damaged.
        """
        each = [read_counts(self.path / "shards" / shard.file_name) for shard in self.shards()]
        return {name: sum(one[name] for one in each) for name in COUNTS}

    def sums(self) -> SurveySums:
        """Join all shards, in the order of the windows, so that the result does not depend on who read them when.

        Raises:
            StorageError: one of them is damaged.
        """
        whole = SurveySums()
        for shard in self.shards():
            whole.join(read_shard(self.path / "shards" / shard.file_name))
        whole.forget_unshown()
        return whole

    def has_probe(self, name: str) -> bool:
        """Whether scores of that name were found."""
        return self._probe(name).is_file()

    def keep_probe(self, name: str, found: Sequence[Measured | NotMeasured]) -> None:
        """Keep scores on inputs of their own.

        Raises:
            StorageError: the folder cannot be written to.
        """
        arrays: dict[str, Any] = {}
        told: list[dict[str, Any]] = []
        for number, one in enumerate(found):
            if isinstance(one, NotMeasured):
                told.append(asdict(one))
                continue
            told.append({"score": one.score, "stack": one.stack, "number": number})
            arrays |= {f"{number}/{field}": getattr(one, field) for field in FIELDS}
        path = self._probe(name)
        try:
            write_whole(path, save(arrays, metadata={"probe": json.dumps(told)}))
        except OSError as error:
            raise StorageError(
                f"What was measured cannot be written to {path.parent}: {error.strerror or error}.",
                "Free some space or choose another folder; what was written before is kept.",
            ) from error

    def probes(self) -> list[Measured | NotMeasured]:
        """Read all scores on inputs of their own.

        Raises:
            StorageError: one of the files is damaged.
        """
        return [
            one
            for path in sorted((self.path / "probes").glob(f"*{SUFFIX}"))
            for one in _read_probe(path)
        ]

    def write_tables(self, sums: SurveySums) -> None:
        """Make the tables of all shards, joined, and of what else is there; write each in one piece.

        Raises:
            StorageError: the folder cannot be written to, or a part is damaged.
        """
        if not sums.stacks:
            return
        measured = [one for one in self.probes() if isinstance(one, Measured)]
        for name, frame in tables(sums, measured).items():
            _write_table(self.path, name, frame)

    def _probe(self, name: str) -> Path:
        return self.path / "probes" / f"{name}{SUFFIX}"


def _write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    try:
        write_whole(folder / f"{name}.parquet", frame.to_parquet(None, index=False))
    except OSError as error:
        raise StorageError(
            f"The tables cannot be written to {folder}: {error.strerror or error}.",
            "Free some space; what was measured is kept, and `loupe survey` goes on from it.",
        ) from error


def _read_probe(path: Path) -> Iterator[Measured | NotMeasured]:
    try:
        with safe_open(path, framework="np") as file:
            for one in json.loads(file.metadata()["probe"]):
                if "reason" in one:
                    yield NotMeasured(**one)
                    continue
                own = {
                    field: np.array(file.get_tensor(f"{one['number']}/{field}")) for field in FIELDS
                }
                yield Measured(one["score"], one["stack"], **own)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path.name} in {path.parent} is damaged.",
            "Delete this file; the survey measures it again when it goes on.",
        ) from error
