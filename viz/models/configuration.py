"""What a folder's config.json says, and which of it is why no model can be built of it."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub.errors import (
    StrictDataclassClassValidationError,
    StrictDataclassFieldValidationError,
)
from safetensors import SafetensorError
from transformers import PretrainedConfig, PreTrainedModel

from viz.errors import ConfigError, LoupeError

# What heads are counted by; without any a model is built only to fail later, or not at all.
HEADS = re.compile(
    r"num_(attention|self_attention|cross_attention|key_value)_heads|num_heads|n_heads?"
    r"|((en|de)coder_)?attention_heads"
)

# Sizes and counts; -1 stands for nothing in none of them.
SIZES = re.compile(
    r"hidden_size|d_model|n_embd|embed_dim|head_dim|d_kv|vocab_size|patch_size|image_size|num_channels"
    r"|max_position_embeddings|n_positions"
    r"|(num|n|encoder|decoder)(_hidden)?_layers?"
)

# Without one of these there is no attention.
LAYERS = re.compile(r"num_hidden_layers|n_layers?|num_layers")

WIDTHS = ("hidden_size", "d_model", "n_embd", "embed_dim")

EXPECTED = re.compile(r"expected (?P<kind>[\w.| ]+), got \w+ \(value: (?P<value>.*)\)", re.DOTALL)
MISMATCHED = "ignore_mismatched_sizes"
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "dict": "an object",
    "list": "a list",
}

# Where heads are as wide as this says, whatever the model's width.
OWN_WIDTH = ("head_dim", "d_kv", "kv_channels", "attention_head_size", "qk_head_dim", "v_head_dim")

# Characters of a value that a message shows.
SHOWN = 40

HINT = "Correct its config.json, or choose another model."


def read_configuration(folder: str, name: str) -> dict[str, Any]:
    """Read a folder's config.json, and refuse what no model can be built of.

    Raises:
        ConfigError: it is no JSON object, does not say of what type it is, or counts something by a number
            that counts nothing.
    """
    path = Path(folder) / "config.json"
    try:
        written = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"The config.json of {name} is no JSON: {error}.", "Copy or fetch it again."
        ) from error
    if not isinstance(written, dict):
        raise ConfigError(
            f"The config.json of {name} holds {_said(written)}, and no object.",
            "Copy or fetch it again.",
        )
    # It knows of folders that say so in another way, as timm's do.
    plain: dict[str, Any] = PretrainedConfig.get_config_dict(folder)[0]
    kind = plain.get("model_type")
    if not isinstance(kind, str) and "auto_map" not in plain:
        told = "no model_type" if kind is None else f"the model_type {_said(kind)}"
        raise ConfigError(
            f"The config.json of {name} has {told}, so that nobody knows what it is of.",
            "Write the model's type into it, such as bert or llama.",
        )
    _require_architecture(plain.get("architectures"), name)
    wrong = next(_impossible(plain), None)
    if wrong is not None:
        raise _refused(name, *wrong)
    return plain


@contextlib.contextmanager
def blaming(plain: Mapping[str, Any], name: str) -> Iterator[None]:
    """Say which field is why a model cannot be built inside; what other reasons there are passes through.

    Args:
        plain: from `read_configuration`.
        name: of the model.

    Raises:
        ConfigError: it cannot be built of this configuration.
    """
    try:
        yield
    except (LoupeError, OSError, ImportError, MemoryError, SafetensorError):
        raise
    except Exception as error:
        found = _culprit(error, plain, name)
        if found is None and isinstance(error, (ValueError, KeyError, RuntimeError)):
            raise
        raise found or ConfigError(
            f"No model can be built of the config.json of {name}: {_line(error)}.", HINT
        ) from error


def _culprit(error: Exception, plain: Mapping[str, Any], name: str) -> ConfigError | None:
    """Name the field that an error is about."""
    if isinstance(error, StrictDataclassFieldValidationError):
        told = re.search(r"field '(\w+)'", str(error))
        found = EXPECTED.search(str(error))
        if told is not None:
            kind = "of another kind" if found is None else found["kind"].strip()
            value = next((v for _, k, v in _fields(plain) if k == told[1]), None)
            return _refused(name, told[1], value, f"it must be {KINDS.get(kind, kind)}")
    for field, value, must in _suspicious(plain):
        return _refused(name, field, value, must)
    if isinstance(error, StrictDataclassClassValidationError):
        return ConfigError(
            f"The config.json of {name} does not fit together: {_line(error)}.", HINT
        )
    if isinstance(error, KeyError) and error.args:
        for where, named, value in _fields(plain):
            if isinstance(error.args[0], str) and error.args[0] in _texts(value):
                return _refused(name, where + named, value, "transformers knows no such name")
    if MISMATCHED in str(error):
        return ConfigError(
            f"The weights of {name} have other shapes than its config.json says.",
            "Put the config.json beside them that they were saved with.",
        )
    if isinstance(error, RuntimeError) and "negative dimension" in str(error):
        return ConfigError(
            f"The config.json of {name} asks for a size below 0: {_line(error)}.", HINT
        )
    return None


def _impossible(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Find numbers that count nothing where something has to be counted."""
    for where, field, value in _fields(plain):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool) or not isinstance(one, int):
                continue
            counts = HEADS.fullmatch(field) or (not where and LAYERS.fullmatch(field))
            if counts and (one < 0 or (one == 0 and not isinstance(value, list))):
                yield where + field, value, "it must be at least 1"
            elif one < 0 and SIZES.fullmatch(field) and not _is_none(field, one):
                yield where + field, value, "it must be at least 0"


