"""What training audio goes through before features: speed, rooms, noise, channels, level, denoiser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from scipy.signal import fftconvolve

from asr.features import SAMPLE_RATE
from asr.percepnet.denoiser import DenoiseOptions, Denoiser
from asr.percepnet.model import load_model
from asr.percepnet.shipped import shipped_folder
from asr.training.cache import AudioCache
from asr.training.channels import BENDS_HZ, CODECS, Samples, equalize, recode, telephone
from asr.training.config import AugmentConfig

LARGEST_BEND_DB = 8.0
"""Of the random equalizer, either way."""
NEAR_SILENCE = 1e-3
"""Loudest noise floor of a recording in which nobody speaks."""
SPEED_OF_SOUND = 343.0
"""Metres a second."""


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play `factor` times as fast (Ko et al. 2015); pitch moves along."""
    if abs(factor - 1.0) < 0.005:
        return samples
    return np.asarray(soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality="LQ"), np.float32)


def mix_at_snr(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """Speech plus noise scaled to the given ratio of mean powers; silent noise changes nothing."""
    speech_power, noise_power = float(np.mean(speech**2)), float(np.mean(noise**2))
    if speech_power == 0.0 or noise_power == 0.0:
        return speech
    gain = np.sqrt(speech_power / noise_power / 10 ** (snr_db / 10))
    return np.asarray(speech + gain * noise, np.float32)


def room_response(generator: np.random.Generator) -> Samples:
    """Impulse response of a random shoe-box room, begun and scaled by the direct path of gain 1.

    Image method (Allen & Berkley 1979) with images up to order 6 an axis; rooms of 3 to 10 m, reverberation
    0.1 to 0.6 s by Sabine's formula, speaker 0.3 to 3 m away.
    """
    room = generator.uniform((3.0, 3.0, 2.4), (10.0, 8.0, 4.0))
    reverberation = generator.uniform(0.1, 0.6)
    walls = 2 * (room[0] * room[1] + room[0] * room[2] + room[1] * room[2])
    absorption = min(0.161 * room.prod() / (walls * reverberation), 0.95)
    microphone = generator.uniform(0.2, 0.8, 3) * room
    direction = generator.normal(size=3)
    offset = direction / np.linalg.norm(direction) * generator.uniform(0.3, 3.0)
    source = np.clip(microphone + offset, 0.1 * room, 0.9 * room)
    order = np.arange(-6, 7)
    positions, bounces = [], []
    for axis in range(3):
        mirrored = np.where(order % 2 == 0, source[axis], room[axis] - source[axis])
        positions.append(order * room[axis] + mirrored - microphone[axis])
        bounces.append(np.abs(order))
    distance = np.sqrt(sum(p**2 for p in np.meshgrid(*positions, indexing="ij")))
    reflections = sum(np.meshgrid(*bounces, indexing="ij"))
    amplitude = np.sqrt(1 - absorption) ** reflections / np.maximum(distance, 0.1)
    delay = np.round((distance - distance.min()) / SPEED_OF_SOUND * SAMPLE_RATE).astype(np.int64)
    near = delay < int(0.5 * SAMPLE_RATE)
    response = np.bincount(delay[near], weights=amplitude[near])
    return np.asarray(response / np.abs(response).max(), np.float32)


class Augmenter:
    """Applies a random chain to one utterance; the generator alone decides, so a seed repeats it."""

    def __init__(
        self, config: AugmentConfig, noise: AudioCache | None, noise_files: tuple[Path, ...]
    ) -> None:
        self.config = config
        self._noise = noise
        self._noise_files = noise_files
        self._denoiser = load_model(shipped_folder(SAMPLE_RATE)) if config.denoise_probability else None

    def __call__(self, samples: Samples, generator: np.random.Generator) -> Samples:
        """`(N,)` samples to `(N',)`: speed, room, noise, equalizer, telephone, codec, level, denoiser."""
        config = self.config
        samples = change_speed(samples, generator.uniform(*config.speed))
        if generator.random() < config.room_probability:
            samples = fftconvolve(samples, room_response(generator))[: len(samples)].astype(np.float32)
        if self._noise is not None and self._noise_files and generator.random() < config.noise_probability:
            samples = mix_at_snr(
                samples, self._noise_cut(len(samples), generator), generator.uniform(*config.snr_db)
            )
        return self._denoised(self._level(self._channel(samples, generator), generator), generator)

    def nothing_said(self, length: int, generator: np.random.Generator) -> Samples:
        """`length` samples in which nobody speaks: a noise recording, or the hiss of a quiet one."""
        if self._noise is not None and self._noise_files and generator.random() < 0.5:
            return self._level(self._channel(self._noise_cut(length, generator), generator), generator)
        hiss = generator.normal(size=length) * generator.uniform(0, NEAR_SILENCE)
        return hiss.astype(np.float32)

    def _channel(self, samples: Samples, generator: np.random.Generator) -> Samples:
        """The recording chain, each part of it with its own probability."""
        config = self.config
        if generator.random() < config.equalizer_probability:
            gains = generator.uniform(-LARGEST_BEND_DB, LARGEST_BEND_DB, len(BENDS_HZ))
            samples = equalize(samples, gains)
        if generator.random() < config.telephone_probability:
            samples = telephone(samples)
        if generator.random() < config.codec_probability:
            codec = CODECS[int(generator.integers(len(CODECS)))]
            samples = recode(np.clip(samples, -1.0, 1.0), codec, float(generator.uniform(0.5, 1.0)))
        return samples

    def _level(self, samples: Samples, generator: np.random.Generator) -> Samples:
        config = self.config
        peak = max(float(np.abs(samples).max(initial=0.0)), 1e-9)
        gain = min(10 ** (generator.uniform(*config.gain_db) / 20), 1.0 / peak)
        return np.asarray(samples * gain, np.float32)

    def _denoised(self, samples: Samples, generator: np.random.Generator) -> Samples:
        """What a recognizer is given that denoises: the denoised signal, and some of it as it was."""
        if self._denoiser is None or generator.random() >= self.config.denoise_probability:
            return samples
        options = DenoiseOptions(mix=generator.uniform())
        return Denoiser(SAMPLE_RATE, self._denoiser, options).denoise(samples)

    def _noise_cut(self, length: int, generator: np.random.Generator) -> Samples:
        assert self._noise is not None
        recording = self._noise[self._noise_files[int(generator.integers(len(self._noise_files)))]]
        start = int(generator.integers(max(len(recording) - length, 0) + 1))
        cut = recording[start : start + length]
        return np.resize(cut, length) if len(cut) < length else cut
