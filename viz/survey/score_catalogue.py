"""What is measured of every head, with the words in which it is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from viz.registry import Registry

# What a score is measured on.
Ground = Literal["texts", "repeated sequences", "needles", "parameters", "loss"]


@dataclass(frozen=True, slots=True)
class Score:
    """One number a head.

    Attributes:
        name: in tables, links and Python.
        title: in lists and on axes.
        ground: what it is measured on.
        unit: of the number; empty of shares of weight.
        meaning: one line for who does not know it.
        clause: what a head does that has much of it, after "attends"; empty where it says nothing of where.
        source: paper that the measure is from.
    """

    name: str
    title: str
    ground: Ground
    unit: str
    meaning: str
    clause: str = ""
    source: str = ""

    @property
    def is_share(self) -> bool:
        """Whether it is a share of a head's weight, from 0 to 1."""
        return self.unit == "" and self.ground in ("texts", "repeated sequences")


SCORES: Registry[Score] = Registry("score")

for _score in (
    Score("entropy", "Entropy", "texts", "nats", "How widely a row's weights are spread."),
    Score("distance", "Distance", "texts", "tokens", "How far away what is looked at stands."),
    Score(
        *("sink", "Sinks", "texts", ""),
        "Weight on the first token, on tokens that stand for no text, and on the model's own sinks.",
        "to sinks",
        "Xiao et al. 2023, Efficient Streaming Language Models with Attention Sinks",
    ),
    Score("first", "First token", "texts", "", "Weight on the first token.", "to the first token"),
    Score(
        *("previous", "Previous token", "texts", ""),
        "Weight on the token before.",
        "to the previous token",
        "Olsson et al. 2022, In-context Learning and Induction Heads",
    ),
    Score("current", "Current token", "texts", "", "Weight on the token itself.", "to itself"),
    Score("next", "Next token", "texts", "", "Weight on the token after.", "to the next token"),
    Score(
        *("punctuation", "Punctuation", "texts", ""),
        "Weight on punctuation marks and symbols.",
        "to punctuation",
        "Clark et al. 2019, What Does BERT Look At?",
    ),
    Score(
        *("separator", "Separators", "texts", ""),
        "Weight on separator and end tokens, and on line breaks.",
        "to separators",
        "Clark et al. 2019, What Does BERT Look At?",
    ),
    Score(
        *("same_token", "Same token elsewhere", "texts", ""),
        "Weight on the query's own token at other places, of queries whose token comes again.",
        "to the same token elsewhere",
    ),
    Score(
        *("induction", "Induction", "texts", ""),
        "Weight on what came after earlier occurrences of the query's token, of queries whose token came before.",
        "to what followed the same token earlier",
        "Olsson et al. 2022, In-context Learning and Induction Heads",
    ),
    Score(
        *("repeated_previous", "Previous token, random tokens", "repeated sequences", ""),
        "Weight on the token before, in random tokens that come twice.",
        "to the previous token",
        "Olsson et al. 2022, In-context Learning and Induction Heads",
    ),
    Score(
        *("repeated_duplicate", "Duplicate token, random tokens", "repeated sequences", ""),
        "Weight on the same token in the first of two equal halves of random tokens.",
        "to the earlier copy of the same token",
        "Wang et al. 2022, Interpretability in the Wild",
    ),
    Score(
        *("repeated_induction", "Induction, random tokens", "repeated sequences", ""),
        "Weight on what came after the same token in the first of two equal halves of random tokens.",
        "to what followed the same token earlier",
        "Olsson et al. 2022, In-context Learning and Induction Heads",
    ),
    Score(
        *("repeated_anti_induction", "Anti-induction, random tokens", "repeated sequences", ""),
        "Weight as in induction of a head that writes against the token it looks at: times minus its copying score, "
        "where that is negative.",
        source="Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
    ),
    Score(
        *("retrieval", "Retrieval", "needles", "share"),
        "Share of a needle's tokens whose copying this head leads: it looks most at the token that is to be written.",
        source="Wu et al. 2024, Retrieval Head Mechanistically Explains Long-Context Factuality",
    ),
    Score(
        *("copying", "Copying", "parameters", "ratio"),
        "Whether what a head carries raises the logit of the token it looks at (1) or lowers it (-1): the sum of the "
        "eigenvalues of its token-to-logit map over the sum of their sizes.",
        source="Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
    ),
    Score(
        *("loss_estimate", "Effect on the loss, estimated", "loss", "nats"),
        "How much the loss rises without the head, to first order, per token.",
        source="Nanda 2023, Attribution Patching",
    ),
    Score(
        *("loss_effect", "Effect on the loss, exact", "loss", "nats"),
        "How much the loss rises without the head, per token; of the heads whose estimates lead.",
    ),
):
    SCORES.add(_score)
