"""What an optimiser remembers, as plain tensors that a safetensors file holds."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from viz.errors import StorageError
from viz.models.whole_file import whole


def save_memory(optimizer: torch.optim.Optimizer, module: nn.Module, path: Path) -> None:
    """Write an optimiser's averages, named by the parameters that they belong to."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    tensors = {
        f"{field}/{names[parameter]}": torch.as_tensor(value).detach().clone()
        for parameter, state in optimizer.state.items()
        for field, value in state.items()
    }
    with whole(path) as beside:
        save_file(tensors, beside)


def load_memory(optimizer: torch.optim.Optimizer, module: nn.Module, path: Path) -> None:
    """Let an optimiser remember what another one of the same module did.

    Raises:
        StorageError: the file cannot be read, or is of another model.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"What the optimiser remembered cannot be read from {path.name}.", "Train anew."
        ) from error
    parameters = dict(module.named_parameters())
    remembered: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        field, _, parameter = name.partition("/")
        remembered.setdefault(parameter, {})[field] = tensor
    if set(remembered) != {name for name, one in parameters.items() if one.requires_grad}:
        raise StorageError(f"The file {path.name} belongs to another model.", "Train anew.")
    for name, state in remembered.items():
        optimizer.state[parameters[name]] = {
            field: tensor.to(parameters[name].device) if tensor.ndim else tensor
            for field, tensor in state.items()
        }
