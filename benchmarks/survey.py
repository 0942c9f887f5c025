"""What a survey of every head costs, beside the plain forward passes over the same texts.

For each model, blocks of 16 windows in turn, so that a busy minute hits all of them:

- the plain passes, a window each, as one would run the model over texts (ids are there already, nothing is kept of what it
  returns);
- the plain passes over batches of windows of one length, as many as share a pass in the survey, which is the most that
  batching alone would save;
- the survey of the same windows: read, tokenised, captured, measured, kept on disk;
- of the first windows of every tenth block, eager weights measured by NumPy, which is how it is done without this, beside
  plain passes over the same.

What a survey does once, probes and tables, is added to its time; probes do not grow with the corpus, so that they weigh the
more the fewer its tokens. Peak memory in a process of its own, over a corpus and over one three times as long. The text is
the reference of Python and the docstrings of its library, which every interpreter carries.

Each ratio is by the clock within this run; beside it the same by processor time, which says what a quiet machine would.
Goals: 1.6 x the plain passes, under 1.5 GB above the model whatever the length; NumPy is expected over 5 x.

    python -m benchmarks.survey [--models demo smollm2] [--tokens 200000] [--texts-only]

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.capture import peak_bytes, reset_peak

# Of every so many blocks the first windows are measured by NumPy, too.
NUMPY_EVERY, NUMPY_WINDOWS = 10, 4

# Tokens over which peak memory is measured, and again over three times as many.
MEMORY_TOKENS = 6_000

# Windows of the models, in tokens: what a sentence encoder reads at most, and the usual length.
LENGTHS = {"demo": 256}


def corpus(folder: Path) -> Path:
    """Write the text that is surveyed: the reference of Python, then the docstrings of its standard library."""
    import ast
    import sysconfig
    from pydoc_data.topics import topics

    texts = list(topics.values())
    for module in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        tree = ast.parse(module.read_text(encoding="utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        told = [ast.get_docstring(one) for one in ast.walk(tree) if isinstance(one, kinds)]
        texts.append("\n\n".join(filter(None, told)))
    path = folder / "texts.jsonl"
    path.write_text("\n".join(json.dumps({"text": one}) for one in texts))
    return path


def measure(name: str, tokens: int, *, once: bool) -> dict[str, Any]:
    """Time a survey and its plain passes in turn; what it does once is left out if it is not asked for."""
    import torch

    import viz
    from viz.survey import SurveySettings, WorkControl, open_corpus
    from viz.survey.measured_passes import PASS_TOKENS, WindowPasses
    from viz.survey.measured_windows import measure_windows
    from viz.survey.survey_folder import SurveyFolder
    from viz.survey.survey_probes import find_probes
    from viz.survey.texts.corpus_reading import CorpusReading

    model = viz.load_model(name, device="cpu", dtype="float32")
    settings = SurveySettings(length=LENGTHS.get(name), tokens=tokens, packed=True)
    spent = Spent()
    windows = read = 0
    passes = WindowPasses(model)
    with tempfile.TemporaryDirectory() as place:
        folder, texts_file = SurveyFolder(Path(place) / "survey"), corpus(Path(place))
        with spent.on("texts"):
            reading = CorpusReading(model, open_corpus(texts_file), settings)
        batches = reading.pending([])
        for number in range(sys.maxsize):
            with spent.on("texts"):
                batch = next(batches, None)
            if batch is None:
                break
            inputs = [model.tokenizer(one.text, return_tensors="pt") for one in batch]
            together = alike(inputs, PASS_TOKENS)
            if number == 0:
                measure_windows(model, batch[:2], passes=passes)
            with spent.on("plain"), torch.inference_mode():
                for one in inputs:
                    model.module(**one)
            with spent.on("batched"), torch.inference_mode():
                for one in together:
                    model.module(**one)
            with spent.on("texts"):
                found = measure_windows(model, batch, passes=passes)
                assert found is not None
                folder.keep_shard(found.shard, found.sums)
            if number % NUMPY_EVERY == 0:
                with spent.on("plain of numpy"), torch.inference_mode():
                    for one in inputs[:NUMPY_WINDOWS]:
                        model.module(**one)
                with spent.on("numpy"):
                    by_numpy(model.module, inputs[:NUMPY_WINDOWS])
            windows, read = windows + len(batch), read + sum(one.tokens for one in batch)
            by = [
                f"{other} {spent.ratio('texts', other):.2f} x ({spent.cpu_ratio('texts', other):.2f} x by cpu time)"
                for other in ("plain", "batched")
            ]
            print(f"{name}: {windows} windows, {', '.join(by)}", flush=True)
        with spent.on("once"):
            if once:
                find_probes(
                    *(folder, model, reading.first_texts, settings), WorkControl(), lambda _: None
                )
            folder.write_tables(folder.sums())
    return {
        "tokens": read,
        "windows": windows,
        "threads": torch.get_num_threads(),
        "plain_seconds": round(spent.seconds["plain"], 1),
        "texts_of_plain": spent.ratio("texts", "plain"),
        "texts_of_plain_by_cpu_time": spent.cpu_ratio("texts", "plain"),
        "texts_of_batched_plain": spent.ratio("texts", "batched"),
        "texts_of_batched_plain_by_cpu_time": spent.cpu_ratio("texts", "batched"),
        "with_probes": once,
        "probes_and_tables_of_plain": spent.ratio("once", "plain"),
        "all_of_plain": round(spent.ratio("texts", "plain") + spent.ratio("once", "plain"), 3),
        "numpy_of_plain": spent.ratio("numpy", "plain of numpy"),
    }


class Spent:
    """Seconds that were spent on each of several things, by the clock and by the processor.

    Where others work on the machine, too, the clock says how long it took, and the processor what it cost.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the time until the end of the block."""
        clock, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - clock
        self.cpu[what] = self.cpu.get(what, 0.0) + time.process_time() - cpu

    def ratio(self, one: str, other: str) -> float:
        """Say how many times as long one took as the other."""
        return round(self.seconds[one] / self.seconds[other], 3)

    def cpu_ratio(self, one: str, other: str) -> float:
        """Say the same of the processor's time."""
        return round(self.cpu[one] / self.cpu[other], 3)


