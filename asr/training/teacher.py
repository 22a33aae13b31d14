"""Learning from a pretrained encoder: its states as a second target of every frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.conformer import length_mask
from asr.training.config import ConfigError
from asr.training.feature_cache import FeatureCache

SAMPLED_FRAMES = 50_000
"""Frames from which mean and deviation of the teacher's states are taken."""


class Teacher:
    """States that a pretrained encoder computed of clean recordings, on the frames of the student.

    Source: Chang et al. 2022, "DistilHuBERT", arXiv 2110.01900, for hidden states as targets of a small
    model; here they stand beside the CTC losses, and the student hears the augmented recording.
    """

    def __init__(self, folder: Path, frame_seconds: float, student_frame_seconds: float) -> None:
        """Open the states that `folder` caches, one every `frame_seconds`.

        Raises:
            ConfigError: there are none.
        """
        self._cache = FeatureCache(folder)
        if not len(self._cache):
            raise ConfigError(f"data.teacher: {folder} holds no features; extract them first")
        self.dim = self._cache.dim
        self._frame_seconds = student_frame_seconds
        self._ratio = student_frame_seconds / frame_seconds
        sample = self._cache.sample(SAMPLED_FRAMES).astype(np.float32)
        self._mean, self._deviation = sample.mean(0), sample.std(0) + 1e-3

    def frames_of(self, seconds: float) -> int:
        """The student's frames that begin within so many seconds."""
        return int(seconds / self._frame_seconds)

    def states(self, audio: Path, frames: int, speed: float) -> NDArray[np.float32]:
        """`(frames, dim)` states, normalised to mean 0 and deviation 1, interpolated to the student's frames.

        `speed` is how many times as fast as the recording the student hears it.

        Raises:
            ConfigError: the recording was not extracted.
        """
        if audio not in self._cache:
            raise ConfigError(f"data.teacher: no features of {audio}; extract them first")
        states = self._cache[audio]
        places = np.minimum(np.arange(frames) * speed * self._ratio, len(states) - 1)
        before = places.astype(np.int64)
        after = np.minimum(before + 1, len(states) - 1)
        share = (places - before).astype(np.float32)[:, None]
        mixed = states[before] * (1 - share) + states[after] * share
        return np.asarray((mixed - self._mean) / self._deviation, np.float32)


class TeacherHead(nn.Module):
    """What the student's states say of the teacher's: one linear map, used in training alone."""

    def __init__(self, dim: int, teacher_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, teacher_dim)

    def forward(self, states: Tensor, targets: Tensor, frames: Tensor) -> Tensor:
        """Squared error, mean over dimensions and summed over the first `frames` `(B,)` of each utterance.

        `states` `(B, T, D)`; `targets` `(B, T', teacher dim)`, padded.
        """
        length = min(states.shape[1], targets.shape[1])
        error = (self.linear(states[:, :length]).float() - targets[:, :length]).square().mean(-1)
        known: Tensor = length_mask(frames.clamp(max=length), length)
        return torch.where(known, error, torch.zeros_like(error)).sum()
