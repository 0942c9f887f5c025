"""How a model is trained, as plain values that fit into a JSON file."""

from __future__ import annotations

from dataclasses import dataclass

from viz.models.custom.option_checks import require_count, require_positive, require_share

MOST_STEPS = 1_000_000
MOST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is trained: AdamW, a warm-up, then a cosine down to nothing.

    Attributes:
        steps: updates of the weights.
        batch_size: examples of each.
        learning_rate: the largest, after the warm-up.
        warmup: share of the steps in which it grows from nothing.
        weight_decay: of AdamW.
        clip: largest norm of a gradient.
        seed: of the weights that are drawn, of the order of examples, and of what is dropped out.
        keep_every: steps between checkpoints; the first and the last are always kept.
        test_examples: how many unseen examples each checkpoint is tried on.

    Raises:
        ConfigError: a value is out of range.
    """

    steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 3e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    keep_every: int = 50
    test_examples: int = 256

    def __post_init__(self) -> None:
        require_count("steps", self.steps, most=MOST_STEPS)
        for name in ("batch_size", "keep_every", "test_examples"):
            require_count(name, getattr(self, name))
        require_positive("learning_rate", self.learning_rate)
        require_positive("clip", self.clip)
        require_share("weight_decay", self.weight_decay)
        require_share("warmup", self.warmup)
        require_count("seed", self.seed, least=0, most=MOST_SEED)
