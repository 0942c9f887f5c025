"""Windows of a corpus measured one after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from viz.errors import BudgetError, CancelledError, LoupeError
from viz.models import Model
from viz.models.work_control import WorkControl
from viz.survey.grammar.pipelines import Pipeline
from viz.survey.measured_passes import WindowPasses
from viz.survey.shard_file import Shard, shard_of
from viz.survey.sums.survey_sums import SurveySums, add_window
from viz.survey.texts.windows import Window

Batches = Iterable[Sequence[Window]]


@dataclass(frozen=True, slots=True)
class MeasuredWindows:
    """Some windows that follow one another, and what every head does there."""

    shard: Shard
    sums: SurveySums


# Measures batches of windows, in whatever order; the second argument hears of each window.
Measuring = Callable[[Batches, Callable[[Window], None]], Iterator[MeasuredWindows]]


def measure_windows(
    model: Model,
    windows: Sequence[Window],
    *,
    seed: int = 0,
    pipeline: Pipeline | None = None,
    passes: WindowPasses | None = None,
    before: Callable[[], None] | None = None,
    seen: Callable[[Window], None] | None = None,
) -> MeasuredWindows | None:
    """Measure some windows that follow one another.

    Args:
        model: what is measured.
        windows: at least one.
        seed: of examples that are drawn by chance.
        pipeline: that tells the texts' grammar; None for none.
        passes: captures them; keeps what is known of the model from one call to the next.
        before: called before each window; may raise CancelledError to end after those before.
        seen: called after each window.

    Returns:
        What was measured until then; None where that is nothing.

    Raises:
        LoupeError: the model's attention is shown on none of them, for the reason it gives.
    """
    sums, done = SurveySums(), 0
    passes = passes or WindowPasses(model)
    for window in windows:
        try:
            if before is not None:
                before()
            trace = passes.trace(window, windows)
            add_window(sums, window, trace, seed=seed, pipeline=pipeline)
        except CancelledError:
            break
        except BudgetError:
            raise
        except LoupeError as error:
            sums.refuse(str(error))
        done += 1
        if seen is not None:
            seen(window)
    if not done:
        return None
    if not sums.windows:
        raise LoupeError(
            f"Attention can be shown on none of {done} windows: {sums.refusal}",
            "Try one of these texts on the Explore page.",
        )
    sums.forget_unshown()
    return MeasuredWindows(shard_of(windows[:done]), sums)


def here(
    model: Model, control: WorkControl, *, seed: int = 0, pipeline: Pipeline | None = None
) -> Measuring:
    """Return what measures batches in this process, one after the other."""
    passes = WindowPasses(model)

    def measuring(batches: Batches, seen: Callable[[Window], None]) -> Iterator[MeasuredWindows]:
        for batch in batches:
            found = measure_windows(
                *(model, batch),
                seed=seed,
                pipeline=pipeline,
                passes=passes,
                before=control.wait,
                seen=seen,
            )
            if found is not None:
                yield found
            if control.is_stopped:
                return

    return measuring
