"""What the denoiser for 48 kHz does with speech up to 20 kHz, beside the one for 16 kHz.

python -m recipes.denoiser.fullband MODEL48 [--data ../shared/data] [--model16 FOLDER] [--count 40]

Every eighth sentence of speech48, each in the next of the noises that training keeps for dev. All of it is
one voice, which the weights were trained on: other sentences in other noises, not another speaker.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from asr.audio import read_audio
from asr.manifest import read_manifest
from asr.percepnet import Denoiser
from asr.percepnet.model import load_model
from asr.percepnet.shipped import shipped_folder
from asr.training.augment import mix_at_snr
from asr.training.run import find_noise
from recipes.denoiser.peers import Denoise
from recipes.denoiser.sounds import Pair, Samples, nearness, si_sdr
from recipes.denoiser.tables import format_table, keep, means

RATE, NARROW = 48_000, 16_000
SNRS_DB = (0.0, 5.0, 10.0, 15.0)
HELD_OUT = 8
"""Every so many sentences and noises are kept for dev."""
ABOVE_HZ = 8000.0
LOST = 1e-4
"""Power above 8 kHz, relative to that of the clean speech there, below which the band is gone."""


def fullband_pairs(data: Path, count: int) -> Iterator[Pair]:
    """Sentences at 48 kHz in noise, none of which was trained on, at each of the ratios in turn."""
    utterances = read_manifest(data / "speech48" / "manifest.jsonl")[::HELD_OUT][:count]
    noises = find_noise(data, "noise/train")[::HELD_OUT]
    generator = np.random.default_rng(0)
    for number, utterance in enumerate(utterances):
        clean = read_audio(utterance.audio, RATE)
        recording = read_audio(noises[number % len(noises)], RATE)
        start = int(generator.integers(max(len(recording) - len(clean), 0) + 1))
        cut = np.resize(recording[start : start + len(clean)], len(clean))
        snr_db = SNRS_DB[number % len(SNRS_DB)]
        noisy = mix_at_snr(clean, cut, snr_db)
        peak = np.float32(max(1.0, float(np.abs(noisy).max()) / 0.99))
        yield Pair(f"{utterance.id} at {snr_db:g} dB", clean / peak, noisy / peak)


def narrowed(denoise: Denoise) -> Denoise:
    """A denoiser for 16 kHz on a recording at 48 kHz: what lies above 8 kHz is lost."""

    def run(samples: Samples) -> Samples:
        heard = soxr.resample(denoise(soxr.resample(samples, RATE, NARROW)), NARROW, RATE)[: len(samples)]
        return np.pad(heard, (0, len(samples) - len(heard)))

    return run


def measured(clean: Samples, heard: Samples) -> dict[str, float]:
    """Nearness below 8 kHz, SI-SDR of the whole band, and of what lies above 8 kHz alone."""
    below = nearness(soxr.resample(clean, RATE, NARROW), soxr.resample(heard, RATE, NARROW))
    whole = {**below, "SI-SDR, 48 kHz": si_sdr(clean, heard)}
    wanted, high = _above(clean), _above(heard)
    if np.mean(high**2) < LOST * np.mean(wanted**2):
        return whole
    return {**whole, "SI-SDR above 8 kHz": si_sdr(wanted, high)}


def _above(samples: Samples) -> Samples:
    spectrum = np.fft.rfft(samples)
    spectrum[: int(ABOVE_HZ / RATE * len(samples)) + 1] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def main() -> None:
    """Measure as the command line asks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model16", type=Path, default=None)
    parser.add_argument("--count", type=int, default=40)
    given = parser.parse_args()
    narrow = Denoiser(NARROW, load_model(given.model16 or shipped_folder(NARROW)))
    systems: dict[str, Denoise] = {
        "noisy": lambda samples: samples,
        "ours for 16 kHz": narrowed(narrow.denoise),
        "ours for 48 kHz": Denoiser(RATE, load_model(given.model)).denoise,
    }
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for pair in fullband_pairs(given.data, given.count):
        for name, denoise in systems.items():
            rows[name].append(measured(pair.clean, denoise(pair.noisy)))
    table = {name: means(each) for name, each in rows.items()}
    keep("sounds-fullband", {"recordings": len(rows["noisy"]), "systems": table})
    print(format_table(table))


if __name__ == "__main__":
    main()
