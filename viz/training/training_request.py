"""What somebody asks of a model and its training, refused in the words in which it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from viz.errors import ConfigError
from viz.models.custom.model_options import TransformerOptions
from viz.training.training_settings import Settings


def asked_options(
    usual: TransformerOptions, given: Mapping[str, Any], names: Mapping[str, str]
) -> TransformerOptions:
    """Change some of what a model is made of.

    Args:
        usual: what it is made of else.
        given: the changes.
        names: what its user calls an option, where that is not its own name.

    Raises:
        ConfigError: it does not fit.
    """
    changed = {
        **{name: getattr(usual, name) for name in ("d_model", "heads", "positions")},
        **given,
    }
    width, heads = changed["d_model"], changed["heads"]
    whole = isinstance(width, int) and isinstance(heads, int) and heads > 0
    if changed["positions"] == "rotary" and whole and width % heads == 0 and width // heads % 2:
        # Of heads nobody is asked how wide they are.
        fewer = [one for one in range(1, heads) if width % one == 0 and width // one % 2 == 0]
        other = f" {fewer[-1]} {'head' if fewer[-1] == 1 else 'heads'}," if fewer else ""
        raise ConfigError(
            f"Rotary positions turn pairs of numbers, and each of the {heads} heads has "
            f"{width // heads:,} of the {width:,} that a token is wide, which is odd.",
            f"Choose{other} a width of {2 * width:,}, or other positions.",
        )
    try:
        return replace(usual, **given)
    except ConfigError as error:
        raise _renamed(error, names) from error


def asked_settings(usual: Settings, given: Mapping[str, Any], names: Mapping[str, str]) -> Settings:
    """Change some of how it is trained.

    Args:
        usual: how it is trained else.
        given: the changes.
        names: what its user calls a setting, where that is not its own name.

    Raises:
        ConfigError: it does not fit.
    """
    try:
        return replace(usual, **given)
    except ConfigError as error:
        raise _renamed(error, names) from error


def _renamed(error: ConfigError, names: Mapping[str, str]) -> ConfigError:
    """Say an error in its user's words."""
    message = error.message
    for name, theirs in names.items():
        message = message.replace(f"The option {name} is", f"{theirs} is")
    return ConfigError(message, error.hint)
