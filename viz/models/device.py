"""Which device and which dtype a model runs on."""

from __future__ import annotations

import psutil
import torch

from viz.errors import ModelRefusedError

# A model that no device holds alone: over all GPUs, what is left in memory, and then on disk, by Accelerate.
SPREAD = "spread"

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def available_devices() -> list[str]:
    """Name the devices that this machine has, the fastest first."""
    devices = []
    if torch.cuda.is_available():
        devices += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def offered_devices() -> list[str]:
    """Name what a person may choose from on this machine, the usual first."""
    devices = available_devices()
    return ["auto", *devices, *([SPREAD] if len(devices) > 1 else [])]


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Take the fastest device, or the one named; of a model that is spread that where its inputs go.

    Raises:
        ModelRefusedError: there is no such device here.
    """
    devices = available_devices()
    name = str(name)
    if name in ("auto", SPREAD):
        return torch.device(devices[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in devices:
        raise ModelRefusedError(
            f"There is no device {name!r} on this machine; it has {', '.join(devices)}.",
            f"Choose one of those, auto, or {SPREAD} for all of them.",
        )
    return torch.device(wanted)


def choose_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype | str:
    """Take the dtype named; by itself float32, and on CUDA what the checkpoint stores.

    bfloat16 on a CPU is some 15 times slower than float32, so it is never chosen there unasked.

    Raises:
        ModelRefusedError: there is no such dtype.
    """
    if isinstance(name, torch.dtype) and name.is_floating_point:
        return name
    if name == "auto":
        return "auto" if device.type == "cuda" else torch.float32
    if not isinstance(name, str) or name not in DTYPES:
        raise ModelRefusedError(
            f"There is no dtype {name!r}; choose one of {', '.join(DTYPES)}.", "Or auto."
        )
    return DTYPES[name]


def available_memory_bytes(device: torch.device) -> int:
    """Return how much memory may still be taken on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
