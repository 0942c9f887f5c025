"""Whisper tiny.en from a CTranslate2 file to a folder in hub layout."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, processors
from torch import Tensor
from transformers import (
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

# How CTranslate2 numbers its dtypes, and the version of its files that is read.
DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
VERSION = 6

WIDTH, LAYERS, HEADS = 384, 4, 6
START, NO_TIMES, END = "<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>"


def whisper_from_ctranslate2(source: Path, weights: str, target: Path) -> None:
    """Write weights, tokenizer and feature extractor where transformers looks for them.

    Raises:
        KeyError: a weight is missing.
        ValueError: the file is of another version.
        EOFError: the file is cut short.
    """
    tokenizer = _tokenizer(source / "tokenizer.json")
    start, end = (tokenizer.convert_tokens_to_ids(word) for word in (START, END))
    config = WhisperConfig(
        vocab_size=51_864,
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        num_mel_bins=80,
        max_source_positions=1500,
        max_target_positions=448,
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = WhisperForConditionalGeneration(config)
    model.load_state_dict(_renamed(read_ctranslate2(source / weights)))
    model.generation_config.decoder_start_token_id = start
    model.generation_config.no_timestamps_token_id = tokenizer.convert_tokens_to_ids(NO_TIMES)
    model.generation_config.is_multilingual = False
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(target)


def read_ctranslate2(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read every array of a CTranslate2 model.

    The file: version, name, revision, count; then for each array its name, rank, shape, dtype and
    bytes. Numbers are little-endian.
    """
    with path.open("rb") as file:
        version = _number(file, "I")
        if version != VERSION:
            raise ValueError(f"CTranslate2 version {version}, not {VERSION}")
        _word(file)
        _number(file, "I")
        arrays = {}
        for _ in range(_number(file, "I")):
            name = _word(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            dtype = np.dtype(DTYPES[_number(file, "B")])
            content = _bytes(file, _number(file, "I"))
            arrays[name] = np.frombuffer(content, dtype).reshape(shape).astype(np.float32)
    return arrays


def _renamed(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Give every array the name that transformers has for it."""
    state: dict[str, Tensor] = {}

    def put(name: str, tensor: Tensor) -> None:
        state[name] = tensor.contiguous()

    def of(name: str) -> Tensor:
        return torch.from_numpy(arrays[name])

    def linear(name: str, stored: str) -> None:
        put(f"{name}.weight", of(f"{stored}/weight"))
        put(f"{name}.bias", of(f"{stored}/bias"))

    def norm(name: str, stored: str) -> None:
        put(f"{name}.weight", of(f"{stored}/gamma"))
        put(f"{name}.bias", of(f"{stored}/beta"))

    def attention(name: str, stored: str, joined: tuple[str, ...], last: int) -> None:
        """Part what is stored as one product; keys have no bias, and theirs is stored as zeros."""
        weights = of(f"{stored}/linear_{last - 1}/weight").chunk(len(joined))
        biases = of(f"{stored}/linear_{last - 1}/bias").chunk(len(joined))
        for letter, weight, bias in zip(joined, weights, biases, strict=True):
            put(f"{name}.{letter}_proj.weight", weight)
            if letter != "k":
                put(f"{name}.{letter}_proj.bias", bias)
        linear(f"{name}.out_proj", f"{stored}/linear_{last}")

    for number in ("1", "2"):
        linear(f"model.encoder.conv{number}", f"encoder/conv{number}")
    words = of("decoder/embeddings/weight")
    put("model.decoder.embed_tokens.weight", words)
    put("proj_out.weight", words)
    for side in ("encoder", "decoder"):
        stored = of(f"{side}/position_encodings/encodings")
        put(f"model.{side}.embed_positions.weight", stored)
        norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        for layer in range(LAYERS):
            name, from_ = f"model.{side}.layers.{layer}", f"{side}/layer_{layer}"
            norm(f"{name}.self_attn_layer_norm", f"{from_}/self_attention/layer_norm")
            norm(f"{name}.final_layer_norm", f"{from_}/ffn/layer_norm")
            attention(f"{name}.self_attn", f"{from_}/self_attention", ("q", "k", "v"), 1)
            linear(f"{name}.fc1", f"{from_}/ffn/linear_0")
            linear(f"{name}.fc2", f"{from_}/ffn/linear_1")
            if side == "decoder":
                norm(f"{name}.encoder_attn_layer_norm", f"{from_}/attention/layer_norm")
                linear(f"{name}.encoder_attn.q_proj", f"{from_}/attention/linear_0")
                attention(f"{name}.encoder_attn", f"{from_}/attention", ("k", "v"), 2)
    return state


def _tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """Read the tokenizer, and let it write the words that Whisper starts and ends with."""
    tokenizer = Tokenizer.from_file(str(path))
    specials = [(word, tokenizer.token_to_id(word)) for word in (START, NO_TIMES, END)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} {NO_TIMES} $A {END}", special_tokens=specials
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        unk_token=END,
        clean_up_tokenization_spaces=False,
    )


def _number(file: BinaryIO, form: str) -> int:
    (value,) = struct.unpack(f"<{form}", _bytes(file, struct.calcsize(f"<{form}")))
    return int(value)


def _word(file: BinaryIO) -> str:
    return _bytes(file, _number(file, "H")).rstrip(b"\x00").decode()


def _bytes(file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise EOFError("the file is cut short")
    return content
