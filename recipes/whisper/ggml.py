"""Whisper's encoder out of a ggml file, as a folder in the style of Hugging Face.

python -m recipes.whisper.ggml ggml-base.en.bin --out runs/whisper-base.en
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from asr.encoder_files import WEIGHTS, sha256_of
from asr.files import write_text_atomic
from asr.ggml import GgmlError, read_ggml


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
    tensors = read.renamed()
    weights = {f"model.encoder.{name}": tensor for name, tensor in tensors.items()}
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
