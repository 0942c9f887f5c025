"""Train the demo model from nothing, and write it with its card: `python scripts/demo_model.py`.

It learns from the texts in `assets/data` for some 25 minutes on one core, prints how it does, and writes
`assets/models/loupe`. `--folder` writes it elsewhere, `--seed` trains another.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from string import Template

import numpy as np
import torch

from viz.analysis import HeadScores
from viz.capture.load_and_wrap_model import wrap_model
from viz.models.catalogue import SHIPPED
from viz.models.custom import build_model, save_model
from viz.models.custom.transformers_models import LoupeModel
from viz.training.demo import (
    NAME,
    OPTIONS,
    STAGES,
    Heads,
    as_examples,
    corpus,
    corpus_tokenizer,
    measured,
    scored,
)
from viz.training.demo.recipe import Corpus, Stage
from viz.training.evaluation import Trial
from viz.training.training_loop import Moment, train

CARD = Path(__file__).with_name("demo_model.md")

# Steps between two lines that are printed, each of which tells their mean loss.
LINES = 50

# The score from which on a head is named.
CLEAR = 0.6


class Progress:
    """Prints how a training does, and keeps nothing."""

    def __init__(self, module: LoupeModel, known: Corpus) -> None:
        self.module, self.known = module, known
        self.start = time.perf_counter()
        self.losses: deque[float] = deque(maxlen=LINES)

    def moved(self, moment: Moment) -> None:
        """Print a line now and then."""
        self.losses.append(moment.loss)
        if moment.step % LINES == 0:
            mean = sum(self.losses) / len(self.losses)
            seconds = time.perf_counter() - self.start
            print(f"step {moment.step:,}: loss {mean:.3f}, {seconds:.0f} s", flush=True)

    def keep(self, step: int, trial: Trial, remember: Callable[[Path], None]) -> None:
        """Print what the heads do by now."""
        heads = scored(wrap_model(self.module.eval(), self.known.tokenizer), self.known)
        self.module.train()
        print(f"  unseen text: loss {trial.loss:.3f}; {said(heads)}", flush=True)


def main() -> None:
    """Train it and write it."""
    parser = argparse.ArgumentParser(description="Train the demo model from nothing.")
    parser.add_argument("--folder", type=Path, default=SHIPPED / NAME)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("Cutting the texts into pieces", flush=True)
    known = corpus(corpus_tokenizer())
    module = build_model(OPTIONS, known.tokenizer, seed=given.seed)
    progress = Progress(module, known)
    worked = time.process_time()
    for stage in STAGES:
        seeded = replace(stage, settings=replace(stage.settings, seed=given.seed))
        print(f"Learning {stage.title}", flush=True)
        train(module, as_examples(known, seeded).examples, seeded.settings, progress)
    seconds, cpu = time.perf_counter() - progress.start, time.process_time() - worked
    folder = save_model(module.eval(), given.folder, known.tokenizer)
    (folder / "README.md").write_text(
        written(module, known, folder, given.seed, seconds, cpu), encoding="utf-8"
    )
    print(f"It took {seconds:.0f} s and lies in {folder}")


def written(
    module: LoupeModel,
    known: Corpus,
    folder: Path,
    seed: int,
    seconds: float,
    cpu: float,
) -> str:
    """Fill in the card, which is a text with gaps."""
    told = measured(wrap_model(module, known.tokenizer), known)
    weights = (folder / "model.safetensors").read_bytes()
    heads = told.heads
    return Template(CARD.read_text(encoding="utf-8")).substitute(
        layers=OPTIONS.layers,
        heads=OPTIONS.heads,
        width=OPTIONS.d_model,
        feedforward=OPTIONS.feedforward_width,
        pieces=f"{OPTIONS.vocab_size:,}",
        length=OPTIONS.max_tokens,
        parameters=f"{sum(one.numel() for one in module.parameters()):,}",
        bytes=f"{len(weights):,}",
        digest=hashlib.sha256(weights).hexdigest(),
        seen=f"{len(known.seen) / 1e6:.2f}",
        unseen=f"{known.unseen.size / 1e6:.2f}",
        stages="\n".join(table_row(stage) for stage in STAGES),
        seed=seed,
        minutes=f"{seconds / 60:.0f}",
        cpu=f"{cpu / 60:.0f}",
        threads=f"{torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}",
        loss=f"{told.loss:.3f}",
        accuracy=f"{told.accuracy:.1%}",
        bigrams=f"{told.bigram_loss:.3f}",
        previous=row(heads.previous),
        induction=row(heads.induction),
        induction_text=row(heads.induction_text),
        previous_heads=clear(heads.previous),
        induction_heads=clear(heads.induction),
        copied=f"{heads.copied:.1%}",
    )


def table_row(stage: Stage) -> str:
    """Write what was learnt in a stage, and how, as a row of a table."""
    how = stage.settings
    read = how.steps * how.batch_size * stage.length / 1e6
    cells = (
        *(stage.title, f"{how.steps:,}", f"{how.batch_size} x {stage.length}"),
        *(f"{read:.2f} million", f"{stage.repeated:.0%}"),
        *(f"{stage.shortest} to {stage.longest}", f"{stage.between}", f"{stage.shuffled:.0%}"),
        f"{how.learning_rate:g}",
    )
    return f"| {' | '.join(cells)} |"


def clear(scores: HeadScores) -> str:
    """Name all heads that clearly do one thing, layer by layer."""
    layers = (np.flatnonzero(layer >= CLEAR).tolist() for layer in scores.scores)
    named = (
        f"layer {layer} heads {', '.join(map(str, found))}"
        for layer, found in enumerate(layers)
        if found
    )
    return "; ".join(named) or "none"


def row(scores: HeadScores) -> str:
    """Write the best head of one kind as the cells of a table."""
    best = scores.best
    return f"layer {best.layer}, head {best.head} | {best.score:.3f} | {best.uniform:.3f}"


def said(heads: Heads) -> str:
    """Write what heads do as a part of a line."""
    named = {
        "previous token": heads.previous,
        "induction": heads.induction,
        "on text": heads.induction_text,
    }
    parts = (
        f"{name} {scores.best.score:.2f} (layer {scores.best.layer} head {scores.best.head})"
        for name, scores in named.items()
    )
    return f"{', '.join(parts)}, copied {heads.copied:.2f}"


if __name__ == "__main__":
    main()
