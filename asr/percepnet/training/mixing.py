"""Mixtures of clean speech and noise, and what the network learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter
from torch import Tensor

from asr.percepnet.bands import Format, audio_format
from asr.percepnet.targets import analyse_signal, band_products, make_targets
from asr.percepnet.training.config import MixConfig
from asr.percepnet.training.noises import bent, clatter, coloured_noise, hum, smooth_curves, swollen
from asr.training.augment import change_speed, mix_at_snr, room_response
from asr.training.cache import AudioCache

Samples = NDArray[np.float32]
Speeds = tuple[float, float]
"""Slowest and fastest, as factors."""

TALKERS = (3, 12)
"""Fewest and most voices in a babble."""
TALKER_DB = 6.0
"""How much louder or quieter than recorded each of them is at most."""
LONGEST_PAUSE_S = 0.4
"""Between utterances that are strung together."""
LOWEST_CUT_HZ = 3000.0
CLIP_DB = (1.0, 9.0)
"""How far clipped mixtures go beyond full scale."""
SWELL_DB = (2.0, 12.0)
"""How far noises that swell do so, either way."""
HUM_SHARE, CLATTER_SHARE = 0.3, 0.3
"""Of the noises that are made."""
BENDS = 4
"""Of a random equalizer: cosines of half a period over all bands, of one period, and so on."""
CUT_OFF = 1e-6
"""Energy, relative to that of the loudest band, below which a band was cut off a recording of speech."""
LOUD = 0.95
"""Share of frames that are quieter than what counts as the energy of a band; clicks at cuts do not."""
QUIETEST = 1e-5
"""Root mean square below which a cut of noise counts as silence."""


@dataclass(frozen=True)
class Sounds:
    """Recordings that can be drawn."""

    audio: AudioCache
    files: tuple[Path, ...]
    chances: NDArray[np.float64]
    """Share of draws of each file, of sum 1."""
    kinds: NDArray[np.int64]
    """Files of one kind are alike in what frequencies they hold; a number each."""

    def cut(self, length: int, speeds: Speeds, generator: np.random.Generator) -> Samples:
        """A random stretch of a random recording at a random speed, repeated where it is too short."""
        samples = self.audio[self.files[self._choose(self.chances, generator)]]
        factor = _speed(speeds, generator)
        wanted = int(np.ceil(length * factor)) + 1
        start = int(generator.integers(max(len(samples) - wanted, 0) + 1))
        return np.resize(change_speed(samples[start : start + wanted], factor), length)

    def string(self, length: int, pause: int, speeds: Speeds, generator: np.random.Generator) -> Samples:
        """Random recordings one after the other with pauses up to `pause` samples, begun anywhere.

        All of them are of one kind and played at one random speed.
        """
        factor = _speed(speeds, generator)
        chances = self.chances * (self.kinds == self.kinds[self._choose(self.chances, generator)])
        parts: list[Samples] = []
        count = 0
        while count < 2 * length:
            chosen = self.files[self._choose(chances / chances.sum(), generator)]
            parts += [
                change_speed(self.audio[chosen], factor),
                np.zeros(int(generator.integers(pause + 1)), np.float32),
            ]
            count += len(parts[-1]) + len(parts[-2])
        start = int(generator.integers(count - length + 1))
        return np.concatenate(parts)[start : start + length]

    def _choose(self, chances: NDArray[np.float64], generator: np.random.Generator) -> int:
        return int(generator.choice(len(self.files), p=chances))


@dataclass(frozen=True)
class MixtureBatch:
    """Features `(B, T, features)` and targets `(B, T, bands)`."""

    features: Tensor
    gains: Tensor
    strengths: Tensor
    weights: Tensor

    def cut(self, frames: int, begin: float) -> MixtureBatch:
        """So many frames, 0 for all; `begin` in [0, 1) says where between the first place and the last."""
        spare = self.features.shape[1] - frames
        if frames == 0 or spare <= 0:
            return self
        first = int(begin * (spare + 1))
        return MixtureBatch(*(part[:, first : first + frames] for part in vars(self).values()))


def equalized(batch: MixtureBatch, spread: float, generator: np.random.Generator) -> MixtureBatch:
    """The same mixtures heard through smooth random equalizers, which leave gains and strengths as they are.

    `spread` is the standard deviation of the curves in dB; they are sums of `BENDS` cosines over the bands.
    """
    if spread == 0:
        return batch
    count, bands = len(batch.features), batch.gains.shape[-1]
    curves = smooth_curves((np.arange(bands) + 0.5) / bands, count, BENDS, spread / 10, generator)
    features = batch.features.clone()
    features[:, :, :bands] += torch.from_numpy(curves).float()[:, None]
    return replace(batch, features=features)


class Mixer:
    """Draws mixtures; the generator alone decides, so a seed repeats them."""

    def __init__(self, config: MixConfig, sample_rate: int, speech: Sounds, noise: Sounds) -> None:
        self.config, self.form = config, audio_format(sample_rate)
        self.speech, self.noise = speech, noise
        self.length = round(config.seconds * sample_rate)

    def draw(self, generator: np.random.Generator) -> tuple[Samples, Samples]:
        """Clean speech and the same in noise, `(N,)` each."""
        config, rate = self.config, self.form.sample_rate
        pause = round(LONGEST_PAUSE_S * rate)
        speech = self.speech.string(self.length, pause, config.speech_speed, generator)
        clean = heard = _coloured(speech, config.tilt, generator)
        if generator.random() < config.room_probability:
            clean, heard = _in_room(clean, round(config.early_ms / 1000 * rate), generator)
        noisy = heard
        if generator.random() >= config.noise_free_probability:
            noise = _coloured(self._noise(generator), config.tilt, generator)
            low, high = config.snr_db
            noisy = mix_at_snr(heard, noise, low + (high - low) * generator.random() ** config.snr_skew)
        if generator.random() < config.low_pass_probability:
            cut = generator.uniform(LOWEST_CUT_HZ, rate / 2)
            clean, noisy = _low_passed(clean, cut / rate), _low_passed(noisy, cut / rate)
        return self._levelled(clean, noisy, generator)

    def _noise(self, generator: np.random.Generator) -> Samples:
        noise = self._source(generator)
        if generator.random() < self.config.second_noise_probability:
            noise = mix_at_snr(noise, self._source(generator), generator.uniform(-10, 10))
        return noise

    def _source(self, generator: np.random.Generator) -> Samples:
        """One noise: a babble, a made one or a recording, made louder and quieter and bent at random."""
        config, kind, rate = self.config, generator.random(), self.form.sample_rate
        if kind < config.babble_probability:
            noise = self._babble(generator)
        elif kind < config.babble_probability + config.synthetic_probability:
            noise = _made(self.length, rate, generator)
        else:
            noise = self._recorded(generator)
        if generator.random() < config.swell_probability:
            noise = swollen(noise, generator.uniform(*SWELL_DB), rate, generator)
        return bent(noise, config.bend_db, generator)

    def _babble(self, generator: np.random.Generator) -> Samples:
        voices = int(generator.integers(TALKERS[0], TALKERS[1] + 1))
        speeds = self.config.speech_speed
        babble = np.zeros(self.length, np.float32)
        for _ in range(voices):
            gain = 10 ** (generator.uniform(-TALKER_DB, TALKER_DB) / 20)
            babble += np.float32(gain) * self.speech.cut(self.length, speeds, generator)
        if generator.random() < self.config.babble_room_probability:
            return _in_room(babble, 1, generator)[1]
        return babble

    def _recorded(self, generator: np.random.Generator) -> Samples:
        """A stretch of a recording that is not silent, if three tries find one."""
        for _ in range(3):
            noise = self.noise.cut(self.length, self.config.noise_speed, generator)
            if _root_mean_square(noise) > QUIETEST:
                break
        return noise

    def _levelled(
        self, clean: Samples, noisy: Samples, generator: np.random.Generator
    ) -> tuple[Samples, Samples]:
        """A random level, kept within full scale or, for some, driven beyond and clipped."""
        peak = max(float(np.abs(noisy).max()), 1e-9)
        wanted = 10 ** (generator.uniform(*self.config.level_db) / 20)
        gain = min(wanted / max(_root_mean_square(noisy), 1e-9), 1 / peak)
        if generator.random() < self.config.clip_probability:
            gain = 10 ** (generator.uniform(*CLIP_DB) / 20) / peak
        return np.asarray(gain * clean, np.float32), np.clip(gain * noisy, -1, 1).astype(np.float32)

    def batch(self, seed: Sequence[int], places: Sequence[int]) -> MixtureBatch:
        """Features and targets of mixtures; each depends on `seed` and its place alone."""
        rows = [
            learnable(self.form, *self.draw(np.random.default_rng((*seed, place))), self.config.attenuate)
            for place in places
        ]
        return MixtureBatch(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))


def learnable(
    form: Format, clean: Samples, noisy: Samples, attenuate: bool
) -> tuple[Samples, Samples, Samples, Samples]:
    """Features, gains, strengths and weights of one mixture, float32 `(T, ...)`.

    Bands that the clean recording has nothing in are given no weight: it was cut off there, by a low rate or
    a codec, and what the speaker's voice has in them is not known.
    """
    found, reference = analyse_signal(form, noisy), analyse_signal(form, clean)
    targets = make_targets(form, reference, found, attenuate)
    loudest = np.quantile(band_products(form, reference.spectra, reference.spectra), LOUD, axis=0)
    parts = (targets.gains, targets.strengths, targets.weights * (loudest > CUT_OFF * loudest.max()))
    return (found.features, *(part.astype(np.float32) for part in parts))  # type: ignore[return-value]


def _root_mean_square(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def _coloured(samples: Samples, tilt: float, generator: np.random.Generator) -> Samples:
    """Through a random filter of second order, as in RNNoise (Valin 2018)."""
    r = generator.uniform(-tilt, tilt, 4)
    return np.asarray(lfilter([1, r[0], r[1]], [1, r[2], r[3]], samples), np.float32)


def _in_room(samples: Samples, early: int, generator: np.random.Generator) -> tuple[Samples, Samples]:
    """The early reflections alone, and the whole room."""
    response = room_response(generator)
    return tuple(  # type: ignore[return-value]
        fftconvolve(samples, part)[: len(samples)].astype(np.float32) for part in (response[:early], response)
    )


def _made(length: int, rate: int, generator: np.random.Generator) -> Samples:
    """Hiss, or hiss with a hum or with clatter in it."""
    noise, kind = coloured_noise(length, generator), generator.random()
    if kind < HUM_SHARE:
        return mix_at_snr(hum(length, rate, generator), noise, generator.uniform(-5, 20))
    if kind < HUM_SHARE + CLATTER_SHARE:
        return mix_at_snr(clatter(length, rate, generator), noise, generator.uniform(-5, 20))
    return noise


def _speed(speeds: Speeds, generator: np.random.Generator) -> float:
    return float(speeds[0] * (speeds[1] / speeds[0]) ** generator.random())


def _low_passed(samples: Samples, cut: float) -> Samples:
    """Nothing left above `cut` cycles a sample."""
    spectrum = np.fft.rfft(samples)
    spectrum[int(2 * cut * len(spectrum)) :] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)
