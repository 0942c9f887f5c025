"""From a text to what the model reads, with every limit checked before any work."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from viz.errors import ModelRefusedError, ShapeError, TextError, TextTooLongError
from viz.models.arguments import kind_of_value, whole_number
from viz.models.model import Model, Sense, one_of, several
from viz.models.patches import patch_names
from viz.models.tokens import Units, numbered_units, units_from_encoding, units_from_ids

# Longer texts are no prompts; the tokenizer alone would take seconds.
MAX_CHARACTERS = 1_000_000

# Encoder-decoders that read their own input again, shifted, where they are not told what to write.
SHIFTING = ("bart", "mbart", "mvp", "plbart")

# Stands for half a character where text travels as UTF-8, which has no room for one; as a
# noncharacter of Unicode it is in no text of its own right.
STAND_IN = "\ufdd0"

# What asks for more or for another form; transformers takes these before a forward sees them.
ASKING = ("output_attentions", "output_hidden_states", "return_dict")

# Samples that become one frame in wav2vec 2.0 and those after it (its convolutions' strides).
SAMPLES_PER_FRAME = 320


@dataclass(frozen=True, slots=True)
class Prepared:
    """Model inputs on the model's device, and what their units are called.

    Attributes:
        inputs: as the model's forward takes them.
        units: of the first text or input.
        text: the first text; None where the model's own inputs were given.
        pair: the second text of a pair, or what an encoder-decoder writes.
        known: units that have names, for stacks to be matched with.
        item: which input of the batch to keep.
        batch: how many inputs the batch has.
        other: what units are that have no names of their own.
        seconds: how long the sound is that they share; None where there is none.
    """

    inputs: dict[str, Any]
    units: Units
    text: str | None
    pair: str | None
    known: tuple[Units, ...]
    item: int = 0
    batch: int = 1
    other: str = "token"
    seconds: float | None = None

    @property
    def longest(self) -> int:
        """How many units the longest axis has, at most: named ones, or what a sound is cut into."""
        lengths = [len(units) for units in self.known]
        samples, features = self.inputs.get("input_values"), self.inputs.get("input_features")
        if isinstance(samples, Tensor) and samples.ndim == 2:
            lengths.append(samples.shape[-1] // SAMPLES_PER_FRAME)
        if isinstance(features, Tensor) and features.ndim == 3:
            lengths.append(max(features.shape[1:]))
        return max([1, *lengths])

    def unnamed(self, count: int) -> Units:
        """Name units that only their number is known of: frames by their time."""
        units = numbered_units(self.other, count)
        if self.other != "frame" or self.seconds is None:
            return units
        step = self.seconds / max(1, count)
        return replace(units, labels=tuple(f"{i * step:.2f} s" for i in range(count)))


def check_text(text: str, *, what: str = "text") -> str:
    """Return the text if a tokenizer can read it.

    Raises:
        TextError: it is empty, blank, too large, or holds null bytes or half characters.
    """
    if not isinstance(text, str):
        raise TextError(f"The {what} is {kind_of_value(text)}.", "Give a string.")
    if len(text) > MAX_CHARACTERS:
        raise TextError(
            f"The {what} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.",
            "Paste the part that you want to look at.",
        )
    if not text.strip():
        blank = "is empty" if not text else "holds only spaces"
        raise TextError(f"The {what} {blank}.", "Type or paste at least one word.")
    if "\x00" in text:
        raise TextError(
            f"The {what} holds a null byte at character {text.index(chr(0)) + 1:,}.",
            "Remove it; it looks like part of a binary file.",
        )
    surrogate = next((i for i, c in enumerate(text) if _is_half(c)), None)
    if surrogate is not None:
        raise TextError(
            f"The {what} holds half a character (a lone surrogate) at character {surrogate + 1:,}.",
            "Copy it again from where it came, as UTF-8.",
        )
    return text


def _is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff" or character == STAND_IN


def prepare(
    model: Model,
    given: str | Mapping[str, Any],
    *,
    pair: str | None = None,
    target: str | None = None,
    item: int | None = None,
) -> Prepared:
    """Turn a text, or a model's own inputs, into what its forward takes.

    Raises:
        TextError: the text cannot be read.
        TextTooLongError: it has more tokens than the model reads.
        ShapeError: the inputs do not fit, or hold several and none was chosen.
        ModelRefusedError: a text was given and the model has no tokenizer, or reads no pairs.
    """
    if isinstance(given, str):
        return _from_text(model, check_text(given), pair, target)
    if not isinstance(given, Mapping):
        raise ShapeError(
            f"The inputs are {kind_of_value(given)}.", "Give a text, or a dict of tensors."
        )
    return _from_inputs(model, given, item)


def count_tokens(model: Model, text: str, pair: str | None = None) -> int:
    """Count the tokens of a text, special tokens included; of a source and a target the longer."""
    if model.kind == "seq2seq" and pair is not None:
        return max(count_tokens(model, text), count_tokens(model, pair))
    return len(_encode(model, text, pair)["input_ids"])


def require_context(model: Model, tokens: int) -> None:
    """Make sure that a model reads so many tokens.

    Raises:
        TextTooLongError: it reads fewer.
    """
    limit = model.context_limit
    if limit is not None and tokens > limit:
        raise TextTooLongError(
            f"The text has {tokens:,} tokens; {model.name} reads {limit:,}, "
            f"so it is {tokens - limit:,} over.",
            "Shorten it, or choose a model with a longer context.",
            tokens=tokens,
            limit=limit,
        )


def cut_text(model: Model, text: str, pair: str | None = None) -> str:
    """Return the longest beginning of a text that the model reads, beside its pair if it has one."""
    limit = model.context_limit
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


def _from_text(model: Model, text: str, pair: str | None, target: str | None) -> Prepared:
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
    _check_ids(model, encoding["input_ids"])
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
        return Prepared(inputs, units, text, pair, (units,))
    ids = decoder_ids(model, target)
    require_context(model, len(ids))
    written = units_from_ids(tokenizer, ids)
    inputs["decoder_input_ids"] = torch.tensor([ids], device=model.device)
    return Prepared(inputs, units, text, target, (units, written))


def _accepted(model: Model, made: set[str]) -> set[str]:
    """Of what a tokenizer makes, take what a forward accepts; one's own module may want ids alone.

    Raises:
        ModelRefusedError: it does not even take those.
    """
    parameters = inspect.signature(model.module.forward).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return made
    if "input_ids" not in parameters:
        raise ModelRefusedError(
            f"The forward of {model.name} takes {', '.join(parameters) or 'nothing'}, and no input_ids.",
            "Give its own inputs by their names: viz.capture(model, {...}).",
        )
    return made & set(parameters)


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


def _from_inputs(model: Model, given: Mapping[str, Any], item: int | None) -> Prepared:
    """Take a model's own inputs, of which `input_ids` and `decoder_input_ids` name units."""
    if not given:
        raise ShapeError("The model's inputs are empty.", "Give at least input_ids.")
    asks = "input_ids" in inspect.signature(model.module.forward).parameters
    if asks and model.kind != "other" and not {"input_ids", "inputs_embeds"} & set(given):
        raise ShapeError(f"The inputs {sorted(given)} have no input_ids.", "Give input_ids.")
    _refuse_unknown(model, given)
    inputs = {name: _on(value, model.device) for name, value in as_tensors(given).items()}
    whole = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
    if not whole:
        raise ShapeError(f"None of the inputs {sorted(given)} is a tensor.", "Give at least one.")
    main = whole.get("input_ids", next(iter(whole.values())))
    # Audio codes have a third dimension, one id a codebook.
    if "input_ids" in inputs and (main.ndim not in (2, 3) or main.shape[1] == 0):
        raise ShapeError(
            f"input_ids have shape {tuple(main.shape)}.",
            "A batch of texts has two dimensions: [1, tokens] for one.",
        )
    if main.numel() == 0:
        raise ShapeError(f"The inputs are empty: shape {tuple(main.shape)}.", "Give at least one.")
    batch = _batch_of(model, inputs, main)
    if batch > 1 and item is None:
        raise ShapeError(
            f"The batch holds {batch} inputs and a trace holds one.",
            f"Say which to keep with item=0 to item={batch - 1}.",
        )
    chosen = 0 if item is None else whole_number(item, "item")
    if not 0 <= chosen < batch:
        raise ShapeError(
            f"There is no item {chosen} in a batch of {batch}.", f"Choose 0 to {batch - 1}."
        )
    if getattr(getattr(model.module, "config", None), "is_encoder_decoder", False):
        inputs |= _first_written(model, inputs, chosen)
    known = []
    for name in ("input_ids", "decoder_input_ids"):
        if name in inputs and inputs[name].ndim == 2 and not inputs[name].is_floating_point():
            ids = inputs[name][min(chosen, len(inputs[name]) - 1)].tolist()
            if name == "input_ids":
                require_context(model, len(ids))
                _check_ids(model, ids)
            known.append(units_from_ids(model.tokenizer, ids))
    units = known[0] if known else numbered_units("position", 0)
    other = "token" if known else "position"
    if "pixel_values" in whole:
        known += patch_names(getattr(model.module, "config", None), whole["pixel_values"])
    return Prepared(inputs, units, None, None, tuple(known), chosen, batch, other)


