"""The encoder in a ggml file of Whisper.

The file, all numbers little-endian: the magic 0x67676d6c; eleven int32 (`FACTS`); the mel filters (int32
bands and bins, then float32); the vocabulary (int32 entries, each an int32 length and so many bytes); then
tensors until the end, each with int32 dimensions, length of the name and type (0 float32, 1 float16), the
int32 sizes, innermost first, the name, and the values.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from asr.pretrained_encoder import FrontendError

MAGIC = 0x67676D6C
FACTS = (
    "n_vocab",
    "n_audio_ctx",
    "n_audio_state",
    "n_audio_head",
    "n_audio_layer",
    "n_text_ctx",
    "n_text_state",
    "n_text_head",
    "n_text_layer",
    "n_mels",
    "ftype",
)
TYPES: dict[int, type[Any]] = {0: np.float32, 1: np.float16}
LONGEST_NAME, MOST_DIMENSIONS = 256, 4
PREFIX = "encoder."
BLOCK = {
    "attn_ln": "self_attn_layer_norm",
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
}
"""Names within a block, as OpenAI has them and as `transformers` has them."""
OUTSIDE, PER_BLOCK = 7, 15
"""Tensors of an encoder outside its blocks, and in each: all have a bias but the keys and the positions."""

Tensors = dict[str, NDArray[Any]]


class GgmlError(FrontendError):
    """A file that is no ggml file of Whisper, or one in another number format."""


@dataclass(frozen=True)
class GgmlFile:
    """What is kept of a file."""

    path: Path
    """Where it lies."""
    facts: dict[str, int]
    """The eleven numbers by name."""
    filters: NDArray[np.float32]
    """Mel filters `(bands, bins)`."""
    encoder: Tensors
    """The encoder's tensors under OpenAI's names."""

    def renamed(self) -> Tensors:
        """The same under the names of `transformers`, without `model.encoder.`.

        Raises:
            GgmlError: there are others, or less than the encoder has.
        """
        if (found := len(self.encoder)) != (whole := OUTSIDE + PER_BLOCK * self.facts["n_audio_layer"]):
            raise GgmlError(f"{self.path}: {found} of the {whole} tensors of the encoder; fetch it again")
        tensors = {_renamed(name): tensor for name, tensor in self.encoder.items()}
        columns = {"conv1.bias", "conv2.bias"}
        return {name: tensor.reshape(-1) if name in columns else tensor for name, tensor in tensors.items()}


def read_ggml(path: Path) -> GgmlFile:
    """Read a file.

    Raises:
        GgmlError: it is something else, cut off, or quantised.
    """
    with path.open("rb") as file:
        if _numbers(file, 1, path)[0] != MAGIC:
            raise GgmlError(f"{path}: not a ggml file of Whisper; give one such as ggml-base.en.bin")
        facts = dict(zip(FACTS, _numbers(file, len(FACTS), path), strict=True))
        bands, bins = _numbers(file, 2, path)
        filters = np.frombuffer(_bytes(file, 4 * _volume((bands, bins), path), path), "<f4")
        for _ in range(_numbers(file, 1, path)[0]):
            _bytes(file, _numbers(file, 1, path)[0], path)
        return GgmlFile(path, facts, filters.reshape(bands, bins), dict(_tensors(file, path)))


def _tensors(file: IO[bytes], path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """The encoder's tensors from the present place to the end; a decoder is passed over unread."""
    while head := file.read(12):
        if len(head) < 12:
            raise GgmlError(f"{path}: cut off; fetch it again")
        dimensions, letters, kind = struct.unpack("<3i", head)
        if not (0 < dimensions <= MOST_DIMENSIONS and 0 < letters <= LONGEST_NAME):
            raise GgmlError(f"{path}: damaged after its vocabulary; fetch it again")
        sizes = _numbers(file, dimensions, path)
        name = _bytes(file, letters, path).decode("utf-8", "replace")
        if kind not in TYPES:
            raise GgmlError(f"{path}: {name} is quantised (type {kind}); give a file of float16 or float32")
        kept = np.dtype(TYPES[kind]).newbyteorder("<")
        size = kept.itemsize * _volume(sizes, path)
        if name.startswith(PREFIX):
            yield name, np.frombuffer(_bytes(file, size, path), kept).reshape(sizes[::-1])
        else:
            file.seek(size, SEEK_CUR)


def _volume(sizes: Sequence[int], path: Path) -> int:
    """The values of an array of these sizes, no more than the file can hold."""
    volume = math.prod(sizes)
    if min(sizes) < 1:
        raise GgmlError(f"{path}: damaged, an array has the sizes {list(sizes)}; fetch it again")
    if volume > path.stat().st_size:
        raise GgmlError(f"{path}: cut off; fetch it again")
    return volume


def _numbers(file: IO[bytes], count: int, path: Path) -> tuple[int, ...]:
    return struct.unpack(f"<{count}i", _bytes(file, 4 * count, path))


def _bytes(file: IO[bytes], count: int, path: Path) -> bytes:
    found = file.read(count) if count >= 0 else b""
    if len(found) != count:
        raise GgmlError(f"{path}: cut off; fetch it again")
    return found


def _renamed(name: str) -> str:
    """The name that `transformers` has for a tensor of the encoder. Raises `GgmlError` for an unknown one."""
    own = name.removeprefix(PREFIX)
    if own == "positional_embedding":
        return "embed_positions.weight"
    if own.startswith("conv"):
        return own
    if own.startswith("ln_post."):
        return f"layer_norm.{own.removeprefix('ln_post.')}"
    blocks, _, rest = own.partition(".")
    number, _, rest = rest.partition(".")
    part, _, kind = rest.rpartition(".")
    if blocks != "blocks" or part not in BLOCK:
        raise GgmlError(f"{name}: no tensor of Whisper's encoder")
    return f"layers.{number}.{BLOCK[part]}.{kind}"
