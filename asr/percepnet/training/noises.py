"""Noises that no recording holds: made of random numbers, or of recordings heard differently."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

Samples = NDArray[np.float32]

HUM_HZ = (25.0, 400.0)
"""Pitch of motors and of mains."""
RING_S = (0.002, 0.08)
"""Time in which a struck thing dies away."""
BLOWS_A_SECOND = (0.5, 12.0)
SWELL_S = 0.25
"""Time between the points that a noise swells and fades through."""
BENDS = 6
"""Of an equalizer: cosines of half a period over the octaves, of one period, and so on."""
LOWEST_BEND = 1 / 160
"""Of the sampling rate: below, equalizers are flat."""


def coloured_noise(length: int, generator: np.random.Generator) -> Samples:
    """Random numbers with a spectrum that falls or rises by up to 2 powers of the frequency, in power."""
    spectrum = np.fft.rfft(generator.normal(size=length))
    slope = generator.uniform(-1.0, 0.25)
    shape = np.maximum(np.arange(len(spectrum)), length // 400) / len(spectrum)
    return np.fft.irfft(spectrum * shape**slope, length).astype(np.float32)


def hum(length: int, rate: int, generator: np.random.Generator) -> Samples:
    """A motor: harmonics that fall off, of a pitch that wanders by a few per cent."""
    pitch = HUM_HZ[0] * (HUM_HZ[1] / HUM_HZ[0]) ** generator.random()
    wander = 1 + generator.uniform(0, 0.04) * swell(length, rate, generator)
    phase = 2 * np.pi * np.cumsum(pitch * wander) / rate
    count = int(min(generator.integers(3, 40), 0.45 * rate / pitch))
    slope, total = generator.uniform(0.3, 1.5), np.zeros(length)
    for harmonic in range(1, count + 1):
        total += (
            generator.uniform(0, 1) / harmonic**slope * np.sin(harmonic * phase + generator.uniform(0, 6))
        )
    return total.astype(np.float32)


def clatter(length: int, rate: int, generator: np.random.Generator) -> Samples:
    """Blows at random times on one to four things that ring in their own way."""
    total = np.zeros(length)
    for _ in range(int(generator.integers(1, 5))):
        blows = np.zeros(length)
        count = 1 + generator.poisson(generator.uniform(*BLOWS_A_SECOND) * length / rate)
        blows[generator.integers(length, size=count)] = generator.exponential(size=count)
        time = np.arange(int(5 * RING_S[1] * rate)) / rate
        decay = RING_S[0] * (RING_S[1] / RING_S[0]) ** generator.random()
        tones = generator.uniform(200, 0.45 * rate, 4)[:, None]
        ring = np.sin(2 * np.pi * tones * time).sum(0) + generator.normal(0, 1.5, len(time))
        total += fftconvolve(blows, ring * np.exp(-time / decay))[:length]
    return total.astype(np.float32)


def swell(length: int, rate: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """A slow curve `(length,)` between -1 and 1."""
    points = generator.uniform(-1, 1, max(2, int(length / (SWELL_S * rate))))
    return np.interp(np.linspace(0, len(points) - 1, length), np.arange(len(points)), points)


def swollen(samples: Samples, depth_db: float, rate: int, generator: np.random.Generator) -> Samples:
    """Louder and quieter by up to `depth_db` either way."""
    return np.asarray(samples * 10 ** (depth_db / 20 * swell(len(samples), rate, generator)), np.float32)


def smooth_curves(
    places: NDArray[np.float64], count: int, bends: int, spread: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Random curves `(count, len(places))` of this standard deviation over places from 0 to 1.

    They are sums of `bends` cosines: of half a period over all places, of one period, and so on.
    """
    waves = np.cos(np.pi * np.arange(1, bends + 1)[:, None] * places)
    curves: NDArray[np.float64] = generator.normal(0, spread * (2 / bends) ** 0.5, (count, bends)) @ waves
    return curves


def bent(samples: Samples, spread_db: float, generator: np.random.Generator) -> Samples:
    """Through a smooth random equalizer whose curve over the octaves has this standard deviation."""
    spectrum = np.fft.rfft(samples)
    places = np.linspace(0, 0.5, len(spectrum))
    octaves = np.log2(np.maximum(places, LOWEST_BEND) / LOWEST_BEND) / np.log2(0.5 / LOWEST_BEND)
    curve = smooth_curves(octaves, 1, BENDS, spread_db, generator)[0]
    return np.fft.irfft(spectrum * 10 ** (curve / 20), len(samples)).astype(np.float32)
