"""Whisper's encoder out of a ggml file, as a folder in the style of Hugging Face.

    python -m recipes.whisper.ggml ggml-base.en.bin --out runs/whisper-base.en

The file, all numbers little-endian: the magic 0x67676d6c; eleven int32 (`FACTS`); the mel filters (int32
bands and bins, then float32); the vocabulary (int32 entries, each an int32 length and so many bytes); then
tensors until the end, each with int32 dimensions, length of the name and type (0 float32, 1 float16), the
int32 sizes, innermost first, the name, and the values.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from asr.encoder_files import WEIGHTS, sha256_of
from asr.files import write_text_atomic

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


class GgmlError(ValueError):
    """A file that is no ggml file of Whisper, or one in another number format."""


@dataclass(frozen=True)
class GgmlFile:
    """What is kept of a file."""

    facts: dict[str, int]
    """The eleven numbers by name."""
    filters: NDArray[np.float32]
    """Mel filters `(bands, bins)`."""
    encoder: Tensors
    """The encoder's tensors under OpenAI's names."""


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
        filters = np.frombuffer(_bytes(file, 4 * bands * bins, path), "<f4").reshape(bands, bins)
        for _ in range(_numbers(file, 1, path)[0]):
            _bytes(file, _numbers(file, 1, path)[0], path)
        encoder = {name: tensor for name, tensor in _tensors(file, path) if name.startswith(PREFIX)}
    return GgmlFile(facts, filters, encoder)


def _tensors(file: IO[bytes], path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """All tensors from the present place to the end."""
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
        values = np.frombuffer(_bytes(file, kept.itemsize * int(np.prod(sizes, dtype=np.int64)), path), kept)
        yield name, values.reshape(sizes[::-1])


def _numbers(file: IO[bytes], count: int, path: Path) -> tuple[int, ...]:
    return struct.unpack(f"<{count}i", _bytes(file, 4 * count, path))


def _bytes(file: IO[bytes], count: int, path: Path) -> bytes:
    found = file.read(count) if count >= 0 else b""
    if len(found) != count:
        raise GgmlError(f"{path}: cut off; fetch it again")
    return found


def huggingface_name(name: str) -> str:
    """The name that `transformers` has for a tensor of the encoder. Raises `GgmlError` for an unknown one."""
    own = name.removeprefix(PREFIX)
    if own == "positional_embedding":
        return "model.encoder.embed_positions.weight"
    if own.startswith("conv"):
        return f"model.encoder.{own}"
    if own.startswith("ln_post."):
        return f"model.encoder.layer_norm.{own.removeprefix('ln_post.')}"
    blocks, _, rest = own.partition(".")
    number, _, rest = rest.partition(".")
    part, _, kind = rest.rpartition(".")
    if blocks != "blocks" or part not in BLOCK:
        raise GgmlError(f"{name}: no tensor of Whisper's encoder")
    return f"model.encoder.layers.{number}.{BLOCK[part]}.{kind}"


def huggingface_settings(facts: dict[str, int]) -> dict[str, object]:
    """The `config.json` of `transformers` for a file's facts."""
    return {
        "model_type": "whisper",
        "architectures": ["WhisperModel"],
        "activation_function": "gelu",
        "d_model": facts["n_audio_state"],
        "encoder_layers": facts["n_audio_layer"],
        "encoder_attention_heads": facts["n_audio_head"],
        "encoder_ffn_dim": 4 * facts["n_audio_state"],
        "max_source_positions": facts["n_audio_ctx"],
        "num_mel_bins": facts["n_mels"],
        "decoder_layers": facts["n_text_layer"],
        "decoder_attention_heads": facts["n_text_head"],
        "decoder_ffn_dim": 4 * facts["n_text_state"],
        "max_target_positions": facts["n_text_ctx"],
        "vocab_size": facts["n_vocab"],
    }


def convert(path: Path, folder: Path) -> Path:
    """Write `config.json` and the encoder's weights, as exact as they are in the file; returns the folder.

    Raises:
        GgmlError: the file cannot be read, or holds less than the encoder.
    """
    read = read_ggml(path)
    if (found := len(read.encoder)) != (whole := OUTSIDE + PER_BLOCK * read.facts["n_audio_layer"]):
        raise GgmlError(f"{path}: {found} of the {whole} tensors of the encoder; fetch it again")
    weights = {huggingface_name(name): tensor for name, tensor in read.encoder.items()}
    for name, tensor in weights.items():
        if name.endswith("bias"):  # those of the convolutions come as columns
            weights[name] = tensor.reshape(-1)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{WEIGHTS}.partial"
    save_file({name: np.ascontiguousarray(weights[name]) for name in sorted(weights)}, partial)
    partial.replace(folder / WEIGHTS)
    write_text_atomic(folder / "config.json", json.dumps(huggingface_settings(read.facts), indent=2) + "\n")
    return folder


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Whisper's encoder out of a ggml file.")
    parser.add_argument("file", type=Path, help="f16 or f32 ggml file of Whisper")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    given = parser.parse_args()
    try:
        folder = convert(given.file, given.out)
    except (GgmlError, OSError) as error:
        sys.exit(f"{parser.prog}: {error}")
    print(f"{folder / WEIGHTS}: sha256 {sha256_of(folder / WEIGHTS)}")


if __name__ == "__main__":
    main()
