"""The demo model: a small language model whose heads can be told by name.

It is trained by `scripts/demo_model.py`; what came of it lies in `assets/models` and is in the catalogue.
"""

from viz.training.demo.measures import Heads, Measures, measured, scored
from viz.training.demo.recipe import (
    NAME,
    OPTIONS,
    STAGES,
    as_examples,
    as_text,
    corpus,
    corpus_tokenizer,
)

__all__ = [
    "NAME",
    "OPTIONS",
    "STAGES",
    "Heads",
    "Measures",
    "as_examples",
    "as_text",
    "corpus",
    "corpus_tokenizer",
    "measured",
    "scored",
]
