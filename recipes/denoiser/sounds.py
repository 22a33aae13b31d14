"""Pairs of clean and noisy recordings, and how near a signal is to the clean one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.audio import read_audio
from asr.manifest import read_manifest
from asr.training.augment import mix_at_snr

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """The same words without and with noise, `(N,)` each, in time."""

    name: str
    clean: Samples
    noisy: Samples


def recorded_pairs(data: Path) -> Iterator[Pair]:
    """The pairs of `denoise-test`."""
    folder = data / "denoise-test"
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        clean, noisy = (read_audio(folder / row[side]) for side in ("clean", "noisy"))
        length = min(len(clean), len(noisy))
        yield Pair(Path(row["clean"]).stem, clean[:length], noisy[:length])


def mixed_pairs(data: Path, manifest: str, noise: str, snr_db: float, count: int) -> Iterator[Pair]:
    """`count` utterances, evenly spread over a manifest, each in the next recording of a folder of noise."""
    utterances = read_manifest(data / manifest)
    noises = sorted((data / noise).iterdir())
    generator = np.random.default_rng(0)
    for number in range(count):
        utterance = utterances[number * len(utterances) // count]
        clean = read_audio(utterance.audio)
        recording = read_audio(noises[number % len(noises)])
        start = int(generator.integers(max(len(recording) - len(clean), 0) + 1))
        cut = np.resize(recording[start : start + len(clean)], len(clean))
        yield Pair(utterance.id, clean, mix_at_snr(clean, cut, snr_db))


def si_sdr(clean: Samples, heard: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, means removed (Le Roux et al. 2019)."""
    reference = clean.astype(np.float64) - clean.mean()
    signal = heard.astype(np.float64) - heard.mean()
    wanted = reference * (signal @ reference) / (reference @ reference)
    rest = signal - wanted
    return float(10 * np.log10((wanted @ wanted) / max(float(rest @ rest), 1e-20)))


def scores(clean: Samples, heard: Samples) -> dict[str, float]:
    """PESQ-WB, STOI and SI-SDR of 16 kHz speech. Needs the packages `pesq` and `pystoi`."""
    from pesq import pesq
    from pystoi import stoi

    return {
        "PESQ-WB": float(pesq(16_000, clean, heard, "wb")),
        "STOI": float(stoi(clean, heard, 16_000)),
        "SI-SDR": si_sdr(clean, heard),
    }
