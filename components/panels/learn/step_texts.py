"""What the Learn page says of each step of self-attention, and of what breaks it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, computes and is for.

    Attributes:
        title: in a word or two.
        node: what it is called in the diagram.
        formula: in TeX.
        sentence: what it does.
    """

    title: str
    node: str
    formula: str
    sentence: str


STEPS = {
    "tokens": Step(
        "Tokens",
        "Embeddings + positions",
        r"X = E + P",
        "Every token is a row of numbers, its embedding; its position is added, because scores and "
        "weighted sums take no notice of order by themselves.",
    ),
    "projections": Step(
        "Q, K, V",
        "Q, K, V",
        r"Q = XW_Q \qquad K = XW_K \qquad V = XW_V",
        "Three matrices make of each token what it looks for (query), what it is found by (key) and "
        "what it hands over (value).",
    ),
    "scores": Step(
        "Scores",
        "Scores",
        r"S = QK^\top",
        "Each query is multiplied with each key: the better the two fit, the larger the score.",
    ),
    "scale": Step(
        "Scale",
        "Scale",
        r"\frac{QK^\top}{\sqrt{d_k}}",
        "A sum of d_k products grows like the root of d_k; divided by it, scores stay where softmax "
        "is neither flat nor nearly one-hot.",
    ),
    "mask": Step(
        "Mask",
        "Mask",
        r"\frac{QK^\top}{\sqrt{d_k}} + M, \qquad M_{ij} = -\infty \text{ where } j > i",
        "What comes later gets −∞, and so the weight 0: a model that writes must not attend to what it "
        "is to predict.",
    ),
    "softmax": Step(
        "Softmax",
        "Softmax",
        r"A = \operatorname{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}} + M\right)",
        "Each row becomes weights that are positive and sum to 1: how the token shares out its "
        "attention.",
    ),
    "sum": Step(
        "Sum",
        "Weighted sum",
        r"O = AV",
        "Each token gets the mean of all values, weighted by its row of A.",
    ),
    "join": Step(
        "Join",
        "Heads joined",
        r"\operatorname{Concat}(O_0, \ldots, O_{h-1})",
        "The heads' results are laid side by side: each head looked in its own way, and none had to "
        "give way to another.",
    ),
    "output": Step(
        "Output",
        "Output projection",
        r"Y = \operatorname{Concat}(O_0, \ldots, O_{h-1})\,W_O",
        "A last matrix mixes what the heads found, back to the width of a token.",
    ),
}

# What is left out when a switch is turned, and why it is there otherwise.
BROKEN = {
    "positions": (
        "no positions",
        "Without positions the order of what a token may attend to is lost: shuffle what came before, and "
        "the output of the last token stays the same. Only the mask still tells what came before at all.",
    ),
    "projections": (
        "no projections",
        "Without matrices of their own, queries and keys are the same: looking is always mutual, and "
        "mostly at oneself.",
    ),
    "scaled": (
        "no scaling",
        "Without the scale the weights crowd onto one token; the wider the heads, the worse, and "
        "the gradient goes to 0.",
    ),
    "masked": (
        "no mask",
        "Without the mask a token takes weight from what comes later: in training a model would copy "
        "the answer, and in writing there is none to copy.",
    ),
    "temperature": (
        "another temperature",
        "Below 1 the rows get sharper, in the end one token takes all; above 1 flatter, in the end "
        "every token gets as much.",
    ),
    "several": (
        "one head",
        "One head has one pattern for everything: it cannot attend to the verb for one reason and at "
        "the word before for another.",
    ),
    "output": (
        "no output projection",
        "Without it, what a head found stays in its own columns, and no column hears of two heads.",
    ),
}

# What is measured of a worked lesson.
MEASURES = {
    "entropy_nats": "entropy of a row in nats; 0: all on one token",
    "largest": "largest weight of a row; 1: all on one token",
    "ahead": "weight on later tokens; 0 under a causal mask",
    "itself": "weight on itself",
    "asymmetry": "largest |score(a, b) − score(b, a)|; 0: looking is mutual",
    "between_heads": "weight that two heads put elsewhere than each other",
    "order": "last output moves with those before it reversed; 0: order is lost",
}
