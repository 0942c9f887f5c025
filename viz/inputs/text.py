"""From a text to what a model reads, through its own tokenizer."""

from __future__ import annotations

from typing import Any

import torch

from viz.errors import ModelRefusedError, TextError
from viz.inputs.input_checks import check_text, require_context, require_known, require_sense
from viz.inputs.prepared import Prepared
from viz.inputs.units import Units, prompted, units_from_encoding, units_from_ids
from viz.models.forward_signature import forward_parameters, takes_any_name
from viz.models.model import Model


def prepare_text(model: Model, text: str, pair: str | None, target: str | None) -> Prepared:
    """Turn a text, and what stands beside it, into what a model's forward takes.

    Raises:
        TextError: a text cannot be read, or leaves no token.
        TextTooLongError: it has more tokens than the model reads.
        ModelRefusedError: the model has no tokenizer, reads no pairs, or writes nothing.
    """
    tokenizer = _tokenizer(model)
    require_sense(model, "text")
    if pair is not None:
        check_text(pair, what="second text")
        if not model.takes_pairs:
            raise ModelRefusedError(
                f"{model.name} reads one text, not a pair.", "Leave the second text empty."
            )
    encoding = _encode(model, text, pair)
    count = len(encoding["input_ids"])
    if count == 0:
        raise TextError(
            f"The tokenizer of {model.name} finds nothing to read in this text.",
            "Type at least one word.",
        )
    require_context(model, count)
    require_known(model, encoding["input_ids"])
    made = set(tokenizer.model_input_names) | {"input_ids", "attention_mask"}
    accepted = _accepted(model, made)
    inputs = {
        name: torch.tensor([list(values)], device=model.device)
        for name, values in encoding.items()
        if name in accepted
    }
    units = units_from_encoding(tokenizer, encoding, text, pair)
    if model.kind != "seq2seq":
        if target is not None:
            raise ModelRefusedError(
                f"{model.name} writes no second text.", "Leave the target empty."
            )
        return Prepared(inputs, units, text, pair, with_prompts(model, units))
    ids = decoder_ids(model, target)
    require_context(model, len(ids), written=True)
    written = units_from_ids(tokenizer, ids)
    inputs["decoder_input_ids"] = torch.tensor([ids], device=model.device)
    return Prepared(inputs, units, text, target, (units, written))


def with_prompts(model: Model, units: Units) -> tuple[Units, ...]:
    """Name a text's units by themselves, and behind the learnt prompt that a model puts before them."""
    count = getattr(getattr(model.module, "config", None), "prompt_length", None)
    if model.kind == "seq2seq" or not isinstance(count, int) or count < 1:
        return (units,)
    return units, prompted(units, count)


def decoder_ids(model: Model, target: str | None) -> list[int]:
    """Return what a decoder reads while it writes a text: its start token, then the text's."""
    config: Any = model.module.config
    start = getattr(config, "decoder_start_token_id", None)
    if start is None:
        start = getattr(config, "bos_token_id", None) or getattr(config, "pad_token_id", None) or 0
    if target is None:
        return [int(start)]
    check_text(target, what="target")
    tokenizer = _tokenizer(model)
    labels = [int(number) for number in tokenizer(text_target=target)["input_ids"]]
    special = set(tokenizer.all_special_ids)
    # Whisper's tokenizer writes the whole prompt, its start included; others leave that to the model,
    # and begin with what may be the same token (BART's <s>).
    begins = labels[:1] == [int(start)]
    prompted = begins and (config.model_type == "whisper" or (labels[1:2] and labels[1] in special))
    # The end is written, and never read.
    last = len(labels) - (1 if labels and labels[-1] in special else 0)
    first = 1 if prompted else 0
    return [int(start), *labels[first:last]]


def count_tokens(model: Model, text: str, pair: str | None = None) -> int:
    """Count the tokens of a text, special tokens included; of a source and a target the longer."""
    if model.kind == "seq2seq" and pair is not None:
        return max(count_tokens(model, text), count_tokens(model, pair))
    return len(_encode(model, text, pair)["input_ids"])


def cut_text(model: Model, text: str, pair: str | None = None, *, most: int | None = None) -> str:
    """Return the longest beginning of a text that the model reads, beside its pair if it has one.

    Args:
        model: reads it.
        text: to be cut.
        pair: of it.
        most: tokens that it may have at most, if that is fewer than the model reads.
    """
    limits = [limit for limit in (model.context_limit, most) if limit is not None]
    limit = min(limits, default=None)
    units = units_from_encoding(_tokenizer(model), _encode(model, text, None), text, None)
    if limit is None or count_tokens(model, text, pair) <= limit:
        return text
    if pair is not None and count_tokens(model, pair) >= limit:
        return text  # no beginning is short enough
    room = limit - sum(units.special)
    stops = [span[1] for span in units.spans if span is not None]
    for kept in range(max(0, min(room, len(stops))), 0, -1):
        candidate = text[: stops[kept - 1]]
        if count_tokens(model, candidate, pair) <= limit:
            return candidate
    return text[:limit]


def _accepted(model: Model, made: set[str]) -> set[str]:
    """Of what a tokenizer makes, take what a forward accepts; one's own module may want ids alone.

    Raises:
        ModelRefusedError: it does not even take those.
    """
    if takes_any_name(model.module):
        return made
    parameters = forward_parameters(model.module)
    if "input_ids" not in parameters:
        raise ModelRefusedError(
            f"The forward of {model.name} takes {', '.join(parameters) or 'nothing'}, and no input_ids.",
            "Give its own inputs by their names: viz.capture(model, {...}).",
        )
    return made & set(parameters)


def _tokenizer(model: Model) -> Any:
    if model.tokenizer is None:
        require_sense(model, "text")
        raise ModelRefusedError(
            f"{model.name} has no tokenizer, so it cannot read a text.",
            "Give its own inputs: viz.capture(model, {'input_ids': ...}).",
        )
    return model.tokenizer


def _encode(model: Model, text: str, pair: str | None) -> Any:
    tokenizer = _tokenizer(model)
    return tokenizer(
        text,
        pair,
        return_special_tokens_mask=True,
        return_offsets_mapping=tokenizer.is_fast,
        verbose=False,
    )
