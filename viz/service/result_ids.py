"""Unguessable names of results: one that was made up is told from one whose result is gone."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable

from viz.errors import InputError

ID_BYTES = 16
KEY_BYTES = 32


class ResultIds:
    """Issues names, each for one owner, and knows its own again without keeping a list of them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)

    def issue(self, owner: str) -> str:
        """Make a name that nobody can guess, and that is good for its owner alone."""
        name = secrets.token_hex(ID_BYTES)
        return f"{name}.{self._sign(name, owner)}"

    def require_ours(self, token: str, owners: Iterable[str]) -> None:
        """Make sure that a name was made here, for one of some owners.

        Raises:
            InputError: it was not, or before the app was started anew.
        """
        name, _, signature = token.partition(".")
        if not any(
            hmac.compare_digest(signature.encode(), self._sign(name, owner).encode())
            for owner in owners
        ):
            raise InputError(
                "No page that this browser has open has a result of that name.",
                "Press Run to make one; if that does not help, allow cookies and reload the page.",
            )

    def _sign(self, name: str, owner: str) -> str:
        return hmac.new(self._key, f"{name}.{owner}".encode(), "sha256").hexdigest()
