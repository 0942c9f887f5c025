"""The examples of trainings, made once for all who learn or look at the same."""

from __future__ import annotations

import hashlib
import threading

from viz.service.lru_store import BoundedStore
from viz.training.task import Loaded
from viz.training.tasks import find_task
from viz.training.training_folder import RunFolder

# Examples of so many trainings are kept: some megabytes each, and a second or two to make.
KEPT = 8


class ExampleStore:
    """Makes examples, and keeps those that were used last."""

    def __init__(self) -> None:
        self._loaded: BoundedStore[Loaded] = BoundedStore(KEPT, lambda _: 1)
        self._lock = threading.Lock()

    def get(self, task: str, seed: int, text: str | None) -> Loaded:
        """Return the examples of a task.

        Args:
            task: its name.
            seed: of the training.
            text: the user's own, where it learns from that.

        Raises:
            LoupeError: they cannot be made, for the reason it gives.
        """
        digest = None if text is None else hashlib.sha256(text.encode()).hexdigest()
        key = (task, seed, digest)
        # One at a time: who asks for the same as another waits for it, which is quicker.
        with self._lock:
            loaded = self._loaded.get(key)
            if loaded is None:
                loaded = find_task(task).load(seed, text)
                self._loaded.put(key, loaded)
        return loaded

    def of(self, folder: RunFolder) -> Loaded:
        """Return the examples of a training, as they were when it began.

        Raises:
            LoupeError: they cannot be made, for the reason it gives.
        """
        about = folder.about()
        return self.get(about.task, about.settings.seed, folder.text())
