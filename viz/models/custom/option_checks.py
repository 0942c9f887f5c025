"""Options that do not fit each other, said before anything is built of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from viz.errors import ConfigError, ShapeError
from viz.models.argument_checks import kind_of_value

# Beyond this a width or a count is a slip of the keyboard; the largest models stay far below.
LARGEST = 1_000_000


def require_count(name: str, value: object, *, least: int = 1, most: int = LARGEST) -> None:
    """Make sure that an option is a whole number within bounds.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(
            f"The option {name} is {kind_of_value(value)} ({value!r:.40}).", "Give a whole number."
        )
    if not least <= value <= most:
        raise ConfigError(f"The option {name} is {value:,}.", f"Choose {least} to {most:,}.")


def require_share(name: str, value: object) -> None:
    """Make sure that an option is a share from 0 to below 1.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ConfigError(
            f"The option {name} is {value!r:.40}.", "Choose a share from 0 to below 1."
        )


def require_flag(name: str, value: object) -> None:
    """Make sure that an option is yes or no.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"The option {name} is {value!r:.40}.", "Give True or False.")


def require_positive(name: str, value: object) -> None:
    """Make sure that an option is a finite number above 0.

    Raises:
        ConfigError: it is not.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < float(str(value)) < math.inf:
        raise ConfigError(f"The option {name} is {value!r:.40}.", "Choose a number above 0.")


def require_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Make sure that an option is one of those that there are.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(
            f"The option {name} is {value!r:.40}, which is none that there is.",
            f"Choose {either(choices)}.",
        )


def head_width(d_model: int, heads: int) -> int:
    """Return each head's equal share of the width.

    Raises:
        ConfigError: it is not divisible.
    """
    if d_model % heads:
        fitting = [count for count in range(1, d_model + 1) if d_model % count == 0]
        near = sorted(sorted(fitting, key=lambda count: abs(count - heads))[:3])
        raise ConfigError(
            f"The width {d_model} is not divisible by {heads} heads.",
            f"Choose {either(near)} heads, or another width.",
        )
    return d_model // heads


def check_groups(heads: int, kv_heads: int) -> None:
    """Make sure that query heads can share key and value heads evenly.

    Raises:
        ConfigError: they cannot.
    """
    if heads % kv_heads:
        fitting = [count for count in range(1, heads + 1) if heads % count == 0]
        raise ConfigError(
            f"{heads} heads cannot share {kv_heads} key-value heads evenly.",
            f"Choose {either(fitting)} key-value heads.",
        )


def check_rotary(d_head: int) -> None:
    """Make sure that heads can be turned pair by pair.

    Raises:
        ConfigError: their width is odd.
    """
    if d_head % 2:
        raise ConfigError(
            f"Rotary positions turn pairs of numbers, and a head is {d_head} wide.",
            f"Choose an even width of heads, such as {d_head + 1}, or other positions.",
        )


def check_tokens(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    widths: tuple[int, int, int],
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Make sure that tokens are what projections read, of their widths, and belong together.

    Args:
        query: [batch, query, width] or [query, width].
        key: likewise.
        value: likewise.
        widths: of the three.
        dtype: of the projections; None where there are none.

    Raises:
        ShapeError: they do not.
    """
    given = zip(("query", "key", "value"), (query, key, value), widths, strict=True)
    for name, tokens, width in given:
        if not isinstance(tokens, Tensor):
            raise ShapeError(f"The {name} is {kind_of_value(tokens)}.", "Give a torch.Tensor.")
        _check_dtype(name, tokens, dtype)
        if tokens.ndim not in (2, 3) or tokens.shape[-1] != width:
            raise ShapeError(
                f"The {name} has shape {tuple(tokens.shape)}.",
                f"Give [batch, token, {width}], or [token, {width}] for one text.",
            )
    if key.shape[:-1] != value.shape[:-1] or key.shape[:-2] != query.shape[:-2]:
        raise ShapeError(
            f"Queries of shape {tuple(query.shape)}, keys {tuple(key.shape)} and values "
            f"{tuple(value.shape)} do not belong together.",
            "Give one batch, and as many values as keys.",
        )


def _check_dtype(name: str, tokens: Tensor, dtype: torch.dtype | None) -> None:
    """Make sure that tokens are decimal numbers, as precise as what they are multiplied with."""
    # Autocast brings them to one dtype itself.
    mixed = torch.is_autocast_enabled(tokens.device.type)
    same = dtype is None or mixed or tokens.dtype == dtype
    if same and tokens.is_floating_point():
        return
    wanted = str(torch.get_default_dtype() if dtype is None else dtype)
    raise ShapeError(
        f"The {name} is of {str(tokens.dtype)[6:]}, which this attention does not read.",
        f"Give .to({wanted}).",
    )


def either(choices: Sequence[object]) -> str:
    """Say "1, 2 or 4"."""
    *first, last = map(str, choices)
    return f"{', '.join(first)} or {last}" if first else last
