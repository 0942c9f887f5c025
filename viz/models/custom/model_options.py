"""What a transformer is made of, as plain values that fit into a JSON file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from viz.errors import ConfigError
from viz.models.custom.attention_module import Scores
from viz.models.custom.option_checks import (
    check_groups,
    check_rotary,
    either,
    head_width,
    require_choice,
    require_count,
    require_flag,
    require_share,
)

Architecture = Literal["encoder", "decoder", "encoder-decoder"]
Task = Literal["language", "classification", "regression"]
Reads = Literal["tokens", "vectors", "images"]
Positions = Literal["none", "sinusoidal", "learned", "rotary", "alibi"]
Norm = Literal["pre", "post"]
Activation = Literal["gelu", "relu"]
Pool = Literal["mean", "first", "last", "none"]

CHOICES = {
    "architecture": Architecture,
    "task": Task,
    "positions": Positions,
    "norm": Norm,
    "activation": Activation,
    "pool": Pool,
    "scores": Scores,
}
FLAGS = ("fused", "bias", "tied")

# Layers beyond this are a slip of the keyboard.
MOST_LAYERS = 1_000

# A feed-forward network is so many times as wide as its tokens, as in Vaswani et al. 2017.
WIDER = 4


@dataclass(frozen=True, slots=True)
class TransformerOptions:
    """What a transformer is made of.

    It reads one of three: tokens of a vocabulary, vectors of numbers (steps of a series), or images
    that are cut into patches.

    Attributes:
        architecture: `encoder` (every token looks at all), `decoder` (only back), or
            `encoder-decoder` (the one reads, the other writes).
        task: `language` gives logits of the vocabulary for each token, `classification` logits of
            classes, `regression` numbers.
        vocab_size: how many tokens there are, where it reads tokens.
        d_input: how many numbers a vector has, where it reads vectors.
        image_size: pixels a side, where it reads images.
        patch_size: pixels a side of a patch.
        channels: of an image; 1 is grey.
        outputs: how many classes there are, or how many numbers are predicted.
        d_model: width of a token.
        layers: blocks of each stack; an encoder-decoder has so many twice.
        heads: of each attention.
        kv_heads: heads of keys and values; `heads` by default.
        d_head: width of a head; `d_model / heads` by default.
        d_feedforward: width of the feed-forward networks; 4 * `d_model` by default.
        positions: how it knows where a token stands.
        max_tokens: how many tokens it reads; None if any number, which learned positions do not.
        norm: whether sublayers are normalised before (`pre`) or after (`post`) they run.
        activation: of the feed-forward networks.
        pool: which token a classification or a regression is read off: their `mean`, the `first`,
            the `last`, or `none`: one for each token.
        scores: of every attention, `dot` or `additive`.
        scaled: whether scores are scaled; by default those of dot products are.
        fused: one matrix for queries, keys and values.
        bias: whether projections have one.
        tied: whether logits of tokens use the embeddings once more; fewer weights for large
            vocabularies, but fresh logits favour the token itself, which takes time to unlearn.
        dropout: of what sublayers return, in training.
        attention_dropout: of weights, in training.

    Raises:
        ConfigError: options do not fit each other, or are out of range.
    """

    architecture: Architecture = "decoder"
    task: Task = "language"
    vocab_size: int | None = None
    d_input: int | None = None
    image_size: int | None = None
    patch_size: int | None = None
    channels: int = 1
    outputs: int | None = None
    d_model: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int | None = None
    d_head: int | None = None
    d_feedforward: int | None = None
    positions: Positions = "learned"
    max_tokens: int | None = 256
    norm: Norm = "pre"
    activation: Activation = "gelu"
    pool: Pool = "mean"
    scores: Scores = "dot"
    scaled: bool | None = None
    fused: bool = False
    bias: bool = True
    tied: bool = False
    dropout: float = 0.0
    attention_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, kind in CHOICES.items():
            require_choice(name, getattr(self, name), get_args(kind))
        for name in FLAGS:
            require_flag(name, getattr(self, name))
        if self.scaled is not None:
            require_flag("scaled", self.scaled)
        self._check_counts()
        require_share("dropout", self.dropout)
        require_share("attention_dropout", self.attention_dropout)
        self._check_input()
        self._check_output()
        check_groups(self.heads, self.heads if self.kv_heads is None else self.kv_heads)
        width = self.d_head if self.d_head is not None else head_width(self.d_model, self.heads)
        if self.positions == "rotary":
            check_rotary(width)
        if self.positions == "learned" and self.max_tokens is None:
            raise ConfigError(
                "Learned positions are a table, and max_tokens does not say how long it is.",
                "Give max_tokens, or choose other positions.",
            )

    @property
    def reads(self) -> Reads:
        """What it is given: tokens, vectors or images."""
        if self.image_size is not None:
            return "images"
        return "vectors" if self.d_input is not None else "tokens"

    @property
    def feedforward_width(self) -> int:
        """Width of the feed-forward networks."""
        return WIDER * self.d_model if self.d_feedforward is None else self.d_feedforward

    @property
    def patches(self) -> int:
        """How many patches an image has."""
        return ((self.image_size or 0) // (self.patch_size or 1)) ** 2

    @property
    def patch_width(self) -> int:
        """How many numbers a patch has."""
        return (self.patch_size or 0) ** 2 * self.channels

    def _check_counts(self) -> None:
        """Make sure that whole numbers are within bounds."""
        for name in ("d_model", "heads", "channels"):
            require_count(name, getattr(self, name))
        require_count("layers", self.layers, most=MOST_LAYERS)
        optional = (
            *("vocab_size", "d_input", "image_size", "patch_size", "outputs"),
            *("kv_heads", "d_head", "d_feedforward", "max_tokens"),
        )
        for name in optional:
            if getattr(self, name) is not None:
                require_count(name, getattr(self, name))

    def _check_input(self) -> None:
        """Make sure that it reads one thing."""
        kinds = ("vocab_size", "d_input", "image_size")
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"Of {either(kinds)} {' and '.join(given) or 'none'} came.",
                "Give one: a vocabulary to read tokens, a width to read vectors, a size to read images.",
            )
        if self.image_size is not None:
            if self.patch_size is None or self.image_size % self.patch_size:
                raise ConfigError(
                    f"Images of {self.image_size} pixels a side cannot be cut into patches of "
                    f"{self.patch_size}.",
                    "Choose a patch_size that divides image_size.",
                )
            if self.max_tokens is not None and self.max_tokens < self.patches:
                raise ConfigError(
                    f"An image has {self.patches} patches, and max_tokens is {self.max_tokens}.",
                    "Let max_tokens be at least as many.",
                )
        elif self.patch_size is not None:
            raise ConfigError("Patches of something that is no image.", "Give image_size too.")

    def _check_output(self) -> None:
        """Make sure that what comes out fits what goes in."""
        tokens = self.reads == "tokens"
        if self.task == "language" and not tokens:
            raise ConfigError(
                f"A model of {self.reads} has no vocabulary to give logits of.",
                "Choose the task classification or regression.",
            )
        if self.architecture == "encoder-decoder" and self.task != "language":
            raise ConfigError(
                f"An encoder-decoder writes tokens; the task is {self.task}.",
                "Choose the task language, or an encoder.",
            )
        if self.task != "language" and self.outputs is None:
            raise ConfigError(
                f"The task is {self.task}, and nothing says how many numbers come out.",
                "Give outputs: the number of classes, or of predicted numbers.",
            )
        if self.task == "language" and self.outputs is not None:
            raise ConfigError(
                f"A language model gives a logit for each token; {self.outputs} outputs were asked for.",
                "Leave outputs out.",
            )
