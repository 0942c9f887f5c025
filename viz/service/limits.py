"""How much one user, and all of them together, may ask of this process: each limit once, with its reason.

Every one can be set in the environment before the start; the names are in docs/how-to.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from viz.errors import ConfigError

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed; a user is a browser, with all pages that it has open.

    Attributes:
        passes: models run at a time. PyTorch uses every core for each, so that more are no quicker together;
            a second one lets short texts by while somebody waits for a long one.
        waiting_each: runs of one user that may wait. A person looks at one page at a time; two more may be
            on their way, in other tabs.
        waiting: runs that may wait in all. At a second each the last of them waits for two minutes, and
            longer nobody does.
        tokens: of one run at most; None where only model and memory say.
        kept_bytes: of memory for the traces of everybody. Half as much is for runs that are not drawn to their
            end, a quarter for what predictions rest on, and as much for their passes.
        kept_each_bytes: of it for one user: half, so that nobody drives out all others.
    """

    passes: int = 2
    waiting_each: int = 3
    waiting: int = 120
    tokens: int | None = None
    kept_bytes: int = 2_000 * MB
    kept_each_bytes: int = 1_000 * MB


# What each is called outside, and in which unit it is given.
VARIABLES = {
    "passes": ("LOUPE_PASSES", 1),
    "waiting_each": ("LOUPE_WAITING_EACH", 1),
    "waiting": ("LOUPE_WAITING", 1),
    "tokens": ("LOUPE_TOKENS", 1),
    "kept_bytes": ("LOUPE_KEPT_MB", MB),
    "kept_each_bytes": ("LOUPE_KEPT_EACH_MB", MB),
}


def limits_of(environment: Mapping[str, str] = os.environ) -> Limits:
    """Return the limits that an environment sets, and the usual ones else.

    Raises:
        ConfigError: one is no whole number above 0.
    """
    given = {
        name: _number(variable, environment[variable]) * unit
        for name, (variable, unit) in VARIABLES.items()
        if environment.get(variable, "").strip()
    }
    if "kept_bytes" in given:
        given.setdefault("kept_each_bytes", given["kept_bytes"] // 2)
    return Limits(**given)


def _number(variable: str, value: str) -> int:
    if not value.strip().isdecimal() or int(value) < 1:
        raise not_expected(variable, value, "a whole number above 0")
    return int(value)


def not_expected(variable: str, value: str, expected: str) -> ConfigError:
    """Say what a variable of the environment is, and what it may be."""
    return ConfigError(
        f"{variable} is {value!r:.40}; {expected} is expected.", "Set another, or leave it out."
    )