def _suspicious(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Find numbers that many models are built with, and this one perhaps is not: sizes of 0, and uneven ones."""
    for where, field, value in _fields(plain):
        if value == 0 and not isinstance(value, bool) and SIZES.fullmatch(field):
            yield where + field, value, "it must be at least 1"
        if value is not None and SIZES.fullmatch(field) and isinstance(value, (str, float)):
            yield where + field, value, "it must be a whole number"
        if isinstance(value, int) and value < 0 and SIZES.fullmatch(field):
            yield where + field, value, "it must be at least 1"
    for where, part in _parts(plain):
        counts = {field: value for field, value in part.items() if _is_count(value)}
        for field, heads in counts.items():
            if not HEADS.fullmatch(field):
                continue
            if field == "num_key_value_heads":
                groups = counts.get("num_attention_heads", heads)
                if groups % heads:
                    yield (
                        where + field,
                        heads,
                        f"it must divide num_attention_heads, which is {groups}",
                    )
                continue
            width = next((one for one in WIDTHS if one in counts), None)
            own = any(part.get(one) is not None for one in OWN_WIDTH)
            if width is not None and not own and counts[width] % heads:
                yield where + field, heads, f"it must divide {width}, which is {counts[width]}"


def _require_architecture(named: Any, name: str) -> None:
    """Refuse a class that is none of a model; one that transformers does not have is passed over."""
    if named is None or (isinstance(named, list) and all(isinstance(one, str) for one in named)):
        made = getattr(transformers, named[0], None) if named else None
        if made is None or (inspect.isclass(made) and issubclass(made, PreTrainedModel)):
            return
    elif isinstance(named, str):
        return
    raise _refused(name, "architectures", named, "it must name classes of models")


def _parts(plain: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk through a configuration and those of its parts."""
    yield where, plain
    for field, value in plain.items():
        if isinstance(value, dict) and field.endswith("config"):
            yield from _parts(value, f"{where}{field}.")


def _fields(plain: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for where, part in _parts(plain):
        for field, value in part.items():
            yield where, field, value


def _texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a field, and of an object that stands there."""
    within = value.values() if isinstance(value, dict) else (value,)
    return tuple(one for one in within if isinstance(one, str))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_none(field: str, value: int) -> bool:
    """Whether a number below 0 says that there is no bound, as XLNet's and Transformer-XL's say."""
    return value == -1 and field in ("max_position_embeddings", "n_positions")


def _refused(name: str, field: str, value: Any, must: str) -> ConfigError:
    return ConfigError(
        f"The config.json of {name} says that {field} is {_said(value)}; {must}.", HINT
    )


def _said(value: Any) -> str:
    """Write a value as it stands in the file."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _line(error: Exception) -> str:
    """Return the sentence of an error that says most: the last of a validation, the first of others."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [
        type(error).__name__
    ]
    said = lines[-1] if isinstance(error, StrictDataclassClassValidationError) else lines[0]
    return re.sub(r"^\w*Error: ", "", said).rstrip(".")
