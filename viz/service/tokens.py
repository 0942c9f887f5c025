"""Unguessable names of results: one that was made up is told from one whose result is gone."""

from __future__ import annotations

import hmac
import secrets

from viz.errors import InputError

ID_BYTES = 16
KEY_BYTES = 32


class Tokens:
    """Issues names and knows its own again, without keeping a list of them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)

    def issue(self) -> str:
        """Make a name that nobody can guess."""
        name = secrets.token_hex(ID_BYTES)
        return f"{name}.{self._sign(name)}"

    def require_ours(self, token: str) -> None:
        """Make sure that a name was made here.

        Raises:
            InputError: it was not, or before the app was started anew.
        """
        name, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(name).encode()):
            raise InputError("There is no result of that name.", "Press Run to make one.")

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), "sha256").hexdigest()
