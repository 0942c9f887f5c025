"""What is asked of a model that writes: by whom, and whether one trace can show it."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig

from viz.errors import CaptureError, ShapeError
from viz.models import Model
from viz.models.forward_signature import forward_parameters

# Ways of writing that transformers has by itself; the others it loads as code from the hub.
OWN_MODES = {"greedy_search", "sample", "beam_search", "beam_sample", "assisted_generation"}

# Which option asks for one of those others.
MODE_OPTIONS = {
    "contrastive_search": ("penalty_alpha",),
    "dola_generation": ("dola_layers",),
    "group_beam_search": ("num_beam_groups",),
    "constrained_beam_search": ("constraints", "force_words_ids"),
}

# What turns an option off.
OFF: dict[str, Any] = {
    "num_return_sequences": 1,
    "num_beams": 1,
    "num_beam_groups": 1,
    "min_length": 0,
}

# Options that change what comes back and nothing that is written.
ANSWERS = (
    *("return_dict_in_generate", "output_attentions", "output_hidden_states"),
    *("output_scores", "output_logits"),
)

# Options of a model's own configuration that a failure may come from.
NOTABLE = (
    *("cache_implementation", "cache_config", "num_beams", "prefill_chunk_size", "stop_strings"),
    *("prompt_lookup_num_tokens", "assistant_early_exit", "use_mtp", "guidance_scale"),
    *("token_healing", "watermarking_config", "constraints", "max_cache_len"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Options of `generate` that a trace can show.

    Attributes:
        model: who writes.
        config: what is in force: the caller's options before the model's own.
        options: the caller's, as `generate` takes them.
        named: what a failure may come from, as `name=value`.
    """

    model: Model
    config: Any
    options: dict[str, Any]
    named: tuple[str, ...]

    def advice(self, error: BaseException) -> str:
        """Say what to do about a failure while the model wrote."""
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "memory" in str(error):
            return "Ask for fewer new tokens, or shorten the text."
        if self.named:
            return f"Try without {', '.join(self.named)}."
        return "See whether model.module.generate writes by itself on this text."


def asked_of(model: Model, options: Mapping[str, Any], *, new_tokens: int, prompt: int) -> Asked:
    """Take options of `generate`, the model's own included, or refuse them by name and value.

    Args:
        model: who writes.
        options: the caller's.
        new_tokens: how many are written at most.
        prompt: how many tokens stand before them where the model writes.

    Raises:
        ShapeError: an option is unknown, or asks for what one trace cannot show.
        CaptureError: the model's own configuration does.
    """
    for name in options:
        _refuse_name(model, name, options[name])
    given = {name: value for name, value in options.items() if name != "generation_config"}
    assistant = given.get("assistant_model")
    if isinstance(assistant, Model):
        given["assistant_model"] = assistant = assistant.module
    own = options.get("generation_config")
    asked = _Origin(model, options, own)
    asked.refuse_several()
    config = copy.deepcopy(own) if own is not None else GenerationConfig()
    module: Any = model.module
    try:
        for source, fill in ((module.generation_config.to_dict(), True), (given, False)):
            config.update(**source, defaults_only=fill)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"The options do not fit each other: {error}", "Correct the one it names."
        ) from error
    _refuse_values(asked, config, new_tokens, prompt)
    mode = str(config.get_generation_mode(assistant).value)
    if mode not in OWN_MODES:
        name = next(n for n in MODE_OPTIONS.get(mode, ("custom_generate",)) if _is_on(config, n))
        raise asked.refuse(
            name,
            getattr(config, name),
            f"means {mode.replace('_', ' ')}, which transformers loads as code from the hub; "
            "no code from there is run here",
        )
    # What is written stops at so many tokens, and comes back as ids alone.
    made: dict[str, Any] = {"max_new_tokens": new_tokens, "disable_compile": True}
    made |= {name: False for name in ANSWERS if getattr(config, name, None)}
    if own is None:
        made["do_sample"] = False
    else:
        made["generation_config"] = own
    if config.stop_strings is not None or config.token_healing:
        made["tokenizer"] = model.tokenizer
    named = [f"{name}={_short(value)}" for name, value in options.items()]
    named += [
        f"{name}={_short(getattr(config, name))} (of its generation_config: pass "
        f"{name}={OFF.get(name)!r})"
        for name in NOTABLE
        if name not in options and _is_on(config, name)
    ]
    return Asked(model, config, {**made, **given}, tuple(named))


