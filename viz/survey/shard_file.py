"""Sums over some windows of a corpus as one file, which is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from viz.errors import StorageError
from viz.models.whole_file import write_whole
from viz.survey.grammar.grammar_sums import ARRAYS as GRAMMAR_ARRAYS
from viz.survey.grammar.grammar_sums import GrammarSums
from viz.survey.sums.example_candidates import Example
from viz.survey.sums.shown_window import ShownWindow
from viz.survey.sums.stack_sums import ARRAYS, StackSums
from viz.survey.sums.survey_sums import SurveySums
from viz.survey.texts.windows import Window

SUFFIX = ".safetensors"

# What a shard says of its windows besides what was measured.
COUNTS = ("windows", "tokens", "refused")

# Bytes that say how long the header of a safetensors file is.
_SIZE = 8


@dataclass(frozen=True, slots=True)
class Shard:
    """Windows that were read one after the other.

    Attributes:
        first: number of the first window.
        count: how many.
        digest: of their texts.
    """

    first: int
    count: int
    digest: str

    @property
    def file_name(self) -> str:
        """Of the file, so that a list of files tells what was read."""
        return f"{self.first:08d}-{self.count:04d}-{self.digest}{SUFFIX}"

    @classmethod
    def named(cls, name: str) -> Shard | None:
        """Read back what a file's name tells; None of any other file."""
        parts = name.removesuffix(SUFFIX).split("-")
        if not name.endswith(SUFFIX) or len(parts) != 3 or not (parts[0] + parts[1]).isdecimal():
            return None
        return cls(int(parts[0]), int(parts[1]), parts[2])


def shard_of(windows: Sequence[Window]) -> Shard:
    """Name windows that follow one another by what they say."""
    digest = hashlib.sha256()
    for one in windows:
        digest.update(len(one.text).to_bytes(8, "little"))
        digest.update(one.text.encode("utf-8", "surrogatepass"))
    return Shard(windows[0].number, len(windows), digest.hexdigest()[:16])


def write_shard(folder: Path, shard: Shard, sums: SurveySums) -> Path:
    """Write the sums of a shard in one piece.

    Raises:
        StorageError: the folder cannot be written to, or the disk is full.
    """
    path = folder / shard.file_name
    try:
        write_whole(path, sums_bytes(sums))
    except OSError as error:
        raise StorageError(
            f"What was measured cannot be written to {folder}: {error.strerror or error}.",
            "Free some space or choose another folder; what was written before is kept.",
        ) from error
    return path


def read_shard(path: Path) -> SurveySums:
    """Read the sums of a shard back.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        return sums_of_bytes(path.read_bytes())
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error


def read_counts(path: Path) -> dict[str, int]:
    """Read how many windows and tokens a shard is of, and how many windows were refused, without its sums.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(_SIZE), "little")
            told = json.loads(json.loads(file.read(size))["__metadata__"]["survey"])
        return {name: int(told[name]) for name in COUNTS}
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(path) from error


def sums_bytes(sums: SurveySums) -> bytes:
    """Write sums as the bytes of a safetensors file."""
    arrays: dict[str, Any] = {}
    stacks: dict[str, Any] = {}
    for name, stack in sums.stacks.items():
        arrays |= {f"{name}/{field}": getattr(stack, field) for field in ARRAYS}
        examples = [
            [*key, [[one.rank, one.window, one.query, one.key, one.weight] for one in edges]]
            for key, edges in stack.examples.items()
        ]
        stacks[name] = {"heads": stack.heads, "classes": stack.classes, "examples": examples}
    for name, grammar in sums.grammar.items():
        arrays |= {f"{name}/grammar/{field}": getattr(grammar, field) for field in GRAMMAR_ARRAYS}
    told = {
        "windows": sums.windows,
        "tokens": sums.tokens,
        "refused": sums.refused,
        "refusal": sums.refusal,
        "stacks": stacks,
        "grammar": {name: one.to_json() for name, one in sums.grammar.items()},
        "shown": [one.to_json() for one in sums.shown.values()],
    }
    return save(arrays, metadata={"survey": json.dumps(told)})


def sums_of_bytes(data: bytes) -> SurveySums:
    """Read sums back; errors are those of safetensors, and ValueError, KeyError and TypeError."""
    arrays = load(data)
    told = json.loads(_header(data)["__metadata__"]["survey"])
    stacks = {}
    for name, one in told["stacks"].items():
        examples = {
            (kind, layer, head): [Example(*edge) for edge in edges]
            for kind, layer, head, edges in one["examples"]
        }
        own = {field: np.array(arrays[f"{name}/{field}"]) for field in ARRAYS}
        stacks[name] = StackSums(
            tuple(one["heads"]), tuple(one["classes"]), **own, examples=examples
        )
    grammar = {
        name: GrammarSums.read(
            one, {field: np.array(arrays[f"{name}/grammar/{field}"]) for field in GRAMMAR_ARRAYS}
        )
        for name, one in told["grammar"].items()
    }
    windows = map(ShownWindow.from_json, told["shown"])
    shown = {one.window.number: one for one in windows}
    counts = {name: told[name] for name in ("windows", "tokens", "refused", "refusal")}
    return SurveySums(stacks=stacks, grammar=grammar, shown=shown, **counts)


def _header(data: bytes) -> Any:
    """Read what stands before the arrays, which safetensors gives of files only."""
    size = int.from_bytes(data[:_SIZE], "little")
    return json.loads(data[_SIZE : _SIZE + size])


def _damaged(path: Path) -> StorageError:
    return StorageError(
        f"{path.name} in {path.parent} is damaged.",
        "Delete this file; the survey reads its windows again when it goes on.",
    )
