"""The `loupe` command."""

from __future__ import annotations

import argparse
import sys

from viz.errors import LoupeError, ModelNotFoundError
from viz.models.catalogue import CATALOGUE, find_entry, is_available
from viz.models.fetch import fetch


def main(arguments: list[str] | None = None) -> None:
    """Run a command; a user's mistake is one sentence on standard error and exit status 2."""
    parser = argparse.ArgumentParser(prog="loupe", description="See where transformers look.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("models", help="list the models of the catalogue")
    fetching = commands.add_parser("fetch", help="bring a model of the catalogue to this machine")
    fetching.add_argument("model", help=", ".join(CATALOGUE))
    options = parser.parse_args(arguments)
    try:
        if options.command == "models":
            _list_models()
        else:
            _fetch_model(options.model)
    except LoupeError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _list_models() -> None:
    for entry in CATALOGUE.values():
        state = "here" if is_available(entry) else f"{entry.download_mb} MB to fetch"
        print(f"{entry.name:10} {entry.title:24} {state:16} {entry.description}")


def _fetch_model(name: str) -> None:
    entry = find_entry(name)
    if entry is None:
        raise ModelNotFoundError(
            f"There is no {name!r} in the catalogue.", f"Choose one of {', '.join(CATALOGUE)}."
        )
    folder = fetch(entry, lambda phase, _: print(f"{entry.title}: {phase}", flush=True))
    print(f"{entry.title} is in {folder}")
