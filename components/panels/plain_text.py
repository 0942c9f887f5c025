"""Text of users and models, kept from being read as Markdown."""

from __future__ import annotations


def literal(text: str) -> str:
    """Escape every character that Markdown might take for markup."""
    return "".join(f"\\{mark}" if mark in "\\`*_{}[]<>()#+-!|$~:" else mark for mark in text)
