"""How a layer's weights were come by, and what was checked before anyone may see them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from viz.models.model import Tier

TIER_WORDS = {
    "registry": "recomputed from recorded queries and keys",
    "hooks": "seen at the layer itself while it ran",
    "eager": "the very numbers that the model's own eager attention multiplied its values with",
    "given": "computed elsewhere and given",
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a layer's weights come from.

    Attributes:
        tier: `registry` (queries and keys recorded), `hooks` (seen at the kernel), `eager` (weights
            reported by the model) or `given` (computed elsewhere).
        output_error: max |weights @ v - head output| over the checked rows; None without v.
        row_sum_error: max |1 - row sum| over the checked rows that look at anything; by how much
            a row sums to more than 1 where a sink takes its share.
        tolerance: what the output error had to stay under, or the row sums where there is none.
        checked_rows: how many query rows were checked, spread over the text.
        flags: what changes the picture (`sinks`, `softcap 50`, `window`, `position bias`, ...).
        mask: the mask's rule in words.
        scale: factor on the dot product; None where the model did not say.
        dtype: what the model computed in.
    """

    tier: Tier
    output_error: float | None
    row_sum_error: float
    tolerance: float
    checked_rows: int
    flags: tuple[str, ...]
    mask: str
    scale: float | None
    dtype: str

    def summary(self) -> str:
        """Say it in one line."""
        parts = [TIER_WORDS[self.tier], f"mask: {self.mask}", self._precision()]
        if self.output_error is not None:
            parts.append(f"max |weights @ v - output| {self.output_error:.1e}")
        parts.append(f"row sums off by at most {self.row_sum_error:.1e}")
        return "; ".join([*parts, *self.flags])

    def together(self, other: Provenance, mask: str) -> Provenance:
        """Say of two calls that are shown as one layer what was checked of both, the worse of each."""
        errors = [e for e in (self.output_error, other.output_error) if e is not None]
        return replace(
            self,
            output_error=max(errors, default=None),
            row_sum_error=max(self.row_sum_error, other.row_sum_error),
            tolerance=max(self.tolerance, other.tolerance),
            checked_rows=self.checked_rows + other.checked_rows,
            flags=tuple(dict.fromkeys((*self.flags, *other.flags))),
            mask=mask,
        )

    def _precision(self) -> str:
        """Say what the half types cost: their own rounding, which no later step can undo."""
        if self.dtype not in ("bfloat16", "float16"):
            return self.dtype
        eps = torch.finfo(getattr(torch, self.dtype)).eps
        return f"{self.dtype}, in which the model rounds every number to within {eps / 2:.1e} of it"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a file's metadata."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Provenance:
        """Read back what `to_json` wrote."""
        return cls(**{**data, "flags": tuple(data["flags"])})
