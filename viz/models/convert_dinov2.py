"""DINOv2 ViT-S/14 from an ONNX file to a folder in hub layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

PREFIX = "backbone."
WIDTH, PATCH, SIDE = 384, 14, 518
CONFIG = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": WIDTH,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "patch_size": PATCH,
    "image_size": SIDE,
    "layer_norm_eps": 1e-6,
    "hidden_act": "gelu",
    "qkv_bias": True,
    "use_swiglu_ffn": False,
    "num_channels": 3,
}
PROCESSOR = {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_convert_rgb": True,
}


def dinov2_from_onnx(source: Path, weights: str, target: Path) -> None:
    """Write the backbone of an ONNX graph where transformers looks for it.

    Raises:
        ImportError: `onnx` is not installed.
        KeyError: a weight is missing.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(source / weights)).graph
    arrays = {stored.name: numpy_helper.to_array(stored) for stored in graph.initializer}
    state = {
        name.removeprefix(PREFIX): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(PREFIX)
    }
    # The matrices of linear layers bear no name; the product that uses one does.
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith("/backbone/"):
            for name in node.input:
                if name in arrays:
                    state[_linear_name(node.name)] = torch.from_numpy(arrays[name].T.copy())
    state["embeddings.position_embeddings"] = torch.from_numpy(_positions(arrays))
    state["embeddings.mask_token"] = torch.zeros(1, WIDTH)
    target.mkdir(parents=True)
    whole = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(whole, target / "model.safetensors", {"format": "pt"})
    (target / "config.json").write_text(json.dumps(CONFIG))
    (target / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))


def _linear_name(product: str) -> str:
    """Turn `/backbone/encoder/.../query/MatMul` into the name of that layer's weights."""
    path = product.strip("/").replace("/", ".")
    return f"{path.removeprefix(PREFIX).removesuffix('.MatMul')}.weight"


def _positions(arrays: dict[str, Any]) -> Any:
    """Join the positions of the class token and of the patches, which the graph keeps apart."""
    patches = (SIDE // PATCH) ** 2
    try:
        first = next(a for n, a in arrays.items() if "Concat" in n and a.shape == (1, 1, WIDTH))
        grid = next(a for a in arrays.values() if a.shape == (1, patches, WIDTH))
    except StopIteration:
        raise KeyError("position embeddings") from None
    return np.concatenate([first, grid], axis=1)
