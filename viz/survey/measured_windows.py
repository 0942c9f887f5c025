"""Windows of a corpus measured one after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from viz.errors import BudgetError, CancelledError, LoupeError
from viz.models import Model
from viz.survey.shard_file import Shard, shard_of
from viz.survey.sums.survey_sums import SurveySums, add_window
from viz.survey.survey_control import SurveyControl
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
    before: Callable[[], None] | None = None,
    seen: Callable[[Window], None] | None = None,
) -> MeasuredWindows | None:
    """Measure some windows that follow one another.

    Args:
        model: what is measured.
        windows: at least one.
        seed: of examples that are drawn by chance.
        before: called before each window; may raise CancelledError to end after those before.
        seen: called after each window.

    Returns:
        What was measured until then; None where that is nothing.

    Raises:
        LoupeError: the model's attention is shown on none of them, for the reason it gives.
    """
    sums, done = SurveySums(), 0
    for window in windows:
        try:
            if before is not None:
                before()
            add_window(sums, model, window, seed=seed)
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


def here(model: Model, control: SurveyControl, *, seed: int = 0) -> Measuring:
    """Return what measures batches in this process, one after the other."""

    def measuring(batches: Batches, seen: Callable[[Window], None]) -> Iterator[MeasuredWindows]:
        for batch in batches:
            found = measure_windows(model, batch, seed=seed, before=control.wait, seen=seen)
            if found is not None:
                yield found
            if control.is_stopped:
                return

    return measuring
