"""Whether the encoder made of a ggml file is Whisper's, and what it costs to run and to adapt.

python -m recipes.whisper.check ggml-base.en.bin runs/whisper-base.en recipes/samples/CLIP.flac
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asr.audio import read_audio
from asr.features import SAMPLE_RATE
from asr.frontends import WHISPER_FOLDER, PretrainedConfig, huggingface_config, make_frontend
from asr.ggml import read_ggml
from asr.huggingface import HuggingFaceEncoder, HuggingFaceWhisper
from asr.lora import LoraConfig
from asr.pretrained_encoder import WhisperMel, whisper_positions

ROUNDS = 3
BATCH = 6
"""Copies of the clip in a training step."""


def filters_and_positions(file: Path) -> None:
    """Print how far ours are from those in the file."""
    read = read_ggml(file)
    ours = WhisperMel(read.facts["n_mels"]).mel.mel_scale.fb.numpy().T
    print(f"mel filters: largest difference {np.abs(ours - read.filters).max():.1e} of {ours.max():.1e}")
    positions = read.encoder["encoder.positional_embedding"].astype(np.float32)
    difference = np.abs(whisper_positions(*positions.shape) - positions).max()
    print(f"positions: largest difference {difference:.1e}")


def states_of(config: PretrainedConfig, folder: Path, sound: NDArray[np.float32]) -> None:
    """Print how the states are on the full window and on the real length, against `transformers`' own."""
    encoder = HuggingFaceWhisper(config, folder)
    whole = HuggingFaceEncoder(dataclasses.replace(config, encoder="huggingface"), folder).states(sound)
    padded = encoder.states(np.pad(sound, (0, encoder.longest - len(sound))))[: len(whole)]
    print(f"full window: largest difference {np.abs(padded - whole).max():.1e}")
    real = encoder.states(sound)
    cosines = (real * whole).sum(1) / np.linalg.norm(real, axis=1) / np.linalg.norm(whole, axis=1)
    print(f"real length against full window: mean cosine {cosines.mean():.3f}, least {cosines.min():.3f}")


def speed(config: PretrainedConfig, folder: Path, sound: NDArray[np.float32]) -> None:
    """Print how many seconds of audio a second of processor time takes, on one thread."""
    torch.set_num_threads(1)
    frozen = HuggingFaceWhisper(config, folder)
    adapted = make_frontend(dataclasses.replace(config, lora=LoraConfig()), folder)
    batch = torch.from_numpy(np.stack([sound] * BATCH))
    lengths = torch.full((BATCH,), len(sound))
    states, steps = [], []
    for _ in range(ROUNDS):
        begun = time.process_time()
        frozen.states(sound)
        states.append(time.process_time() - begun)
        begun = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = adapted(batch, lengths)
        torch.autograd.backward(found.square().mean())
        steps.append(time.process_time() - begun)
    seconds = len(sound) / SAMPLE_RATE
    print(f"states in float32: {seconds / min(states):.0f} times real time")
    rate = BATCH * seconds / min(steps)
    print(f"forward and backward through the deltas, bfloat16: {rate:.0f} times real time")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Check the encoder made of a ggml file.")
    parser.add_argument("file", type=Path, help="ggml file")
    parser.add_argument("folder", type=Path, help="folder that recipes.whisper.ggml made of it")
    parser.add_argument("clip", type=Path, help="recording of less than 30 s")
    given = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)  # it would tell of the decoder left out
    sound, config = read_audio(given.clip), huggingface_config(given.folder, WHISPER_FOLDER)
    filters_and_positions(given.file)
    states_of(config, given.folder, sound)
    speed(config, given.folder, sound)


if __name__ == "__main__":
    main()
