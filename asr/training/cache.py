"""Decoded training audio in one memory-mapped file, so that an epoch never decodes twice."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.audio import read_audio
from asr.features import SAMPLE_RATE

log = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]


class AudioCache:
    """Mono audio of many files as 16-bit samples: `cache[path]` gives float32 in [-1, 1]."""

    def __init__(self, folder: Path, spans: dict[str, tuple[int, int]], data: Path) -> None:
        self.folder = folder
        self._spans = spans
        self._samples = np.memmap(data, dtype=np.int16, mode="r")

    @classmethod
    def build(cls, paths: Sequence[Path], folder: Path, sample_rate: int = SAMPLE_RATE) -> AudioCache:
        """Decode `paths` (once; a later call with the same files and rate reads what is there)."""
        names = [str(path.resolve()) for path in paths]
        stamps = [f"{name} {(stat := Path(name).stat()).st_size} {stat.st_mtime_ns}" for name in names]
        if sample_rate != SAMPLE_RATE:
            stamps.append(f"{sample_rate} Hz")
        key = hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:16]
        data, index = folder / f"{key}.int16", folder / f"{key}.json"
        if not index.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            index_partial = index.with_suffix(f".{os.getpid()}.index")
            index_partial.write_text(json.dumps(_decode_all(paths, data, sample_rate)))
            index_partial.replace(index)
        lengths: list[int] = json.loads(index.read_text())
        starts = np.concatenate(([0], np.cumsum(lengths))).tolist()
        return cls(folder, {name: (starts[i], starts[i + 1]) for i, name in enumerate(names)}, data)

    def __getitem__(self, path: Path) -> Samples:
        start, end = self._spans[str(path.resolve())]
        return self._samples[start:end].astype(np.float32) / 32768.0


def _decode_all(paths: Sequence[Path], data: Path, sample_rate: int) -> list[int]:
    """Write the samples of all files one after the other; returns their lengths."""
    lengths = []
    unfinished = data.with_suffix(f".{os.getpid()}.partial")
    with ThreadPoolExecutor(2) as pool, unfinished.open("wb") as out:
        remaining = iter(paths)
        while chunk := list(islice(remaining, 64)):
            for samples in pool.map(partial(read_audio, sample_rate=sample_rate), chunk):
                (np.clip(samples, -1.0, 32767 / 32768) * 32768).astype(np.int16).tofile(out)
                lengths.append(len(samples))
            log.info("decoded %d of %d files", len(lengths), len(paths))
    unfinished.replace(data)
    return lengths