def _refuse_unknown(model: Model, given: Mapping[str, Any]) -> None:
    """Make sure that a forward takes what it is given, by names.

    One that takes any names may hand some on; but a transformers model of which none is known has
    nothing to read.

    Raises:
        ShapeError: it does not.
    """
    parameters = inspect.signature(model.module.forward).parameters.values()
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters)
    takes = [
        one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    unknown = [str(name) for name in given if name not in takes and name not in ASKING]
    own = not isinstance(model.module, PreTrainedModel)
    if not unknown or not takes or (open_ended and (own or len(unknown) < len(given))):
        return
    inputs = [name for name in takes if name not in ASKING]
    raise ShapeError(
        f"{model.name} takes no input named {' or '.join(unknown)}.",
        f"Its forward takes {', '.join(inputs)}.",
    )


def _first_written(model: Model, inputs: Mapping[str, Any], item: int) -> dict[str, Tensor]:
    """Say what a decoder reads where nobody did: BART's own input shifted, else its first token."""
    told = {"decoder_input_ids", "decoder_inputs_embeds", "labels", "decoder_input_values"}
    asks = "decoder_input_ids" in inspect.signature(model.module.forward).parameters
    if told & set(inputs) or not asks:
        return {}
    config: Any = model.module.config
    home = sys.modules[type(model.module).__module__]
    if config.model_type in SHIFTING and "input_ids" in inputs:
        extra = (config.pad_token_id, config.decoder_start_token_id)
        arguments = extra[:1] if config.model_type == "mbart" else extra
        return {"decoder_input_ids": home.shift_tokens_right(inputs["input_ids"], *arguments)}
    batch = next(len(value) for value in inputs.values() if isinstance(value, Tensor))
    ids = torch.tensor([decoder_ids(model, None)] * batch, device=model.device)
    return {"decoder_input_ids": ids}


def _batch_of(model: Model, inputs: Mapping[str, Any], main: Tensor) -> int:
    """How many inputs there are: PyTorch's own layers may hold time in the first dimension.

    Models of transformers have the batch there, whatever their parts do.
    """
    if main.ndim == 0 or _is_packed(inputs, main):
        return 1
    own = isinstance(model.module, PreTrainedModel)
    parts = () if own else model.module.modules()
    if any(getattr(part, "batch_first", True) is False for part in parts):
        return int(main.shape[1]) if main.ndim > 2 else 1
    return len(main)


def _is_packed(inputs: Mapping[str, Any], main: Tensor) -> bool:
    """Whether the first dimension holds patches or frames one after the other, and not a batch."""
    told = any(name.endswith(("grid_thw", "_lens", "cu_seqlens")) for name in inputs)
    bare = main.ndim == 2 and bool({"hidden_states", "pixel_values"} & set(inputs))
    return "input_ids" not in inputs and (told or bare)


def _on(value: Any, device: torch.device) -> Any:
    """Bring a tensor, or each of a list, to a device."""
    if isinstance(value, (list, tuple)):
        return [_on(one, device) for one in value]
    return value.to(device) if isinstance(value, Tensor) else value


def _check_ids(model: Model, ids: Sequence[int]) -> None:
    """Make sure that every id has an embedding; a GPU would end the whole process over one."""
    table: Any = model.module
    try:
        known = getattr(table.get_input_embeddings(), "num_embeddings", None)
    except (AttributeError, NotImplementedError):
        return
    wrong = [number for number in ids if known is not None and not 0 <= number < known]
    if known is not None and wrong:
        raise ShapeError(
            f"The id {wrong[0]} has no embedding; {model.name} knows 0 to {known - 1}.",
            "Use the tokenizer that belongs to the model.",
        )


def as_tensors(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a model's own inputs into tensors; lists of tensors, flags and None stay as they are.

    Raises:
        ShapeError: one is ragged, empty, or no array of numbers.
    """
    tensors: dict[str, Any] = {}
    for name, value in given.items():
        listed = isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value)
        if listed or isinstance(value, bool) or (value is None and name != "input_ids"):
            tensors[name] = list(value) if isinstance(value, (list, tuple)) else value
            continue
        try:
            tensors[name] = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ShapeError(
                f"The input {name} is no array of numbers: {error}.",
                "Give a tensor, or lists of equal lengths.",
            ) from error
    return tensors


def require_sense(model: Model, sense: Sense) -> None:
    """Make sure that a model reads what it is given, as far as its forward tells.

    Raises:
        ModelRefusedError: it reads something else.
    """
    if model.reads and sense not in model.reads:
        written = "; a text is what it writes" if sense == "text" and model.tokenizer else ""
        raise ModelRefusedError(
            f"{model.name} reads {several(model.reads)}, not {sense}s.",
            f"Give it {one_of(model.reads)}{written}.",
        )


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
