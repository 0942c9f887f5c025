"""Functions of PyTorch that order or choose by numbers."""

from __future__ import annotations

import torch
from torch import Tensor

# Functions whose dimension is the argument after the tensor, and after a number.
BY_DIMENSION = {
    *(torch.sort, Tensor.sort, torch.argsort, Tensor.argsort, torch.msort, Tensor.msort),
    *(torch.argmax, Tensor.argmax, torch.argmin, Tensor.argmin),
    *(torch.multinomial, Tensor.multinomial),
}
BY_NUMBER = {torch.topk, Tensor.topk, torch.kthvalue, Tensor.kthvalue}
