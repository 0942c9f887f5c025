"""Arguments of a wrong kind, said in one sentence before anything breaks on them."""

from __future__ import annotations

import operator
from typing import Any

from torch import nn
from torch.jit import ScriptModule
from transformers import PreTrainedTokenizerBase

from viz.errors import ModelRefusedError, ShapeError
from viz.models.model import Model
from viz.models.spread_model import is_offloaded


def kind_of_value(value: object) -> str:
    """Name what a value is: a str, an int, None, the class Linear."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def whole_number(value: Any, what: str) -> int:
    """Return a number that counts or numbers something.

    Raises:
        ShapeError: it is none, or True or False.
    """
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    shown = "" if value is None else f" ({value!r:.40})"
    raise ShapeError(f"The {what} is {kind_of_value(value)}{shown}.", "Give a whole number.")


def require_model(model: object) -> None:
    """Make sure that a model was loaded or wrapped.

    Raises:
        ModelRefusedError: it is something else.
    """
    if isinstance(model, Model):
        return
    hint = "Give what viz.load_model or viz.wrap_model returned."
    if isinstance(model, str):
        hint = f"Load it first: viz.load_model({model!r:.60})."
    elif isinstance(model, nn.Module):
        hint = "Wrap it first: viz.wrap_model(module, tokenizer)."
    raise ModelRefusedError(f"The model is {kind_of_value(model)}, not a loaded one.", hint)


def require_module(module: object) -> None:
    """Make sure that something is a module whose forward can be watched.

    Raises:
        ModelRefusedError: it is none, or one that was compiled.
    """
    if not isinstance(module, nn.Module):
        hint = "Give a torch.nn.Module."
        if isinstance(module, str):
            hint = f"Load a model by its name: viz.load_model({module!r:.60})."
        elif isinstance(module, Model):
            hint = "It is wrapped already; capture it as it is."
        elif isinstance(module, type):
            hint = "Make one of that class first."
        raise ModelRefusedError(f"What was to be wrapped is {kind_of_value(module)}.", hint)
    if isinstance(module, ScriptModule) or hasattr(module, "_orig_mod"):
        raise ModelRefusedError(
            f"The {type(module).__name__} is compiled, so that no call in it can be watched.",
            "Wrap the module that it was made from.",
        )
    if any(one.is_meta for one in module.parameters()) and not is_offloaded(module):
        raise ModelRefusedError(
            f"The weights of the {type(module).__name__} are on the meta device, where there are no numbers.",
            "Load its weights first.",
        )


def require_readers(tokenizer: object, processor: object) -> None:
    """Make sure that what is to read texts, images and sounds can.

    Raises:
        ModelRefusedError: one of them is something else.
    """
    if tokenizer is not None and not isinstance(tokenizer, PreTrainedTokenizerBase):
        hint = "Give one of transformers, such as AutoTokenizer.from_pretrained(...)."
        if type(tokenizer).__module__.startswith("tokenizers"):
            hint = "Give transformers.PreTrainedTokenizerFast(tokenizer_object=...) of it."
        elif callable(tokenizer) and "Process" in type(tokenizer).__name__:
            hint = "Give it as processor=...; the tokenizer is its .tokenizer, where it has one."
        raise ModelRefusedError(
            f"The tokenizer is {kind_of_value(tokenizer)}, which is no tokenizer of transformers.",
            hint,
        )
    if processor is not None and not callable(processor):
        raise ModelRefusedError(
            f"The processor is {kind_of_value(processor)}.",
            "Give one of transformers, such as AutoProcessor.from_pretrained(...).",
        )
