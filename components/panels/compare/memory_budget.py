"""Room for several runs of a part of the Compare page at a time."""

from __future__ import annotations

from viz.errors import BudgetError

# What the runs of a part of the page may take together: they and both sides are to be kept at a time.
MOST_BYTES = 500_000_000


def require_room(one_bytes: int, count: int, what: str, hint: str) -> None:
    """Make sure that so many runs can be kept at a time.

    Args:
        one_bytes: that one of them takes.
        count: of the runs.
        what: they are of, in the plural.
        hint: what to do otherwise.

    Raises:
        BudgetError: they cannot.
    """
    if one_bytes * count > MOST_BYTES:
        raise BudgetError(
            f"{count:,} {what} take {one_bytes * count / 1e9:.1f} GB; "
            f"{MOST_BYTES / 1e9:.1f} GB are kept for them.",
            hint,
        )
