"""The evaluation sets in noise: each recording mixed with a stretch of a recorded one, always the same."""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.audio import read_audio
from asr.features import SAMPLE_RATE
from asr.files import write_text_atomic
from asr.manifest import Utterance, read_manifest
from asr.training.augment import mix_at_snr

Samples = NDArray[np.float32]

SEED = 0
LOUDEST = 0.99
read_noise = lru_cache(maxsize=16)(read_audio)


def noisy_manifest(manifest: Path, noise: Path, snr_db: float, out: Path) -> Path:
    """Return the manifest of a set in noise, mixed unless it is there already.

    Which noise an utterance gets and from where on is drawn by its id, so that a set has the same noises at
    every ratio of mean powers.

    Args:
        manifest: the clean set.
        noise: folder of recorded noises.
        snr_db: ratio of mean powers of speech and noise.
        out: folder for the recordings and their manifest; a killed run goes on where it stopped.

    Raises:
        AudioError, ManifestError: something cannot be read.
    """
    mixed = out / manifest.name
    if mixed.is_file():
        return mixed
    noises = sorted(path for path in noise.iterdir() if path.is_file())
    if not noises:
        raise SystemExit(f"{noise}: holds no recordings of noise")
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for one in read_manifest(manifest):
        file = out / f"{one.id}.flac"
        if not file.is_file():
            _write(file, _mixed(one, noises, snr_db))
        lines.append(json.dumps(_fields(one, file.name)))
    write_text_atomic(mixed, "\n".join(lines) + "\n")
    return mixed


def _mixed(one: Utterance, noises: list[Path], snr_db: float) -> Samples:
    clean = read_audio(one.audio)
    generator = np.random.default_rng((SEED, zlib.crc32(one.id.encode())))
    recording = read_noise(noises[int(generator.integers(len(noises)))])
    start = int(generator.integers(len(recording)))
    heard = mix_at_snr(clean, np.resize(np.roll(recording, -start), len(clean)), snr_db)
    return heard / max(1.0, float(np.abs(heard).max(initial=0.0)) / LOUDEST)


def _write(file: Path, samples: Samples) -> None:
    partial = file.with_suffix(".part")
    soundfile.write(partial, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    partial.replace(file)


def _fields(one: Utterance, audio: str) -> dict[str, object]:
    fields: dict[str, object] = {
        "audio_filepath": audio,
        "duration": one.duration,
        "text": one.text,
        "id": one.id,
    }
    return {**fields, "entities": list(one.entities)} if one.entities else fields
