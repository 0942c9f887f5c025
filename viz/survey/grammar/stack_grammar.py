"""What the heads of a stack do along the grammar of one text."""

from __future__ import annotations

import numpy as np

from viz.capture.layers.recorded_layer import Layer
from viz.capture.stack import Stack
from viz.inputs.units import Units
from viz.survey.grammar.grammar_facts import grammar_facts
from viz.survey.grammar.grammar_measure import GrammarMeasure, Looked
from viz.survey.grammar.grammar_sums import GrammarSums
from viz.survey.grammar.parsed_text import PART_NAMES, ParsedText


class StackGrammar:
    """Gathers sums of a stack, layer by layer.

    Args:
        stack: of the pass over the text.
        units: of the text.
        parsed: the text.
        half: of the corpus, in which it is.

    Attributes:
        sums: of the layers that were added.
    """

    def __init__(self, stack: Stack, units: Units, parsed: ParsedText, half: int) -> None:
        self._facts = grammar_facts(stack, units, parsed)
        self._measure = GrammarMeasure(self._facts)
        self._half = half
        self.sums = GrammarSums.empty([one.heads for one in stack.records], self._facts.relations)
        of_queries = self._facts.query_parts.cpu().numpy()
        self.sums.part_rows[half] += np.bincount(of_queries, minlength=len(PART_NAMES))

    def look(self, layer: Layer) -> Looked:
        """Begin a layer; its blocks are added to what is returned."""
        return Looked(self._facts, layer.heads)

    def add(self, number: int, layer: Layer, looked: Looked) -> None:
        """Add a layer all blocks of which were looked at."""
        self.sums.add(number, self._half, self._measure.of(layer, looked))
