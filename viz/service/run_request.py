"""What a request asks of which model, looked at before any work is done for it."""

from __future__ import annotations

from viz.errors import InputError, ModelRefusedError, TextTooLongError
from viz.inputs.input_checks import check_text
from viz.models import Model
from viz.models.catalogue import find_entry
from viz.models.folders import allowed_folder, model_roots
from viz.models.hub_address import is_address
from viz.models.model import ONE, one_of, several
from viz.service.run_result import Request
from viz.service.uploaded_media import sense_of


def source_of(request: Request) -> str:
    """Return what to load: folders only from inside the allowed ones, names only as names.

    Raises:
        ModelRefusedError: a folder leads outside the allowed ones.
        ModelNotFoundError: there is no such folder.
    """
    name = request.model.strip()
    if find_entry(name) is not None and not request.local:
        return name
    if is_address(name):
        return f"hub:{name}"
    looks_like_path = name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1
    if request.local or looks_like_path:
        return str(allowed_folder(name, model_roots()))
    return f"hub:{name}"


def model_key(request: Request) -> tuple[str | None, ...]:
    """Name the model of a request; requests of the same name share one that is loaded."""
    return (request.model, request.revision, request.device, request.dtype, str(request.local))


def check_texts(request: Request) -> None:
    """Find fault with the texts before a model is loaded for them, if it may read texts."""
    entry = None if request.local else find_entry(request.model)
    if entry is not None and entry.reads != "text":
        return
    if request.text.strip() or not request.media:
        check_text(request.text)
    if request.pair is not None:
        check_text(request.pair, what="second text")


def require_given(model: Model, request: Request) -> None:
    """Make sure that a model is given what it reads, in words for who sees a page and no Python.

    Raises:
        InputError: it reads pictures or sounds, and none is given.
        ModelRefusedError: it does not read what is given.
    """
    if not request.media:
        if model.reads and "text" not in model.reads:
            raise InputError(
                f"{model.name} reads {several(model.reads)}, and none is given.",
                f"Give {one_of(model.reads)}.",
            )
        if model.tokenizer is None:
            raise ModelRefusedError(
                f"{model.name} has no tokenizer, so it cannot read a text.",
                "Put its tokenizer.json beside its weights, or choose another model.",
            )
        return
    sense = sense_of(request.media)
    if model.reads and sense not in model.reads:
        instead = f"choose a model that reads {sense}s"
        raise ModelRefusedError(
            f"{model.name} reads {several(model.reads)}, not {sense}s.",
            f"Run it on the text alone, or {instead}."
            if "text" in model.reads
            else f"Give {one_of(model.reads)}, or {instead}.",
        )
    if model.processor is None:
        raise ModelRefusedError(
            f"{model.name} has no processor, so it cannot read {ONE[sense]}.",
            "Put its preprocessor_config.json beside its weights, or choose another model.",
        )


def require_few(tokens: int, most: int) -> None:
    """Make sure that a text has no more tokens than a run may have here, whatever its model reads.

    Raises:
        TextTooLongError: it has more.
    """
    if tokens > most:
        raise TextTooLongError(
            f"The text has {tokens:,} tokens; a run may have {most:,} on this machine, so it is "
            f"{tokens - most:,} over.",
            "Shorten it.",
            tokens=tokens,
            limit=most,
        )


def second_text(model: Model, request: Request) -> tuple[str | None, str | None]:
    """Say what the second text is to the model: the other of a pair, or what it writes."""
    return (None, request.pair) if model.kind == "seq2seq" else (request.pair, None)
