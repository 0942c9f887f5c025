"""Models spread over several devices by Accelerate: over GPUs, memory and disk."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

# A weight of so many numbers is not read from disk only to tell one model from another.
LARGE_NUMBERS = 1_000_000


def is_spread(module: nn.Module) -> bool:
    """Whether parts of a module are on several devices, or brought to one for each pass."""
    places = set((getattr(module, "hf_device_map", None) or {}).values())
    return len(places) > 1 or is_offloaded(module)


def is_offloaded(module: nn.Module) -> bool:
    """Whether some weights lie in memory or on disk, and are brought to a device for each pass."""
    return any(_weights_of(part) is not None for part in module.modules())


def device_of(module: nn.Module) -> torch.device:
    """Return where a module's inputs go; of one that is spread where its first part runs."""
    hooks = (getattr(part, "_hf_hook", None) for part in module.modules())
    places = [getattr(hook, "execution_device", None) for hook in hooks]
    place = next((one for one in places if one is not None), None)
    if is_spread(module) and place is not None:
        return torch.device(place)
    first = next(iter([*module.parameters(), *module.buffers()]), torch.empty(0))
    return first.device


def offloaded(module: nn.Module, name: str) -> Tensor:
    """Read a weight that is brought to a device for each pass; empty where it is large, or nobody has it.

    Args:
        module: that is spread.
        name: of the weight.
    """
    part, _, own = name.rpartition(".")
    weights = _weights_of(module.get_submodule(part))
    if weights is None or module.get_parameter(name).numel() > LARGE_NUMBERS:
        return torch.empty(0)
    found: Tensor = weights[own]
    return found


def _weights_of(part: nn.Module) -> Mapping[str, Tensor] | None:
    """Return what Accelerate keeps of a part's weights elsewhere; None where it has them itself."""
    hook = getattr(part, "_hf_hook", None)
    hooks = getattr(hook, "hooks", (hook,))
    found = (getattr(one, "weights_map", None) for one in hooks if getattr(one, "offload", False))
    weights: Mapping[str, Tensor] | None = next((one for one in found if one is not None), None)
    return weights
