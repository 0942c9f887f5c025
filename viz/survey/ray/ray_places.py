"""Where in a Ray cluster workers are put: one on each GPU, or one on every few CPUs where there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from viz.errors import InputError

# Of a worker without a GPU: more threads help a pass over a few hundred tokens little, and each worker holds the model.
CPUS = 4

# What a worker takes while it runs a model, in sizes of its weights.
MODEL_SIZES = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is put, and what it is given there.

    Attributes:
        node: its id.
        host: its address, to be read.
        device: that the model is loaded on.
        cpus: for it alone; its number of threads.
        gpus: for it alone.
    """

    node: str
    host: str
    device: str
    cpus: float
    gpus: int = 0


def places(
    nodes: Sequence[dict[str, Any]],
    *,
    device: str = "auto",
    weights_bytes: int = 0,
    actors: int | None = None,
) -> list[Place]:
    """Choose places for workers.

    Args:
        nodes: as `ray.nodes()` gives them.
        device: `auto` takes GPUs where the cluster has any; `cuda` and `cpu` ask for one or the other.
        weights_bytes: size of the model.
        actors: how many workers; as many as fit if None.

    Raises:
        InputError: the cluster lacks what was asked for.
    """
    alive = [(one, one["Resources"]) for one in nodes if one["Alive"]]
    gpus = {one["NodeID"]: int(has.get("GPU", 0)) for one, has in alive}
    cpus = {one["NodeID"]: int(has.get("CPU", 0)) for one, has in alive}
    hosts = {one["NodeID"]: one["NodeManagerAddress"] for one, _ in alive}
    kind = (
        "GPU" if device.startswith("cuda") or (device == "auto" and any(gpus.values())) else "CPU"
    )
    has = gpus if kind == "GPU" else cpus
    most = sum(has.values())
    if not most:
        raise InputError(
            f"The Ray cluster has no {kind}.",
            "Choose the device cpu." if kind == "GPU" else "Start a node with CPUs.",
        )
    if actors is not None and not 1 <= actors <= most:
        raise InputError(
            f"{actors:,} workers were asked for; the Ray cluster has {most:,} {kind}s.",
            f"Choose 1 to {most:,}.",
        )
    if kind == "GPU":
        counts = _shared_out(has, most if actors is None else actors)
        return [
            Place(node, hosts[node], "cuda", min(1.0, cpus[node] / gpus[node]), gpus=1)
            for node, count in counts.items()
            for _ in range(count)
        ]
    if actors is None:
        memory = {one["NodeID"]: int(has.get("memory", 0)) for one, has in alive}
        counts = Counter(
            {
                node: _fitting(count, memory[node], weights_bytes)
                for node, count in cpus.items()
                if count
            }
        )
    else:
        counts = _shared_out(has, actors)
    return [
        Place(node, hosts[node], "cpu", float(cpus[node] // count))
        for node, count in counts.items()
        for _ in range(count)
    ]


def _fitting(cpus: int, memory_bytes: int, weights_bytes: int) -> int:
    """Say how many workers a node holds; one at least, which says itself where that is too much."""
    by_memory = memory_bytes // (MODEL_SIZES * weights_bytes) if weights_bytes else cpus
    return max(1, min(cpus // CPUS, by_memory))


def _shared_out(has: dict[str, int], count: int) -> Counter[str]:
    """Give each of so many workers to the node that has the most left for it."""
    counts: Counter[str] = Counter()
    for _ in range(count):
        counts[
            max(has, key=lambda node: (has[node] > counts[node], has[node] / (counts[node] + 1)))
        ] += 1
    return counts
