"""What a survey of every head costs, beside the plain forward passes over the same texts.

For each model, blocks of 16 windows in turn: the plain passes, the survey of the same windows (captured, measured, kept on
disk), and, of every tenth block, eager weights measured by NumPy, which is how it is done without this. What a survey does
once, probes and tables, is added to its time. Peak memory in a process of its own, over a corpus and over one three times
as long. The text is the reference of Python and the docstrings of its library, which every interpreter carries.

Goals: 1.6 x the plain passes, under 1.5 GB above the model whatever the length; NumPy is expected over 5 x.

    python -m benchmarks.survey [--models demo smollm2] [--tokens 200000]      (half an hour on two cores)

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.capture import peak_bytes, reset_peak

# Every so many blocks the plain way is timed, too.
NUMPY_EVERY = 10

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


def measure(name: str, tokens: int) -> dict[str, Any]:
    """Time a survey and its plain passes in turn."""
    import torch

    import viz
    from viz.survey import SurveyControl, SurveySettings, open_corpus
    from viz.survey.measured_windows import measure_windows
    from viz.survey.survey_folder import SurveyFolder
    from viz.survey.survey_probes import find_probes
    from viz.survey.texts.corpus_reading import CorpusReading

    model = viz.load_model(name, device="cpu", dtype="float32")
    settings = SurveySettings(length=LENGTHS.get(name), tokens=tokens, packed=True)
    plain = numpy = numpy_plain = 0.0
    windows = 0
    with tempfile.TemporaryDirectory() as place:
        folder = SurveyFolder(Path(place) / "survey")
        begun = time.perf_counter()
        reading = CorpusReading(model, open_corpus(corpus(Path(place))), settings)
        survey = time.perf_counter() - begun
        batches = reading.pending([])
        for number in range(sys.maxsize):
            begun = time.perf_counter()
            batch = next(batches, None)
            survey += time.perf_counter() - begun
            if batch is None:
                break
            inputs = [model.tokenizer(one.text, return_tensors="pt") for one in batch]
            if number == 0:
                measure_windows(model, batch[:2])
            begun = time.perf_counter()
            with torch.inference_mode():
                for one in inputs:
                    model.module(**one)
            of_block = time.perf_counter() - begun
            plain += of_block
            begun = time.perf_counter()
            found = measure_windows(model, batch)
            assert found is not None
            folder.keep_shard(found.shard, found.sums)
            survey += time.perf_counter() - begun
            if number % NUMPY_EVERY == 0:
                numpy += by_numpy(name, model.module, inputs)
                numpy_plain += of_block
            windows += len(batch)
            print(f"{name}: {windows} windows, {survey / plain:.2f} x", flush=True)
        texts = survey
        begun = time.perf_counter()
        find_probes(folder, model, reading.first_texts, settings, SurveyControl(), lambda _: None)
        folder.write_tables()
        survey += time.perf_counter() - begun
    return {
        "windows": windows,
        "texts_of_plain": round(texts / plain, 2),
        "all_of_plain": round(survey / plain, 2),
        "numpy_of_plain": round(numpy / numpy_plain, 2),
    }


def by_numpy(name: str, module: Any, inputs: list[Any]) -> float:
    """Time eager weights measured head by head in NumPy: the same scores, without baselines and examples."""
    import numpy as np
    import torch

    module.set_attn_implementation("eager")
    begun = time.perf_counter()
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
    taken = time.perf_counter() - begun
    module.set_attn_implementation("sdpa")
    return taken


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


def memory(name: str, tokens: int) -> int:
    """Survey in this process; peak memory above the model, in bytes."""
    import viz
    from viz.survey import SurveySettings, open_corpus, run_survey
    from viz.survey.survey_folder import SurveyFolder

    model = viz.load_model(name, device="cpu", dtype="float32")
    settings = SurveySettings(length=LENGTHS.get(name), tokens=tokens, packed=True)
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
    parser.add_argument("--memory", help="a model, in this process alone")
    options = parser.parse_args()
    if options.memory:
        print(memory(options.memory, options.tokens))
        return
    found = {}
    for name in options.models:
        figures = measure(name, options.tokens)
        for times in (1, 3):
            command = [sys.executable, "-m", "benchmarks.survey", "--memory", name]
            command += ["--tokens", str(times * MEMORY_TOKENS)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peak = int(done.stdout.splitlines()[-1])
            figures[f"megabytes_above_model_of_{times * MEMORY_TOKENS}"] = round(peak / 1e6)
        found[name] = figures
        print(f"{name}: {json.dumps(figures)}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