@dataclass(frozen=True, slots=True)
class _Origin:
    """Who asked for an option: the caller, or the model's own configuration."""

    model: Model
    options: Mapping[str, Any]
    config: Any

    def refuse(self, name: str, value: Any, why: str, hint: str = "") -> CaptureError | ShapeError:
        """Refuse an option with its value, and say how to turn it off where it was asked for."""
        said = f"{name}={_short(value)}"
        if name in self.options:
            return ShapeError(f"The option {said} {why}.", hint or "Leave it out.")
        if self.config is not None and getattr(self.config, name, None) == value:
            return ShapeError(
                f"The generation_config asks for {said}, which {why}.", hint or "Leave it out."
            )
        return CaptureError(
            f"The generation_config of {self.model.name} asks for {said}, which {why}.",
            hint or f"Pass {name}={OFF.get(name)!r} to go without.",
        )

    def refuse_several(self) -> None:
        """Refuse several texts, before transformers finds that they do not fit the other options.

        Raises:
            ShapeError: the caller asked for them.
            CaptureError: the model's own configuration asks for them.
        """
        name = "num_return_sequences"
        sources = (self.config, self.model.module.generation_config)
        asked = [getattr(source, name, None) for source in sources]
        texts = next((n for n in (self.options.get(name), *asked) if n is not None), 1)
        if texts != 1:
            raise self.refuse(name, texts, f"writes {texts} texts, and a trace holds one")


def _refuse_name(model: Model, name: str, value: Any) -> None:
    """Refuse options that no value makes possible.

    Raises:
        ShapeError: it is one.
    """
    if name in ("max_new_tokens", "max_length"):
        raise ShapeError(
            f"The option {name}={_short(value)} says how much is written, and so does new_tokens.",
            "Say it by new_tokens.",
        )
    if name in ANSWERS and value:
        raise ShapeError(
            f"The option {name}={_short(value)} changes what generate returns; here it is a trace.",
            "Leave it out.",
        )
    if name in ("trust_remote_code", "custom_generate") and (value is True or type(value) is str):
        raise ShapeError(
            f"The option {name}={_short(value)} runs code from the hub, which is never done here.",
            "Leave it out.",
        )
    module: Any = model.module
    takes = set(inspect.signature(module.generate).parameters) - {"inputs", "kwargs"}
    known = takes | set(vars(GenerationConfig())) | {"tokenizer", "assistant_tokenizer"}
    known |= set(vars(module.generation_config)) | {"trust_remote_code"}
    reads = set(forward_parameters(model.module))
    if name in ("inputs", "past_key_values") or (name in reads and name not in known):
        raise ShapeError(
            f"The option {name} is something that the model reads, and that is made of the text.",
            "Leave it out.",
        )
    if name not in known:
        near = difflib.get_close_matches(name, sorted(known), 1)
        raise ShapeError(
            f"generate has no option {name}.",
            f"Did you mean {near[0]}?" if near else "Leave it out.",
        )


def _refuse_values(asked: _Origin, config: Any, new_tokens: int, prompt: int) -> None:
    """Refuse what one trace of one text cannot show, whoever asked for it.

    Raises:
        ShapeError: the caller asked for it.
        CaptureError: the model's own configuration asks for it.
    """
    cache = config.cache_implementation
    if cache == "quantized":
        raise asked.refuse(
            "cache_implementation",
            cache,
            "rounds keys after they were looked at, so that a token's column means another key in "
            "each row",
        )
    if cache == "paged":
        raise asked.refuse(
            "cache_implementation", cache, "writes in batches of its own, in which no row is found"
        )
    least, whole = config.min_new_tokens, config.min_length
    if least is not None and least > new_tokens:
        raise asked.refuse(
            "min_new_tokens",
            least,
            f"is more than the {new_tokens} new tokens that are written at most",
            f"Ask for new_tokens={least}, or pass a smaller min_new_tokens.",
        )
    if least is None and whole is not None and whole > prompt + new_tokens:
        raise asked.refuse(
            "min_length",
            whole,
            f"is more than {prompt} tokens and {new_tokens} new ones make together",
            f"Ask for new_tokens={whole - prompt}, or pass min_length=0.",
        )


def _is_on(config: Any, name: str) -> bool:
    value = getattr(config, name, None)
    return value is not None and value is not False and value != OFF.get(name)


def _short(value: Any) -> str:
    """Write a value so that it fits a sentence."""
    plain = type(value) in (type(None), bool, int, float, str, list, tuple, dict)
    return f"{value!r:.60}" if plain else type(value).__name__