def alike(inputs: list[Any], tokens: int) -> list[Any]:
    """Put windows of one length into batches of up to so many tokens."""
    import torch

    by_length: dict[int, list[Any]] = {}
    for one in inputs:
        by_length.setdefault(one["input_ids"].shape[1], []).append(one)
    batches = []
    for length, alike in by_length.items():
        most = max(1, tokens // length)
        for first in range(0, len(alike), most):
            some = alike[first : first + most]
            batches.append({name: torch.cat([one[name] for one in some]) for name in some[0]})
    return batches


def by_numpy(module: Any, inputs: list[Any]) -> None:
    """Measure eager weights head by head in NumPy: the same scores, without baselines and examples."""
    import numpy as np
    import torch

    module.set_attn_implementation("eager")
    for one in inputs:
        with torch.inference_mode():
            layers = module(**one, output_attentions=True).attentions
        ids = one["input_ids"][0].numpy()
        places = np.arange(len(ids))
        away = np.abs(places[:, None] - places[None, :])
        same = (ids[:, None] == ids[None, :]) & (away > 0)
        after = np.pad(same, ((0, 0), (1, 0)))[:, :-1] & (places[None, :] < places[:, None])
        for layer in layers:
            for weights in layer[0].numpy():
                score_by_numpy(weights, away, same, after)
    module.set_attn_implementation("sdpa")


def score_by_numpy(weights: Any, away: Any, same: Any, after: Any) -> list[float]:
    """Measure one head as one would: each score from its whole matrix."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(np.where(weights > 0, weights * np.log(weights), 0), axis=1)
    off_sink = weights.copy()
    off_sink[:, 0] = 0
    heaviest = np.argsort(off_sink, axis=None)[-20:]
    return [
        float(entropy.mean()),
        float((weights * away).sum(axis=1).mean()),
        float(weights[:, 0].mean()),
        *(float(np.diagonal(weights, offset).mean()) for offset in (-1, 0, 1)),
        float((weights * same).sum(axis=1).mean()),
        float((weights * after).sum(axis=1).mean()),
        float(off_sink.flat[heaviest[-1]]),
    ]


def memory(name: str, tokens: int, *, once: bool) -> int:
    """Survey in this process; peak memory above the model, in bytes."""
    import viz
    from viz.survey import SurveySettings, open_corpus, run_survey
    from viz.survey.survey_folder import SurveyFolder

    model = viz.load_model(name, device="cpu", dtype="float32")
    settings = SurveySettings(
        length=LENGTHS.get(name),
        tokens=tokens,
        packed=True,
        **({} if once else {"probes": False, "loss_windows": 0}),
    )
    with tempfile.TemporaryDirectory() as place:
        reset_peak()
        before = peak_bytes()
        run_survey(
            model, open_corpus(corpus(Path(place))), SurveyFolder(Path(place) / "survey"), settings
        )
        return peak_bytes() - before


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=["demo", "smollm2"])
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--texts-only", action="store_true", help="leave out what is measured once")
    parser.add_argument("--memory", help="a model, in this process alone")
    options = parser.parse_args()
    once = not options.texts_only
    if options.memory:
        print(memory(options.memory, options.tokens, once=once))
        return
    found = {}
    for name in options.models:
        figures = measure(name, options.tokens, once=once)
        for times in (1, 3):
            command = [sys.executable, "-m", "benchmarks.survey", "--memory", name]
            command += ["--tokens", str(times * MEMORY_TOKENS)]
            command += [] if once else ["--texts-only"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peak = int(done.stdout.splitlines()[-1])
            figures[f"megabytes_above_model_of_{times * MEMORY_TOKENS}"] = round(peak / 1e6)
        found[name] = figures
        print(f"{name}: {json.dumps(figures)}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
