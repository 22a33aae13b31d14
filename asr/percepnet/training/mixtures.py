"""Mixtures made once and kept on disk, so that training reads instead of analysing."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asr.files import write_text_atomic
from asr.percepnet.bands import Format
from asr.percepnet.training.mixing import Mixer, MixtureBatch, Sounds

log = logging.getLogger(__name__)

LAYOUT = 3
"""To be raised when features, targets or drawing change, so that files of the old ones are not used."""
CHUNK = 64
"""Mixtures between two notes of how far the making has come."""


class MixtureCache:
    """Features and targets of `count` mixtures in one memory-mapped file of 16-bit floats.

    Mixture `i` depends on the mixer, the seed and `i` alone; a making that was stopped goes on where it was.
    """

    def __init__(self, mixer: Mixer, seed: tuple[int, ...], count: int, folder: Path) -> None:
        self.form, self.count = mixer.form, count
        name = f"mixtures-{_key(mixer, seed)}"
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._made = folder / f"{name}.float16", folder / f"{name}.json"
        self._shape = (-(-mixer.length // mixer.form.hop) + 1, mixer.form.features + 3 * mixer.form.bands)
        self._fill(mixer, seed)
        self._rows = self._open("r")

    def batch(self, places: NDArray[np.int64]) -> MixtureBatch:
        """The mixtures of these places."""
        rows = torch.from_numpy(self._rows[np.sort(places)]).float()
        return MixtureBatch(*torch.split(rows, _columns(self.form), dim=-1))

    def _open(self, mode: str) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        return np.memmap(self._file, np.float16, mode, shape=(self.count, *self._shape))  # type: ignore[call-overload, no-any-return]

    def _fill(self, mixer: Mixer, seed: tuple[int, ...]) -> None:
        done = json.loads(self._made.read_text())["made"] if self._made.is_file() else 0
        if done >= self.count:
            return
        rows_bytes = 2 * int(np.prod(self._shape))
        with self._file.open("ab") as out:
            out.truncate(max(done, self.count) * rows_bytes)
        rows = self._open("r+")
        while done < self.count:
            upto = min(done + CHUNK, self.count)
            parts = vars(mixer.batch(seed, range(done, upto))).values()
            rows[done:upto] = torch.cat(tuple(parts), -1).numpy()
            rows.flush()
            done = upto
            write_text_atomic(self._made, json.dumps({"made": done}))
            log.info("made %d of %d mixtures", done, self.count)


def _columns(form: Format) -> list[int]:
    return [form.features, form.bands, form.bands, form.bands]


def _key(mixer: Mixer, seed: tuple[int, ...]) -> str:
    """A name that differs where mixtures would."""

    def told(sounds: Sounds) -> list[tuple[str, float]]:
        return [(file.name, float(chance)) for file, chance in zip(sounds.files, sounds.chances, strict=True)]

    mix = {name: value for name, value in asdict(mixer.config).items() if name != "count"}
    parts = (LAYOUT, mixer.form.sample_rate, mix, seed, told(mixer.speech), told(mixer.noise))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
