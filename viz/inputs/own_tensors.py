"""From a model's own inputs, given by name, to what its forward takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from viz.errors import ShapeError
from viz.inputs.batch_rows_per_input import rows_of_one
from viz.inputs.input_checks import require_context, require_known
from viz.inputs.past_key_values import PAST, as_past, keys_with_past, past_length
from viz.inputs.patch_names import patch_names
from viz.inputs.prepared import Prepared
from viz.inputs.text import decoder_ids, with_prompts
from viz.inputs.units import Units, numbered_units, units_from_ids
from viz.models.argument_checks import whole_number
from viz.models.forward_signature import forward_parameters, handed_on, takes_any_name
from viz.models.model import Model
from viz.models.model_facts import INPUTS

# Encoder-decoders that read their own input again, shifted, where they are not told what to write.
SHIFTING = ("bart", "mbart", "mvp", "plbart")

# Inputs of models that see or hear, which may read them alone.
SEEN_OR_HEARD = INPUTS["image"] | INPUTS["sound"]

# What an encoder made of an earlier input.
ENCODED = "encoder_outputs"

# What asks for more or for another form; transformers takes these before a forward sees them.
ASKING = ("output_attentions", "output_hidden_states", "return_dict")


def prepare_inputs(model: Model, given: Mapping[str, Any], item: int | None) -> Prepared:
    """Take a model's own inputs, of which `input_ids` and `decoder_input_ids` name units.

    Raises:
        ShapeError: they do not fit, or hold several and none was chosen.
        TextTooLongError: there are more ids than the model reads.
    """
    if not given:
        raise ShapeError("The model's inputs are empty.", "Give at least input_ids.")
    asks = "input_ids" in forward_parameters(model.module)
    # Models that also see or hear may read a picture or a sound alone; the pass says where they do not.
    if (
        asks
        and model.kind != "other"
        and not ({"input_ids", "inputs_embeds"} | SEEN_OR_HEARD) & set(given)
    ):
        near = get_close_matches("input_ids", map(str, given), 1)
        raise ShapeError(
            f"The inputs {', '.join(map(str, sorted(given)))} have no input_ids.",
            f"Call {near[0]} input_ids." if near else "Give input_ids.",
        )
    _refuse_unknown(model, given)
    past = as_past(given.get(PAST))
    _refuse_past(model, past)
    others = {name: value for name, value in given.items() if name not in (PAST, ENCODED)}
    inputs = {name: _on(value, model.device) for name, value in as_tensors(others).items()}
    whole = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
    _refuse_misfits(model, inputs, past)
    if not whole:
        raise ShapeError(f"None of the inputs {sorted(given)} is a tensor.", "Give at least one.")
    main = whole.get("input_ids", next(iter(whole.values())))
    # Audio codes have a third dimension, one id a codebook.
    if "input_ids" in inputs and (main.ndim not in (2, 3) or main.shape[1] == 0):
        raise ShapeError(
            f"input_ids have shape {tuple(main.shape)}.",
            "A batch of texts has two dimensions, [1, tokens] for one, and a token at least.",
        )
    if main.numel() == 0:
        raise ShapeError(f"The inputs are empty: shape {tuple(main.shape)}.", "Give at least one.")
    axis, another = _batch_axes(model, inputs, main, chosen=item is not None)
    rows = 1 if axis is None else int(main.shape[axis])
    with model.lock:
        of_one = rows_of_one(model.module, inputs, rows) if axis == 0 else 1
    batch = rows // of_one
    chosen = _chosen(item, batch, of_one)
    if getattr(getattr(model.module, "config", None), "is_encoder_decoder", False):
        inputs |= _first_written(model, inputs, chosen)
    if past is not None:
        inputs[PAST] = past
    if given.get(ENCODED) is not None:
        inputs[ENCODED] = _encoded(given[ENCODED])
    known = _named(model, inputs, chosen) if of_one == 1 else []
    known = [*with_prompts(model, known[0])] if len(known) == 1 else known
    other = "token" if known else "position"
    units = known[0] if known else numbered_units("position", 0)
    if past is not None:
        new = known[-1] if known else numbered_units("position", _length(inputs))
        known += keys_with_past(past, new)
    if "pixel_values" in whole:
        known += patch_names(getattr(model.module, "config", None), whole["pixel_values"])
    return Prepared(
        *(inputs, units, None, None, tuple(known), chosen, batch),
        axis=axis or 0,
        other_axis=None if another is None else (another, int(main.shape[another])),
        other=other,
        rows=of_one,
    )


def _chosen(item: int | None, batch: int, of_one: int) -> int:
    """Return which input of the batch is kept, each of so many rows.

    Raises:
        ShapeError: there are several and none was chosen, or not that one.
    """
    if batch > 1 and of_one > 1:
        raise ShapeError(
            f"The {batch * of_one} rows are {batch} inputs of {of_one} rows each, and a trace holds one.",
            "Capture them one at a time.",
        )
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
    return chosen


def _named(model: Model, inputs: Mapping[str, Any], item: int) -> list[Units]:
    """Name the tokens that one input reads, and those that it writes.

    Raises:
        TextTooLongError: there are more than the model reads, what is past included.
    """
    known = []
    written = "decoder_input_ids" in inputs
    for name in ("input_ids", "decoder_input_ids"):
        if name not in inputs or inputs[name].ndim != 2 or inputs[name].is_floating_point():
            continue
        ids = inputs[name][min(item, len(inputs[name]) - 1)].tolist()
        goes_on = name == "decoder_input_ids" or not written
        before = past_length(inputs.get(PAST)) if goes_on else 0
        require_context(model, before + len(ids), written=name == "decoder_input_ids")
        if name == "input_ids":
            require_known(model, ids)
        known.append(units_from_ids(model.tokenizer, ids))
    return known


def _refuse_past(model: Model, past: Cache | None) -> None:
    """Make sure that what an earlier pass left can be taken up.

    Raises:
        ShapeError: it cannot.
    """
    if past is not None and model.read:
        raise ShapeError(
            f"The weights of {model.name} are read off its layers by running each again, which no "
            f"{PAST} can go through.",
            f"Leave {PAST} out and give the whole text.",
        )


def _encoded(value: Any) -> Any:
    """Take what an encoder returned, or its first output alone."""
    if isinstance(value, Tensor):
        return BaseModelOutput(last_hidden_state=value)
    return value


def _length(inputs: Mapping[str, Any]) -> int:
    """How many tokens there are where vectors are given in the place of ids."""
    names = ("inputs_embeds", "decoder_inputs_embeds")
    return next((int(inputs[name].shape[1]) for name in names if name in inputs), 0)


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
                "Give a tensor, or lists of equal lengths; leave out what an earlier pass left.",
            ) from error
    return tensors


def _on(value: Any, device: torch.device) -> Any:
    """Bring a tensor, or each of a list, to a device."""
    if isinstance(value, (list, tuple)):
        return [_on(one, device) for one in value]
    return value.to(device) if isinstance(value, Tensor) else value


def _refuse_unknown(model: Model, given: Mapping[str, Any]) -> None:
    """Make sure that a forward takes what it is given, by names.

    One that takes any names may hand some on to its parts; what none of them takes would count for nothing.

    Raises:
        ShapeError: it does not.
    """
    parameters = forward_parameters(model.module).values()
    takes = [
        one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    unknown = [str(name) for name in given if name not in takes and name not in ASKING]
    if unknown and takes_any_name(model.module):
        own = not isinstance(model.module, PreTrainedModel)
        unknown = [] if own else [name for name in unknown if name not in handed_on(model.module)]
    if not unknown or not takes:
        return
    near = get_close_matches(unknown[0], takes, 1)
    inputs = [name for name in takes if name not in ASKING]
    raise ShapeError(
        f"{model.name} takes no input named {' or '.join(unknown)}.",
        f"Did you mean {near[0]}?" if near else f"Its forward takes {', '.join(inputs)}.",
    )


def _refuse_misfits(model: Model, inputs: Mapping[str, Any], past: Cache | None) -> None:
    """Make sure that ids are whole numbers, and that a text's mask is as long as it.

    Raises:
        ShapeError: they are not.
    """
    for name in ("input_ids", "decoder_input_ids"):
        ids = inputs.get(name)
        if isinstance(ids, Tensor) and ids.is_floating_point() and ids.numel():
            kind = str(ids.dtype).removeprefix("torch.")
            raise ShapeError(f"{name} are {kind} numbers.", "Give ids, which are integers.")
    ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
    alone = past is None and model.reads <= {"text"} and model.kind != "other"
    if not (alone and isinstance(ids, Tensor) and isinstance(mask, Tensor)):
        return
    # Queries or embeddings of their own may stand beside the ids, and count in the mask (a Q-former's).
    beside = [value for value in inputs.values() if isinstance(value, Tensor) and value.ndim == 3]
    if mask.shape[-1] > ids.shape[-1] and any(one.is_floating_point() for one in beside):
        return
    if ids.ndim == mask.ndim == 2 and ids.shape != mask.shape:
        raise ShapeError(
            f"The attention_mask has shape {tuple(mask.shape)}, and input_ids {tuple(ids.shape)}.",
            "Give a mask of the ids' shape: 1 for a token, 0 for padding.",
        )


def _first_written(model: Model, inputs: Mapping[str, Any], item: int) -> dict[str, Tensor]:
    """Say what a decoder reads where nobody did: BART's own input shifted, else its first token."""
    told = {"decoder_input_ids", "decoder_inputs_embeds", "labels", "decoder_input_values"}
    asks = "decoder_input_ids" in forward_parameters(model.module)
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


