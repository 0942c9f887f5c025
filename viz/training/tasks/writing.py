"""What tasks have in common in which one sequence is read and another written."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerBase

from viz.analysis.head_patterns import Targets
from viz.models.custom.model_options import TransformerOptions
from viz.training.dataset_batches import Columns, examples_of
from viz.training.task import Loaded, Probe

Pair = tuple[str, str]


def loaded(
    pairs: Sequence[Pair],
    test: int,
    tokenizer: PreTrainedTokenizerBase,
    options: TransformerOptions,
    targets: Sequence[Targets],
) -> Loaded:
    """Make a task's data of pairs of texts, what is read and what is to be written.

    Args:
        pairs: no two of them alike; the first are those to be tried on.
        test: how many those are.
        tokenizer: of both.
        options: of the model.
        targets: where a solved model looks in the first of them.
    """
    return Loaded(
        examples=examples_of(
            columns(pairs[test:], tokenizer),
            columns(pairs[:test], tokenizer),
            DataCollatorForSeq2Seq(tokenizer),
        ),
        tokenizer=tokenizer,
        options=options,
        probes=tuple(
            Probe(read, written, "cross", one)
            for (read, written), one in zip(pairs, targets, strict=False)
        ),
    )


def columns(pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase) -> Columns:
    """Turn pairs into the numbers that a model reads and those that it is to write."""
    read, written = zip(*pairs, strict=True)
    return {
        "input_ids": tokenizer(list(read))["input_ids"],
        "labels": tokenizer(list(written))["input_ids"],
    }
