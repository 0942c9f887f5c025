"""Which replica answers: the one that holds what is asked about; else one that has the model, and little to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.serve.request_router import LocalityMixin, MultiplexMixin, RequestRouter

from viz.service.ray.replica_choice import PREFERRED, ranked


class HolderRouter(LocalityMixin, MultiplexMixin, RequestRouter):  # type: ignore[misc]
    """Follows the replica that a request names as its session.

    One that is gone is asked of any other, which then says that it holds nothing of the kind.
    """

    async def choose_replicas(
        self, candidate_replicas: Sequence[Any], pending_request: Any = None
    ) -> list[list[Any]]:
        """Return ranks of replicas, the preferred first; of one rank Ray takes that with the shortest queue."""
        if pending_request is None:
            return [list(candidate_replicas)]
        wanted, model = (
            getattr(pending_request.metadata, name)
            for name in ("session_id", "multiplexed_model_id")
        )
        held = [one for one in candidate_replicas if one.replica_id.unique_id == wanted]
        if held:
            return [held]
        preferred = wanted.removeprefix(PREFERRED) if wanted else ""
        return ranked(candidate_replicas, preferred, model, self._questions)

    def _questions(self, replica: Any) -> int:
        """How many questions a replica answers now, as far as this process knows."""
        return self.replica_queue_len_cache.get(replica.replica_id) or 0
