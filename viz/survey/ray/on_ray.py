"""Windows of a corpus measured by Ray, on this machine or on a cluster.

Batches of windows go to one actor a device, and sums come back in whatever order they are ready. Not more than two
batches an actor are on their way, so that a corpus of any size is read only as fast as it is measured.

Plain actors, and not Ray Data, because that (2.60) does not run over `ray://`, has no dataset of what this process
reads along, holds results back until 128 MB have come together, and tries windows that end a worker for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from viz.errors import CancelledError, LoupeError
from viz.models import Model
from viz.models.argument_checks import require_model, whole_number
from viz.models.work_control import WorkControl
from viz.survey.measured_windows import Batches, MeasuredWindows, Measuring
from viz.survey.ray.ray_connection import checked_address, connected
from viz.survey.ray.ray_crew import LOOK_SECONDS, Batch, Crew
from viz.survey.ray.ray_places import places
from viz.survey.ray.ray_worker import ModelSource
from viz.survey.shard_file import shard_of, sums_of_bytes
from viz.survey.texts.windows import Window

# How long a survey that is stopped waits for the windows at work.
STOP_SECONDS = 60.0


def on_ray(
    model: Model,
    name: str | Path,
    *,
    address: str | None,
    control: WorkControl,
    seed: int = 0,
    grammar: str | None = None,
    device: str = "auto",
    actors: int | None = None,
) -> Measuring:
    """Return what measures batches of windows by Ray, for `run_survey(measuring=...)`.

    Args:
        model: as it was loaded here; workers compute in its dtype.
        name: that it was loaded by, from which workers load it, too: a catalogue name, an id on the hub, or a folder,
            which must be at the same path on every machine.
        address: of a cluster: `ray://host:port` from anywhere, or `host:port` on one of its machines. None uses this
            machine alone, or what this process is connected to already.
        control: pauses or stops it.
        seed: of examples that are drawn by chance.
        grammar: spaCy pipeline that tells the texts' grammar; every machine needs the same version of it.
        device: `auto` takes the cluster's GPUs if it has any, and its CPUs else.
        actors: how many workers; by default one a GPU, or one for every 4 CPUs.

    Raises:
        InputError: the address is none, or the number of workers is.
        LoupeError: Ray is not installed, or does not answer there.

    What it returns raises LoupeErrors of its own: the cluster has other versions of Python, Ray or this package, or
    lacks the model; and CancelledError where it was stopped before all windows were measured.
    """
    require_model(model)
    if actors is not None:
        whole_number(actors, "number of workers")
    whole = checked_address(address)
    source = ModelSource.of(model, name, grammar)
    size = sum(one.numel() * one.element_size() for one in model.module.parameters())

    def measuring(batches: Batches, seen: Callable[[Window], None]) -> Iterator[MeasuredWindows]:
        with connected(whole) as ray:
            chosen = places(ray.nodes(), device=device, weights_bytes=size, actors=actors)
            crew = Crew(ray, chosen, source, seed=seed)
            try:
                yield from _measure(crew, batches, seen, control)
            except ConnectionError as error:
                raise LoupeError(
                    f"The connection to Ray{f' at {whole}' if whole else ''} was lost.",
                    "What was measured is kept; survey again to go on from it.",
                ) from error
            finally:
                crew.dismiss()

    return measuring


def _measure(
    crew: Crew, batches: Batches, seen: Callable[[Window], None], control: WorkControl
) -> Iterator[MeasuredWindows]:
    """Keep workers busy until all windows are measured.

    Raises:
        CancelledError: it was stopped before.
    """
    source = iter(batches)
    left: float | None = None  # until when a stopped survey waits
    more = whole = True
    while more or crew.waiting or crew.measures:
        if left is None and control.is_stopped:
            whole = not (more or crew.waiting)
            more, left = False, time.monotonic() + STOP_SECONDS
            crew.stop()
        if left is not None and time.monotonic() > left:
            raise CancelledError("The survey was stopped.")
        goes = not control.is_paused
        if more and goes and crew.lacks_batches:
            windows = next(source, None)
            more = windows is not None
            if windows is not None:
                crew.waiting.append(Batch(windows))
        if goes:
            crew.hand_out()
        hurry = more and goes and crew.lacks_batches
        for batch, data in crew.arrived(seconds=0.0 if hurry else LOOK_SECONDS):
            found = _found(batch, data)
            whole = whole and found is not None and found.shard.count == len(batch.windows)
            if found is not None:
                _tell(batch, found.shard.count, seen)
                yield found
        for batch, done in crew.counts():
            _tell(batch, done, seen)
    if not whole:
        raise CancelledError("The survey was stopped.")


def _found(batch: Batch, data: bytes | None) -> MeasuredWindows | None:
    if data is None:
        return None
    sums = sums_of_bytes(data)
    return MeasuredWindows(shard_of(batch.windows[: sums.windows + sums.refused]), sums)


def _tell(batch: Batch, done: int, seen: Callable[[Window], None]) -> None:
    """Tell of windows that nobody was told of yet."""
    for window in batch.windows[batch.told : done]:
        seen(window)
    batch.told = max(batch.told, min(done, len(batch.windows)))
