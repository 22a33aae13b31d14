"""Made-up sounds, texts and a small corpus for the tests."""

import json
import random
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SYLLABLES = [
    "ba",
    "ko",
    "ri",
    "tu",
    "me",
    "shan",
    "lo",
    "vi",
    "pex",
    "quo",
    "zed",
    "jun",
    "fa",
    "wy",
    "hig",
    "d'or",
]


def words(count: int, seed: int = 0) -> list[str]:
    """Made-up words of one to three syllables."""
    rng = random.Random(seed)
    return ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 3))) for _ in range(count)]


def lines(count: int, seed: int = 0) -> list[str]:
    """Made-up sentences of six words."""
    many = words(6 * count, seed)
    return [" ".join(many[6 * i : 6 * i + 6]) for i in range(count)]


def tones(seconds: float, seed: int = 0) -> np.ndarray:
    """A changing sum of sines with some noise, (N,) float32 in -1..1."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    sound = 0.01 * rng.standard_normal(len(time))
    for _ in range(4):
        frequency, wobble, phase = rng.uniform(100, 3000), rng.uniform(1, 8), rng.uniform(0, 6)
        sound += 0.1 * np.sin(2 * np.pi * frequency * time) * (1 + np.sin(2 * np.pi * wobble * time + phase))
    return sound.astype(np.float32)


def bursts(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise that comes and goes every half second, (N,) float32 in -1..1."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    level = np.repeat(
        rng.uniform(0, 0.3, count // (RATE // 2) + 1) * (rng.random(count // (RATE // 2) + 1) < 0.7),
        RATE // 2,
    )
    return (level[:count] * rng.standard_normal(count)).clip(-1, 1).astype(np.float32)


def write_wav(file: Path, samples: np.ndarray) -> Path:
    """Write 16-bit samples; returns the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, RATE, subtype="PCM_16")
    return file


def write_corpus(root: Path, count: int = 12) -> Path:
    """A data folder: train.jsonl of two sources, dev.jsonl, a lexicon, noise, and a text."""
    rng = random.Random(5)
    rows = []
    for index in range(count):
        seconds = round(rng.uniform(0.5, 1.5), 2)
        write_wav(root / f"clips/{index}.wav", tones(seconds, index))
        text = " ".join(words(2, index))
        row = {"audio_filepath": f"clips/{index}.wav", "duration": seconds, "text": text}
        rows.append(row | {"source": "odd" if index % 2 else "even"})
    (root / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:3]))
    known = sorted({word for row in rows[: count // 2] for word in row["text"].split()})
    entries = "".join(f"{word} B AA{len(word) % 3} K # made up\n{word}(2) T\n" for word in known)
    (root / "lexicon.dict").write_text(";;; made up\n\n" + entries)
    write_wav(root / "noise/hiss.wav", bursts(2, 99))
    (root / "text.txt").write_text("\n".join(lines(2000)) + "\n")
    return root
