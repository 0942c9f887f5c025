"""A model card: what a model learnt, from what, how well, and where its heads look."""

from __future__ import annotations

from dataclasses import asdict

from viz.training.final_scores import Outcome
from viz.training.task import Loaded, Task
from viz.training.training_folder import About


def said(task: Task, outcome: Outcome) -> list[str]:
    """Say what came of a training, in sentences."""
    best = outcome.best
    solved = "solved" if outcome.is_solved else "not solved"
    if not outcome.is_judged:
        solved = "too few to judge"
    bound = "at least" if task.metric == "accuracy" else "at most"
    lines = [
        f"On {outcome.examples:,} unseen examples: {task.metric} {outcome.value:.3f}, {solved} "
        f"({bound} {task.goal(outcome.baseline):.3f})."
    ]
    if outcome.baseline is not None:
        lines.append(f"Without attention: {outcome.baseline.value:.3f}, {outcome.baseline.name}.")
    shown = "reached" if outcome.is_shown else "not reached"
    return [
        *lines,
        task.shows,
        f"Best: layer {best.layer}, head {best.head} scores {best.score:.2f}, where looking at all "
        f"alike scores {best.uniform:.2f}; the goal of {task.scored:g} is {shown}.",
    ]


def model_card(task: Task, about: About, loaded: Loaded, outcome: Outcome) -> str:
    """Write the card of a model that was trained, in Markdown."""
    usual = type(about.options)(vocab_size=1)
    made = {name: one for name, one in asdict(about.options).items() if one != getattr(usual, name)}
    return "\n".join(
        [
            f"# {task.title}",
            "",
            " ".join((task.learns, *loaded.notes)),
            "",
            *(f"- {line}" for line in said(task, outcome)),
            "",
            f"Model, where it is unlike the usual: {_listed(made)}.",
            "",
            f"Training: {_listed(asdict(about.settings))}.",
            "",
            "Open it with `viz.load_model(FOLDER)` of Attention Loupe.",
            "",
        ]
    )


def _listed(values: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
