"""How a training was set up, in words."""

from __future__ import annotations

from viz.training.bundled_data import TEXTS
from viz.training.tasks import TASKS
from viz.training.tasks.language import DEFAULT_TEXT
from viz.training.training_folder import About

POSITIONS = {
    "none": "none",
    "sinusoidal": "sinusoidal",
    "learned": "learned",
    "rotary": "rotary (RoPE)",
    "alibi": "ALiBi",
}

# What each field of the form is, and what a larger value does.
HELP = {
    "task": "What the model learns to do, and with it the data, the usual settings and the goal.",
    "text": "What the model learns the language of. A longer text takes longer to prepare, not longer to train.",
    "layers": "How many blocks of attention and feed-forward lie on one another, 1 to 12. More can learn more "
    "steps of reasoning and take longer, each about as long as the first.",
    "heads": "Heads in each layer, 1 to 16. More attend to more things at once, each with a smaller share of the "
    "width, which they must divide.",
    "width": "Numbers that stand for each token (d_model), 4 to 512, a multiple of the heads. A larger width "
    "holds more, and takes time and memory that grow faster than it.",
    "positions": "How the model knows where a token stands. Without any, it cannot tell the order except by "
    "its mask.",
    "steps": "Updates of the weights. More take longer in proportion, and often end with a lower loss.",
    "rate": "How far an update moves the weights: the largest, which is grown to at first and falls to nothing "
    "at the end. A larger one learns faster, until the loss grows instead of falling.",
    "batch": "Examples in each step. More give steadier steps, each of which takes longer.",
    "seed": "A whole number that random choices begin from. The same one gives the same weights to begin with, "
    "and the same examples; a larger one is merely another.",
    "stack": "Which run of layers is looked at: the encoder's, the decoder's, or those that look from one into "
    "the other.",
    "head": "Whose weights are drawn. The one that scores best looks most where a solved task looks.",
    "keep": "Steps between checkpoints; each can be looked at, opened and downloaded. A larger number keeps "
    "fewer of them, and takes less room.",
}


def model_words(layers: int, heads: int, width: int) -> str:
    """Say what a model is made of."""
    many = "1 layer" if layers == 1 else f"{layers} layers"
    each = "1 head" if heads == 1 else f"{heads} heads"
    return f"{many} of {each}, width {width}"


def settings_words(about: About) -> str:
    """Say all that a person may choose of a training."""
    made, trained = about.options, about.settings
    positions = (
        "no positions" if made.positions == "none" else f"{POSITIONS[made.positions]} positions"
    )
    text = f"; text: {text_title(about)}" if TASKS[about.task].takes_text else ""
    return (
        f"{model_words(made.layers, made.heads, made.d_model)}, {positions}; {trained.steps:,} steps at "
        f"learning rate {trained.learning_rate:g}, batch {trained.batch_size:,}, seed {trained.seed}, "
        f"checkpoints every {trained.keep_every:,}{text}"
    )


def text_title(about: About) -> str:
    """Say which text a training learns from."""
    return about.text_name or TEXTS[DEFAULT_TEXT]