def _batch_axes(
    model: Model, inputs: Mapping[str, Any], main: Tensor, *, chosen: bool
) -> tuple[int | None, int | None]:
    """Say which dimension counts inputs, and which else may; None where there is but one input.

    PyTorch's own layers may hold time in the first dimension, and a module around them may turn that
    round; models of transformers have the batch first, whatever their parts do.
    """
    if main.ndim == 0 or _is_packed(inputs, main):
        return None, None
    if isinstance(model.module, PreTrainedModel):
        return 0, None
    parts = model.module.modules()
    long = [one.shape for one in inputs.values() if isinstance(one, Tensor) and one.ndim > 2]
    if len({shape[0] for shape in long}) > 1 and len({shape[1] for shape in long}) == 1:
        return 1, None  # texts of two lengths, of as many inputs
    if len({shape[0] for shape in long}) == 1 and len({shape[1] for shape in long}) > 1:
        return 0, None
    if not any(getattr(part, "batch_first", True) is False for part in parts):
        return 0, None
    if main.ndim < 3:
        return None, None
    if not chosen and main.shape[0] == 1 and main.shape[1] > 1:
        return 0, 1
    return 1, 0


def _is_packed(inputs: Mapping[str, Any], main: Tensor) -> bool:
    """Whether the first dimension holds patches or frames one after the other, and not a batch."""
    told = any(name.endswith(("grid_thw", "_lens", "cu_seqlens")) for name in inputs)
    bare = main.ndim == 2 and bool({"hidden_states", "pixel_values"} & set(inputs))
    return "input_ids" not in inputs and (told or bare)
