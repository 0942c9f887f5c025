"""The address of a model's page, as it is copied from a browser: which model it is, and which revision."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from viz.errors import ModelNotFoundError

HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co")

# What an address of a web page or of a repository begins with, as somebody may copy it.
SCHEME = re.compile(r"(?:https?|hf|git)://|git@", re.IGNORECASE)

# What follows a model's name and is followed by a revision.
AT_REVISION = ("tree", "blob", "resolve", "raw", "commit", "commits", "blame")

# Pages of something else, and what one is.
OTHERS = {
    "datasets": "a data set",
    "spaces": "a space",
    "papers": "a paper",
    "collections": "a collection",
}

# Revisions whose names have slashes, as pull requests have: refs/pr/3.
REFERENCE = re.compile(r"refs/(?:pr/\d+|heads/[^/]+|convert/[^/]+)")

MAIN = "main"


def read_address(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """Return the id and the revision that an address of a model's page names; other names as they are.

    Args:
        name: an address, an id, or anything else.
        revision: that was asked for beside it; it must be the address's, where that names one.

    Raises:
        ModelNotFoundError: it is the address of no model, or names another revision.
    """
    parts = _parts(name.strip())
    if parts is None:
        return name, revision
    if parts[:2] == ["api", "models"]:
        parts = parts[2:]
    elif parts[:1] == ["models"]:
        parts = parts[1:]
    if parts and parts[0] in OTHERS:
        raise ModelNotFoundError(
            f"{name} is the address of {OTHERS[parts[0]]}, and of no model.",
            "Give the address of a model's page, or its id: owner/name.",
        )
    # A few old models have no owner: huggingface.co/gpt2.
    count = 1 if len(parts) > 1 and parts[1] in AT_REVISION else 2
    found = "/".join(parts[:count]).removesuffix(".git")
    found, _, pinned = found.partition("@")
    if not found:
        raise ModelNotFoundError(
            f"{name} is no address of a model's page.",
            "Give one such as https://huggingface.co/owner/name, or an id: owner/name.",
        )
    rest = parts[count:]
    named = _revision(rest) or pinned or None
    if named is not None and revision and named != revision:
        raise ModelNotFoundError(
            f"{name} names the revision {named!r}, and {revision!r} was asked for beside it.",
            "Give one of both.",
        )
    return found, revision or (None if named == MAIN else named)


def pasted(name: str, revision: str = "", *, local: bool = False) -> tuple[str, str, bool]:
    """Read what somebody put where a model is asked for: its id, its revision, and whether it is a folder.

    An address is none; one of no model stays as it is, to be refused when it is loaded.
    """
    if not is_address(name):
        return name.strip(), revision.strip(), local
    name, revision = name.strip(), revision.strip()
    try:
        found, at = read_address(name, revision or None)
    except ModelNotFoundError:
        return name, revision, False
    return found, at or "", False


def is_address(name: str) -> bool:
    """Whether a name is written as an address on Hugging Face is, or as another web page's."""
    try:
        return _parts(name.strip()) is not None
    except ModelNotFoundError:
        return True


def _parts(name: str) -> list[str] | None:
    """Split the path of an address; None where a name is none.

    Raises:
        ModelNotFoundError: it is one of another host.
    """
    scheme = SCHEME.match(name)
    rest = name[scheme.end() :] if scheme else name
    if scheme and scheme[0].lower() == "hf://":
        return _split(rest)
    host, _, path = rest.partition("/")
    if scheme and scheme[0].lower() == "git@":
        host, _, path = rest.partition(":")
    host = host.rpartition("@")[2].lower().partition(":")[0]
    if host in (*HOSTS, _endpoint()):
        return _split(path)
    if scheme:
        raise ModelNotFoundError(
            f"{name} is no address on Hugging Face.",
            "Give one such as https://huggingface.co/owner/name, an id, or a folder.",
        )
    return None


def _split(path: str) -> list[str]:
    path = re.split(r"[?#]", path, maxsplit=1)[0]
    return [unquote(part) for part in path.split("/") if part]


def _revision(rest: list[str]) -> str | None:
    if len(rest) < 2 or rest[0] not in AT_REVISION:
        return None
    reference = REFERENCE.match("/".join(rest[1:]))
    return reference[0] if reference else rest[1]


def _endpoint() -> str:
    """Return the host of a hub of one's own, which the hub's library takes from HF_ENDPOINT."""
    return (urlsplit(os.environ.get("HF_ENDPOINT", "")).hostname or HOSTS[0]).lower()
