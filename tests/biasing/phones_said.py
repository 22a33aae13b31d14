"""What the tests of the phone techniques are made with: a toy pronouncer, and log-probs of phones said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from biasing.phone_book import BLANK, CLASSES, classes

LETTERS = "abcdefghijklmnoprstuvwyz"
PHONES = "AE B K D EH F G HH IH JH K L M N AA P R S T AH V W Y Z"
SOUNDS = dict(zip(LETTERS, PHONES.split(), strict=True))
OTHER_WAYS = {"read": ("R EH D", "R IY D"), "red": ("R EH D",), "cran": ("K R AE N",), "ran": ("R AE N",)}


@dataclass(frozen=True)
class Said:
    """A pronunciation as the pronouncer gives it."""

    phones: tuple[str, ...]
    probability: float


class Letters:
    """Says each letter. Some words it knows better; q it cannot say, and x it refuses."""

    def pronounce(self, word: str, count: int) -> list[Said]:
        if "x" in word:
            raise ValueError(f"{word} cannot be said")
        if "q" in word:
            return []
        ways = OTHER_WAYS.get(word) or (" ".join(SOUNDS[letter] for letter in word),)
        return [Said(tuple(way.split()), 1.0 / (rank + 1)) for rank, way in enumerate(ways[:count])]


def random_log_probs(seed: int, frames: int) -> np.ndarray:
    logits = 2.0 * np.random.default_rng(seed).normal(size=(frames, CLASSES))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def said(phones: str, sure: float = 0.9) -> np.ndarray:
    """Log-probs (T, 40) in which each of the phones has a frame of that probability, "-" being a blank.

    A blank follows every phone; of "AE:0.6/EH:0.3" two phones have the probabilities given.
    """
    rows = []
    for frame in phones.split():
        row = np.zeros(CLASSES)
        for part in frame.split("/"):
            name, _, share = part.partition(":")
            row[BLANK if name == "-" else classes([name])[0]] = float(share or sure)
        rest = row == 0
        row[rest] = (1.0 - row.sum()) / rest.sum()
        rows += [row, _blank()]
    return np.log(np.array(rows).reshape(-1, CLASSES)).astype(np.float32)


def silence(frames: int) -> np.ndarray:
    """Log-probs (T, 40) of nothing said."""
    return np.log(np.tile(_blank(), (frames, 1))).astype(np.float32)


def _blank() -> np.ndarray:
    row = np.full(CLASSES, 1e-12)
    row[BLANK] = 1.0 - row[1:].sum()
    return row
