"""What a task is: what is learnt from what, and which attention shows that it was learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from viz.analysis.head_patterns import Targets
from viz.analysis.head_scores import HeadScores, mean_scores, target_scores
from viz.capture import capture
from viz.capture.trace import Trace
from viz.errors import InputError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.transformers_models import LoupeModel
from viz.models.model import Model
from viz.training.task_examples import Examples
from viz.training.training_settings import Settings

Kind = Literal["encoder", "causal", "seq2seq"]
Metric = Literal["accuracy", "loss"]


@dataclass(frozen=True, slots=True)
class Probe:
    """An unseen example, and where a model that has learnt the task looks in it.

    Attributes:
        given: as `viz.capture` takes it: a text, or the model's own inputs.
        target: the second text, of an encoder-decoder.
        stack: the stack that is scored.
        targets: the keys that each of its queries is to look at.
    """

    given: str | Mapping[str, Tensor]
    target: str | None
    stack: str
    targets: Targets

    def trace(self, model: Model) -> Trace:
        """Let a model read it, observed."""
        given = self.given if isinstance(self.given, str) else dict(self.given)
        return capture(model, given, target=self.target)

    def scores(self, trace: Trace) -> HeadScores:
        """Score the heads of a trace of this example."""
        return target_scores(trace.stacks[self.stack], self.targets)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What does the same without attention, measured on the same unseen examples.

    Attributes:
        name: of the method, as a part of a sentence.
        value: in the task's metric.
    """

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task's data, ready to be learnt from.

    Attributes:
        examples: to learn from, and unseen ones to be tried on.
        tokenizer: that goes with the model; None where it reads no tokens.
        options: the task's, with what only the data tells, such as the size of the vocabulary.
        probes: unseen examples by which attention is scored; the first is the one to draw.
        begin: gives a new model what it begins with, such as word vectors; None where all is drawn.
        notes: what a user should know of the data, in sentences.
    """

    examples: Examples
    tokenizer: PreTrainedTokenizerBase | None
    options: TransformerOptions
    probes: tuple[Probe, ...]
    begin: Callable[[LoupeModel], None] | None = None
    notes: tuple[str, ...] = ()

    def scores(self, model: Model) -> HeadScores:
        """Score every head of a model on all probes, each query counting the same."""
        return mean_scores([probe.scores(probe.trace(model)) for probe in self.probes])


class Load(Protocol):
    """Makes a task's data: the same seed, the same data."""

    def __call__(self, seed: int, text: str | None = None) -> Loaded:
        """Make it, from a text of the user's own where the task takes one."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something that a small model learns in a minute.

    Attributes:
        name: what it is called in links and commands.
        title: what a page calls it.
        kind: of model that it needs.
        learns: what goes in and what is to come out, in a sentence.
        shows: the attention that a model which has learnt it shows, in a sentence.
        options: what the model is made of; `load` knows better how large its vocabulary is.
        settings: with which it learns the task in a minute.
        metric: by which it is tried; a loss should be low.
        solved: the value of the metric from which on the task counts as learnt.
        beats_baseline: whether it counts as learnt where it does better than its baseline, where that
            was measured: how much can be known depends on the data.
        scored: the score of the best head from which on its attention shows it.
        load: makes the data.
        margin: by how much it has to do better.
        least_judged: of how many unseen examples at least a value tells whether the task was learnt.
        baseline: what does the same without attention; None where that would be a guess.
        takes_text: whether it learns from a text of the user's own.
    """

    name: str
    title: str
    kind: Kind
    learns: str
    shows: str
    options: TransformerOptions
    settings: Settings
    metric: Metric
    solved: float
    scored: float
    load: Load
    beats_baseline: bool = False
    margin: float = 0.0
    least_judged: int = 1
    baseline: Callable[[Loaded], Baseline] | None = None
    takes_text: bool = False

    def value(self, trial: Mapping[str, float]) -> float:
        """Return the metric out of a trial's line: its loss or its accuracy."""
        return trial[self.metric]

    def measured_baseline(self, loaded: Loaded, count: int) -> Baseline | None:
        """Measure what does the same without attention, on the first unseen examples."""
        if self.baseline is None:
            return None
        test = loaded.examples.test
        unseen = test.select(range(min(count, len(test))))  # type: ignore[attr-defined,arg-type]
        return self.baseline(replace(loaded, examples=replace(loaded.examples, test=unseen)))

    def goal(self, baseline: Baseline | None = None) -> float:
        """Return the value of the metric from which on the task counts as learnt."""
        if not self.beats_baseline or baseline is None:
            return self.solved
        return baseline.value + (self.margin if self.metric == "accuracy" else -self.margin)

    def judges(self, examples: int) -> bool:
        """Whether so many unseen examples tell whether the task was learnt."""
        return examples >= self.least_judged

    def is_solved(self, value: float, baseline: Baseline | None = None) -> bool:
        """Whether a value of the metric, on unseen examples, is good enough.

        Args:
            value: of the metric.
            baseline: measured on the same examples.
        """
        goal = self.goal(baseline)
        if self.beats_baseline and baseline is not None and value == goal:
            return False
        return value >= goal if self.metric == "accuracy" else value <= goal


def without_text(task: str, text: str | None) -> None:
    """Make sure that a task which makes its own data was given no text.

    Raises:
        InputError: it was.
    """
    if text is not None:
        raise InputError(
            f"The task {task} learns from data of its own, and a text came with it.",
            "Leave the text out.",
        )
