"""From samples to features: the `Frontend` protocol, the log-mel filterbank, SpecAugment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

SAMPLE_RATE = 16_000
"""Samples a second that every frontend is fed with."""

LONGEST_WINDOW_MS = 32.0
"""What the 512 points of the Fourier transform hold."""


class FeatureError(ValueError):
    """Filterbank settings that cannot be used."""


class Frontend(Protocol):
    """Anything that turns samples into feature frames; a pretrained encoder can stand in."""

    dim: int
    """Features per frame."""
    frame_rate: float
    """Frames a second."""

    def __call__(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, N)` samples at 16 kHz in [-1, 1] and their `(B,)` lengths to `(B, T, D)` and `(B,)`."""
        ...


@dataclass(frozen=True)
class LogMelConfig:
    """The filterbank."""

    bands: int = 80
    """Mel bands."""
    window_ms: float = 25.0
    """Length of the Hann window."""
    hop_ms: float = 10.0
    """Time between frames."""
    normalize: Literal["utterance", "running"] = "utterance"
    """Mean and deviation per band over the utterance, or over what was heard so far (for streaming)."""
    floor: float = 1e-6
    """Added to the band power before the logarithm; quieter than the noise of a 16-bit recording."""

    @property
    def dim(self) -> int:
        """Features per frame."""
        return self.bands

    def __post_init__(self) -> None:
        if self.normalize not in ("utterance", "running"):
            raise FeatureError(f"normalize is {self.normalize!r}; accepted are utterance and running")
        if not (0 < self.hop_ms <= self.window_ms <= LONGEST_WINDOW_MS and self.bands > 0 and self.floor > 0):
            raise FeatureError(
                f"bands {self.bands}, window_ms {self.window_ms}, hop_ms {self.hop_ms}, floor {self.floor}: "
                f"needed are 0 < hop_ms <= window_ms <= {LONGEST_WINDOW_MS}, and bands and floor above 0"
            )


class LogMel(nn.Module):
    """Log-mel filterbank with per-band normalisation; frame `t` is centred on `t * hop_ms`."""

    def __init__(self, config: LogMelConfig | None = None) -> None:
        super().__init__()
        self.config = config or LogMelConfig()
        self.dim = self.config.bands
        self.frame_rate = 1000.0 / self.config.hop_ms
        self.window = int(SAMPLE_RATE * self.config.window_ms / 1000)
        self.hop = int(SAMPLE_RATE * self.config.hop_ms / 1000)
        self.mel = torchaudio.transforms.MelSpectrogram(
            SAMPLE_RATE, n_fft=512, win_length=self.window, hop_length=self.hop, n_mels=self.dim, center=False
        )

    @torch.no_grad()
    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, N)` samples to `(B, T, bands)` with `T = N // hop + 1`; padding frames are zero.

        Samples beyond an item's length must be zero: the zeros stand for the silence after its end.
        """
        half = self.mel.n_fft // 2
        with torch.autocast(samples.device.type, enabled=False):
            power = self.mel(F.pad(samples.float(), (half, half)))
        frame_counts = torch.div(lengths, self.hop, rounding_mode="floor") + 1
        features = (power + self.config.floor).log().transpose(1, 2)
        mask = (torch.arange(features.shape[1], device=features.device) < frame_counts[:, None])[..., None]
        normalize = _normalize_utterance if self.config.normalize == "utterance" else _normalize_running
        return normalize(features * mask, mask) * mask, frame_counts


def _normalize_utterance(features: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum(1, keepdim=True).clamp(min=1)
    mean = features.sum(1, keepdim=True) / count
    variance = (((features - mean) * mask) ** 2).sum(1, keepdim=True) / count
    return (features - mean) / (variance.sqrt() + 1e-2)


def _normalize_running(features: Tensor, mask: Tensor) -> Tensor:
    """Statistics of the frames up to each one, begun with 100 at mean -8 and deviation 4 (quiet speech)."""
    prior, prior_mean, prior_deviation = 100.0, -8.0, 4.0
    count = prior + mask.cumsum(1)
    mean = (prior * prior_mean + features.cumsum(1)) / count
    square = (prior * (prior_mean**2 + prior_deviation**2) + (features**2).cumsum(1)) / count
    return (features - mean) / ((square - mean**2).clamp(min=0).sqrt() + 1e-2)


@dataclass(frozen=True)
class SpecAugmentConfig:
    """Masks of Park et al. 2019, "SpecAugment"; masked cells become zero, the mean of normalised features."""

    band_masks: int = 2
    """Masks over mel bands, or over neighbouring dimensions of an encoder's states."""
    band_width: int = 20
    """Largest width of a band mask."""
    time_masks_per_second: float = 0.5
    """Masks over time, per second of audio."""
    time_width: int = 25
    """Largest width of a time mask in frames."""
    frame_rate: float = 100.0
    """Frames a second."""


def spec_augment(
    features: Tensor, lengths: Tensor, config: SpecAugmentConfig, generator: torch.Generator
) -> Tensor:
    """Mask random bands and spans of `(B, T, D)` features, drawn anew for each item from `generator`."""
    masked = torch.zeros_like(features, dtype=torch.bool)
    for item, length in enumerate(lengths.tolist()):
        spans = round(length / config.frame_rate * config.time_masks_per_second)
        for axis, count, widest, size in (
            (1, config.band_masks, config.band_width, features.shape[2]),
            (0, spans, config.time_width, length),
        ):
            for _ in range(count):
                width = int(torch.randint(0, min(widest, max(size // 2, 1)) + 1, (), generator=generator))
                start = int(torch.randint(0, max(size - width, 0) + 1, (), generator=generator))
                masked[item].narrow(axis, start, width).fill_(True)
    return features.masked_fill(masked, 0.0)
