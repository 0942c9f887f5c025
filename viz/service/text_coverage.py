"""Whether a model reads a text, and which of the catalogue does."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from transformers import AutoTokenizer

from viz.inputs.units import Units, units_from_encoding
from viz.inputs.unknown_tokens import Unread, unread
from viz.models.catalogue import CATALOGUE, CatalogueEntry, find_entry, local_folder
from viz.service.run_result import Analysis, Request


def unread_of(analysis: Analysis) -> Unread | None:
    """Return what of its text a result's model cannot read; None where it was given no text."""
    trace, request = analysis.trace, analysis.request
    if analysis.tokenizer is None or trace.units.kind != "token" or not request.text.strip():
        return None
    written = trace.model.kind == "seq2seq"
    texts = (request.text,) if written or request.pair is None else (request.text, request.pair)
    found = unread(analysis.tokenizer, trace.units, texts)
    if written and request.pair is not None and found.share == 0:
        decoder = trace.stacks.get("decoder")
        if decoder is not None and decoder.queries.kind == "token":
            found = unread(analysis.tokenizer, decoder.queries)
    return found


def reader_of(request: Request) -> CatalogueEntry | None:
    """Return the model of the catalogue, on this machine, that reads all of a text in the fewest tokens."""
    found = []
    for entry in CATALOGUE.values():
        if entry.reads != "text" or entry is find_entry(request.model):
            continue
        tokenizer = _tokenizer(entry.name)
        if tokenizer is None:
            continue
        texts = [text for text in (request.text, request.pair) if text]
        units = [_units(tokenizer, text) for text in texts]
        if all(
            unread(tokenizer, *one).share == 0
            for one in zip(units, ((t,) for t in texts), strict=True)
        ):
            found.append((sum(map(len, units)), entry))
    return min(found, key=lambda one: one[0])[1] if found else None


def _units(tokenizer: Any, text: str) -> Units:
    encoding = tokenizer(
        text,
        return_special_tokens_mask=True,
        return_offsets_mapping=tokenizer.is_fast,
        verbose=False,
    )
    return units_from_encoding(tokenizer, encoding, text, None)


@lru_cache
def _tokenizer(name: str) -> Any | None:
    """Load the tokenizer of a model that is on this machine; None for others."""
    folder = local_folder(CATALOGUE[name])
    return None if folder is None else AutoTokenizer.from_pretrained(folder)
