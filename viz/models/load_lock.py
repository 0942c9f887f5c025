"""One at a time: what transformers does to its own classes while it builds or loads a model."""

from __future__ import annotations

import threading

# transformers swaps functions of its classes, and of torch.nn.init, while it loads or builds a model.
# Two at a time would leave tied weights untied for good, or weights undrawn.
building = threading.Lock()
