"""What pretrained encoders have in common, and what all ways of running Whisper's share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from asr.features import SAMPLE_RATE

Samples = NDArray[np.float32]
States = NDArray[np.float32]
WHISPER_FRAME = 320
"""Samples of a frame of Whisper's encoder."""


class FrontendError(ValueError):
    """A pretrained encoder that cannot be run."""


class PretrainedEncoder(ABC):
    """A frozen encoder behind the `Frontend` protocol."""

    dim: int
    frame_rate: float

    @abstractmethod
    def states(self, samples: Samples) -> States:
        """`(N,)` samples of one utterance to its `(T, D)` states."""

    def __call__(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Frontend`; frames beyond an utterance's own are zero."""
        rows = samples.detach().to("cpu", torch.float32).numpy()
        found = [
            torch.from_numpy(self.states(row[:length]))
            for row, length in zip(rows, lengths.tolist(), strict=True)
        ]
        counts = torch.tensor([len(states) for states in found], device=samples.device)
        return nn.utils.rnn.pad_sequence(found, batch_first=True).to(samples.device), counts


class WhisperMel(nn.Module):
    """The features that Whisper was trained on: log10 mel power, no lower than 8 below the loudest."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.mel = torchaudio.transforms.MelSpectrogram(
            SAMPLE_RATE, n_fft=400, hop_length=160, n_mels=bands, mel_scale="slaney", norm="slaney"
        )

    @torch.no_grad()
    def forward(self, samples: Tensor, frames: int) -> Tensor:
        """`(N,)` samples of one utterance, continued with silence, to `(1, bands, frames)`, 10 ms each."""
        with torch.autocast(samples.device.type, enabled=False):
            power: Tensor = self.mel(F.pad(samples, (0, 160 * frames - len(samples))))
        levels = power[:, :frames].clamp(min=1e-10).log10()
        return ((levels.clamp(min=levels.max() - 8.0) + 4.0) / 4.0)[None]


def whisper_frames(samples: int) -> int:
    """Frames of Whisper's encoder for so many samples, at least one."""
    return max(1, -(-samples // WHISPER_FRAME))


def pieces(samples: Samples, longest: int) -> list[Samples]:
    """The samples cut into pieces of `longest`, the last one shorter."""
    return [samples[at : at + longest] for at in range(0, max(len(samples), 1), longest)]


def whisper_positions(frames: int, dim: int) -> NDArray[np.float32]:
    """Whisper's table of sinusoids `(frames, dim)`: sines of all rates, then cosines."""
    rates = np.exp(-np.log(10_000.0) / (dim // 2 - 1) * np.arange(dim // 2))
    angles = np.arange(frames)[:, None] * rates
    return np.asarray(np.concatenate((np.sin(angles), np.cos(angles)), axis=1), np.float32)
