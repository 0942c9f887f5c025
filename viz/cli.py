"""The `loupe` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from viz.capture import Check, check
from viz.capture.checking.model_check import COLUMNS
from viz.capture.load_and_wrap_model import load_model
from viz.cli_survey import add_survey_options, survey_command
from viz.cli_train import add_options, example_of, train_command
from viz.command import STOPPED, typed
from viz.errors import InputError, LoupeError, ModelNotFoundError
from viz.models import Model
from viz.models.catalogue import CATALOGUE, CatalogueEntry, find_entry, is_available
from viz.models.fetch import fetch
from viz.models.model import several
from viz.models.name_suggestion import other_models

SAMPLE = "The animal didn't cross the street because it was too tired."


class Parser(argparse.ArgumentParser):
    """Says what was wrong with arguments in one sentence."""

    def error(self, message: str) -> NoReturn:
        """End with the status of a user's mistake."""
        print(f"{self.prog}: {message}. See {self.prog} --help.", file=sys.stderr)
        sys.exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Run a command; a user's mistake is one sentence on standard error and exit status 2."""
    parser = Parser(prog="loupe", description="See where transformers look.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("models", help="list the models of the catalogue")
    fetching = commands.add_parser("fetch", help="bring models of the catalogue to this machine")
    fetching.add_argument("model", nargs="+", help=", ".join(CATALOGUE))
    checking = commands.add_parser("check", help="compare a model's weights with its eager ones")
    checking.add_argument("model", help="a catalogue name, a Hugging Face id, or a folder")
    checking.add_argument("--text", help="to run it on")
    checking.add_argument("--image", help="a file, for models that see")
    checking.add_argument("--sound", help="a file, for models that hear")
    checking.add_argument("--target", help="what an encoder-decoder writes")
    checking.add_argument("--revision", help="of a Hugging Face model")
    training = commands.add_parser("train", help="let a small model learn a task; alone lists them")
    add_options(training)
    surveying = commands.add_parser("survey", help="measure every head of a model over texts")
    add_survey_options(surveying)
    options = parser.parse_args(arguments)
    options.typed = sys.argv[1:] if arguments is None else arguments
    try:
        if options.command == "models":
            _list_models()
        elif options.command == "fetch":
            _fetch_models(options.model)
        elif options.command == "train":
            sys.exit(train_command(options))
        elif options.command == "survey":
            sys.exit(survey_command(options))
        else:
            sys.exit(0 if _check_model(options) else 1)
    except LoupeError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(STOPPED)


def _list_models() -> None:
    for entry in CATALOGUE.values():
        state = "here" if is_available(entry) else f"{entry.download_mb} MB to fetch"
        print(f"{entry.name:10} {entry.title:24} {state:16} {entry.description}")


def _check_model(options: argparse.Namespace) -> bool:
    """Print the largest difference of every layer; whether nothing that can be told is wrong."""
    model = load_model(options.model, revision=options.revision)
    checked = _checked(model, options)
    rows = checked.layers.copy()
    for name in ("difference", "allowed", "output error"):
        rows[name] = rows[name].map("{:.1e}".format, na_action="ignore")
    if (rows["note"] == "").all():
        rows = rows.drop(columns="note")
    print(rows.to_string(index=False))
    print("\n".join(f"  {name}: {words}" for name, words in COLUMNS.items() if name in rows))
    print(f"{model.name}, {model.dtype}: {checked.summary()}")
    return checked.holds


def _checked(model: Model, options: argparse.Namespace) -> Check:
    """Check a model on what is given, on the example of what it was trained for, or on a sentence."""
    given = {"image": options.image, "sound": options.sound}
    if options.text is None and not any(given.values()):
        example = example_of(Path(options.model))
        if example is not None:
            return check(model, example.given, target=options.target or example.target)
        if model.reads and "text" not in model.reads:
            raise InputError(
                f"{model.name} reads {several(model.reads)}, and none is given.",
                f"Name a file: {typed('check', options.model)} "
                + " or ".join(f"--{sense} FILE" for sense in sorted(model.reads)),
            )
    text = options.text
    if text is None and "text" in model.reads and not options.sound:
        text = SAMPLE
    return check(model, text, target=options.target, **given)


def _fetch_models(names: list[str]) -> None:
    """Bring all that were named, once it is known that there are such."""
    for entry in [_entry_of(name) for name in dict.fromkeys(names)]:
        print(f"{entry.title} is in {fetch(entry, _said(entry.title))}")


def _said(title: str) -> Callable[[str, float], None]:
    """Return what prints the phases of one model's way here."""
    return lambda phase, _: print(f"{title}: {phase}", flush=True)


def _entry_of(name: str) -> CatalogueEntry:
    entry = find_entry(name)
    if entry is None:
        raise ModelNotFoundError(f"There is no {name!r} in the catalogue.", other_models(name))
    return entry


if __name__ == "__main__":
    main()
