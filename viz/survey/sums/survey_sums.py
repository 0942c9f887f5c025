"""What is added up of a model over many texts: sums of every stack, and the texts of its examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from viz.capture.trace import Trace
from viz.survey.grammar.grammar_sums import GrammarSums
from viz.survey.grammar.parsed_text import parse
from viz.survey.grammar.pipelines import Pipeline
from viz.survey.grammar.stack_grammar import StackGrammar
from viz.survey.sums.example_candidates import draw
from viz.survey.sums.layer_sums import TextMeasure
from viz.survey.sums.shown_window import ShownWindow, TokenEnd, shown_window
from viz.survey.sums.stack_sums import HALVES, StackSums
from viz.survey.sums.text_facts import text_facts
from viz.survey.texts.windows import Window

# Texts of windows that are held before those of which no example is kept any more are let go of.
MOST_SHOWN = 1024


@dataclass(slots=True)
class SurveySums:
    """Sums over windows of a corpus.

    Attributes:
        stacks: by name.
        grammar: of each stack, by name; empty where no pipeline reads along.
        windows: how many were read.
        tokens: how many tokens they have together.
        shown: windows that examples are in, by their numbers.
        refused: windows on which the model's attention could not be shown.
        refusal: why, of the first of them.
    """

    stacks: dict[str, StackSums] = field(default_factory=dict)
    grammar: dict[str, GrammarSums] = field(default_factory=dict)
    windows: int = 0
    tokens: int = 0
    shown: dict[int, ShownWindow] = field(default_factory=dict)
    refused: int = 0
    refusal: str = ""

    def refuse(self, reason: str) -> None:
        """Count a window that was read and says nothing."""
        self.refused += 1
        self.refusal = self.refusal or reason

    def join(self, other: SurveySums) -> None:
        """Add what was found in other windows; the order in which parts are joined changes nothing but rounding.

        Raises:
            ShapeError: they were read by another model.
        """
        for name, theirs in other.stacks.items():
            if name not in self.stacks:
                self.stacks[name] = StackSums.empty(theirs.heads, theirs.classes)
            self.stacks[name].join(theirs)
        for name, grammar in other.grammar.items():
            if name not in self.grammar:
                self.grammar[name] = GrammarSums.empty(grammar.heads)
            self.grammar[name].join(grammar)
        self.windows += other.windows
        self.tokens += other.tokens
        self.refused += other.refused
        self.refusal = self.refusal or other.refusal
        self.shown.update(other.shown)
        if len(self.shown) > MOST_SHOWN:
            self.forget_unshown()

    def forget_unshown(self) -> None:
        """Let go of the texts and the tokens of examples that are not kept any more."""
        wanted = ends_by_window(self.stacks)
        self.shown = {
            number: one.only(wanted[number])
            for number, one in self.shown.items()
            if number in wanted
        }


def ends_by_window(stacks: Mapping[str, StackSums]) -> dict[int, set[TokenEnd]]:
    """Gather both ends of all examples, by the windows that they are in."""
    found: dict[int, set[TokenEnd]] = defaultdict(set)
    for name, stack in stacks.items():
        for edges in stack.examples.values():
            for one in edges:
                found[one.window].add(TokenEnd(name, "query", one.query))
                found[one.window].add(TokenEnd(name, "key", one.key))
    return found


@torch.inference_mode()
def add_window(
    sums: SurveySums,
    window: Window,
    trace: Trace,
    *,
    seed: int = 0,
    pipeline: Pipeline | None = None,
) -> None:
    """Add what every head does in a window; along its grammar, too, where a pipeline is given.

    Nothing is added where it fails, so that the same window can be read again.

    Raises:
        LoupeError: the model's attention cannot be measured on this text, for the reason it gives.

    Cost: a pass over the exact weights of each layer in blocks.
    """
    parsed = None if pipeline is None else parse(pipeline, window.text)
    half = window.number % HALVES
    found = SurveySums(windows=1, tokens=len(trace.units))
    for number, (name, stack) in enumerate(trace.stacks.items()):
        facts = text_facts(stack)
        measure = TextMeasure(facts)
        heads = [one.heads for one in stack.records]
        own = StackSums.empty(heads, facts.classes)
        own.class_rows[half] += np.bincount(
            facts.query_classes.cpu().numpy(), minlength=len(facts.classes)
        )
        drawn = draw(seed, window.number, number, heads, len(stack.queries))
        grammar = None if parsed is None else StackGrammar(stack, trace.units, parsed, half)
        for layer, record in enumerate(stack.records):
            looked = None if grammar is None else grammar.look(record)
            measured, examples = measure.of(
                record, drawn[layer], also=None if looked is None else looked.add
            )
            own.add(layer, half, measured, measure.chance(record), examples)
            if grammar is not None and looked is not None:
                grammar.add(layer, record, looked)
        found.stacks[name] = own
        if grammar is not None:
            found.grammar[name] = grammar.sums
    ends = ends_by_window(found.stacks)[window.number]
    found.shown[window.number] = shown_window(window, trace, ends)
    sums.join(found)
