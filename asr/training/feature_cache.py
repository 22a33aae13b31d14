"""States of a pretrained encoder for many recordings in memory-mapped half-precision files.

A folder holds one copy of the data, clean or augmented: `features.f16`, the frames of all recordings one
after the other, and `index.jsonl`, a line for each of them. Both only grow, so a killed extraction goes on
where it was and a new manifest is added to what is there. From Python:

    cache = FeatureCache(Path("runs/features/moonshine-tiny-c6fc4b7b-clean"))
    cache[Path("speech/dev/utterance.flac")]     # (T, D) float16
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.training.config import ConfigError

log = logging.getLogger(__name__)

DATA_FILE, INDEX_FILE = "features.f16", "index.jsonl"
CHUNK = 64
"""Recordings between two writes."""

Samples = NDArray[np.float32]
Features = NDArray[np.float16]


@dataclass(frozen=True)
class Entry:
    """Where one recording's frames lie."""

    start: int
    """First frame."""
    frames: int
    stamp: str
    """Size and time of change of the recording when it was read."""


class FeatureCache:
    """Features by recording: `cache[path]` gives `(T, D)` float16, mapped from disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dim, self._entries = _read_index(folder)
        data = folder / DATA_FILE
        needed = 2 * self.dim * sum(entry.frames for entry in self._entries.values())
        if needed and (not data.is_file() or data.stat().st_size < needed):
            raise ConfigError(f"{data}: shorter than {INDEX_FILE} says; delete {folder} and extract anew")
        shape = (needed // (2 * self.dim), self.dim) if needed else (0, self.dim)
        self._frames: Features = (
            np.memmap(data, np.float16, "r", shape=shape) if needed else np.zeros(shape, np.float16)
        )

    def __getitem__(self, path: Path) -> Features:
        entry = self._entries[str(path.resolve())]
        return self._frames[entry.start : entry.start + entry.frames]

    def __contains__(self, path: Path) -> bool:
        return str(path.resolve()) in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def sample(self, count: int) -> Features:
        """About `count` frames `(N, D)`, evenly spread over all recordings."""
        return self._frames[:: max(len(self._frames) // count, 1)]


def extract(
    paths: Sequence[Path], folder: Path, encode: Callable[[Path], Features], dim: int, threads: int = 1
) -> FeatureCache:
    """Add to the cache in `folder` those of `paths` that it lacks; `encode` gives a recording's `(T, dim)`.

    Raises:
        ConfigError: the folder holds features of another size, or a recording changed since it was read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known_dim, entries = _read_index(folder)
    if entries and known_dim != dim:
        raise ConfigError(f"{folder}: holds features of {known_dim} values, not {dim}; choose another folder")
    todo = []
    for path in dict.fromkeys(paths):
        entry = entries.get(str(path.resolve()))
        if entry is None:
            todo.append(path)
        elif entry.stamp != _stamp(path):
            raise ConfigError(f"{path} changed since it was read; delete {folder} and extract anew")
    if todo:
        _append(folder, dim, sum(entry.frames for entry in entries.values()), _encoded(todo, encode, threads))
    return FeatureCache(folder)


def _encoded(
    paths: Sequence[Path], encode: Callable[[Path], Features], threads: int
) -> Iterator[list[tuple[Path, Features]]]:
    """Chunks of recordings with their features."""
    begun, done, remaining = time.monotonic(), 0, iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        while chunk := list(islice(remaining, CHUNK)):
            yield list(zip(chunk, pool.map(encode, chunk), strict=True))
            done += len(chunk)
            minutes = (time.monotonic() - begun) / 60
            log.info("encoded %d of %d recordings in %.1f min", done, len(paths), minutes)


def _append(folder: Path, dim: int, start: int, chunks: Iterator[list[tuple[Path, Features]]]) -> None:
    """Write the frames of a chunk before the lines that point to them."""
    data, index = folder / DATA_FILE, folder / INDEX_FILE
    with data.open("ab") as frames, index.open("a", encoding="utf-8") as lines:
        frames.truncate(2 * dim * start)
        for chunk in chunks:
            rows = []
            for path, features in chunk:
                frames.write(features.astype(np.float16).tobytes())
                row = {
                    "path": str(path.resolve()),
                    "frames": len(features),
                    "stamp": _stamp(path),
                    "dim": dim,
                }
                rows.append(json.dumps(row) + "\n")
            frames.flush()
            lines.write("".join(rows))
            lines.flush()


def _read_index(folder: Path) -> tuple[int, dict[str, Entry]]:
    """The size of a frame (0 when there is none yet) and the entries."""
    entries: dict[str, Entry] = {}
    start = dim = 0
    for line in whole_lines(folder / INDEX_FILE):
        row = json.loads(line)
        entries[row["path"]] = Entry(start, row["frames"], row["stamp"])
        start, dim = start + row["frames"], row["dim"]
    return dim, entries


def whole_lines(file: Path) -> list[bytes]:
    """The lines of a file that only grows, none where it is not there; half a last line is cut off."""
    if not file.is_file():
        return []
    whole, newline, rest = file.read_bytes().rpartition(b"\n")
    if rest:
        with file.open("r+b") as open_file:
            open_file.truncate(len(whole) + len(newline))
    return whole.splitlines()


def _stamp(path: Path) -> str:
    """What tells a recording from a changed one: its bytes, as a copied folder has new times."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
