"""Voices: Kokoro's own and convex blends of two or three of them, drawn at random but reproducibly."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Styles = NDArray[np.float32]
"""(L, 256): one style vector for each number of tokens."""


@dataclass(frozen=True)
class Voice:
    """One voice or a blend.

    Attributes:
        parts: (name, weight) of the voices in it, the heaviest first; weights add up to 1.
    """

    parts: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """`kokoro-af_sky` or `kokoro-af_sky@0.62+bm_fable@0.38`."""
        if len(self.parts) == 1:
            return f"kokoro-{self.parts[0][0]}"
        return "kokoro-" + "+".join(f"{name}@{weight:.2f}" for name, weight in self.parts)

    @property
    def accent(self) -> str:
        """The English it speaks: British when the heaviest voice is British."""
        return "en-gb" if self.parts[0][0].startswith("b") else "en-us"


def draw_voice(pool: Sequence[str], blend: float, rng: random.Random) -> Voice:
    """A voice of the pool, or with probability `blend` a mixture of two or three with none above 0.8."""
    if len(pool) < 2 or rng.random() >= blend:
        return Voice(((rng.choice(pool), 1.0),))
    names = rng.sample(pool, min(len(pool), rng.choice((2, 2, 3))))
    shares = [rng.uniform(0.25, 1.0) for _ in names]
    weights = [round(share / sum(shares), 2) for share in shares]
    weights[0] = round(1.0 - sum(weights[1:]), 2)
    return Voice(tuple(sorted(zip(names, weights, strict=True), key=lambda part: (-part[1], part[0]))))


def blended(styles: Mapping[str, Styles], voice: Voice, tokens: int) -> Styles:
    """The style vector (1, 256) of a voice for a sentence of so many tokens."""
    rows = [weight * styles[name][tokens] for name, weight in voice.parts]
    return np.asarray(np.sum(rows, axis=0), dtype=np.float32)[None, :]
