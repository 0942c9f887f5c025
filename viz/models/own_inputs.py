"""From a model's own inputs, given by name, to what its forward takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from viz.errors import ShapeError
from viz.models.arguments import whole_number
from viz.models.model import Model
from viz.models.patches import patch_names
from viz.models.prepared import Prepared
from viz.models.readable import require_context, require_known
from viz.models.signature import forward_parameters, takes_any_name
from viz.models.text import decoder_ids, with_prompts
from viz.models.tokens import numbered_units, units_from_ids

# Encoder-decoders that read their own input again, shifted, where they are not told what to write.
SHIFTING = ("bart", "mbart", "mvp", "plbart")

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
                require_known(model, ids)
            known.append(units_from_ids(model.tokenizer, ids))
    known = [*with_prompts(model, known[0])] if len(known) == 1 else known
    units = known[0] if known else numbered_units("position", 0)
    other = "token" if known else "position"
    if "pixel_values" in whole:
        known += patch_names(getattr(model.module, "config", None), whole["pixel_values"])
    return Prepared(inputs, units, None, None, tuple(known), chosen, batch, other)


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


def _on(value: Any, device: torch.device) -> Any:
    """Bring a tensor, or each of a list, to a device."""
    if isinstance(value, (list, tuple)):
        return [_on(one, device) for one in value]
    return value.to(device) if isinstance(value, Tensor) else value


def _refuse_unknown(model: Model, given: Mapping[str, Any]) -> None:
    """Make sure that a forward takes what it is given, by names.

    One that takes any names may hand some on; but a transformers model of which none is known has
    nothing to read.

    Raises:
        ShapeError: it does not.
    """
    parameters = forward_parameters(model.module).values()
    takes = [
        one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    unknown = [str(name) for name in given if name not in takes and name not in ASKING]
    open_ended = takes_any_name(model.module)
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
