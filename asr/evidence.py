"""How much better the sound fits one reading than another, free of language model and bonuses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr.align import TimedWord, alignment_score

Part = tuple[int, int]
"""Words from the first index to before the second."""


@dataclass(frozen=True)
class Reading:
    """A reading of an utterance: its tokens, and the words that they spell."""

    tokens: tuple[int, ...]
    words: tuple[TimedWord, ...]

    @property
    def texts(self) -> list[str]:
        """The words without times."""
        return [word.text for word in self.words]

    def part(self, words: Part) -> tuple[int, ...]:
        """The tokens of some words, with those between them."""
        first, end = words
        return self.tokens[self.words[first].first : self.words[end - 1].last + 1] if first < end else ()

    def cut(self, words: Part) -> Reading:
        """Some of the words as a reading of their own."""
        if words == (0, len(self.words)):
            return self
        own = self.words[slice(*words)]
        rebased = (replace(one, first=one.first - own[0].first, last=one.last - own[0].first) for one in own)
        return Reading(self.part(words), tuple(rebased))

    def replaced(self, words: Part, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """The tokens of the reading with others in the place of one or more words."""
        first, end = words
        before, after = self.words[first].first, self.words[end - 1].last + 1
        return self.tokens[:before] + tokens + self.tokens[after:]

    def during(self, start: float, end: float) -> Part:
        """The words of which most is said between two times in seconds."""
        inside = [
            start <= (word.start + word.end) / 2 < end or (word.start <= start and end <= word.end)
            for word in self.words
        ]
        first = inside.index(True) if any(inside) else 0
        return first, first + sum(inside)


def evidence(log_probs: NDArray[np.float32], ours: Reading, part: Part, instead: tuple[int, ...]) -> float:
    """Log-likelihood ratio in nats of a reading to itself with other tokens in the place of some words.

    Both are scored by their best CTC alignment to `log_probs` (T, V); 0 where the tokens are the same.
    """
    others = ours.replaced(part, instead)
    if others == ours.tokens:
        return 0.0
    return alignment_score(log_probs, ours.tokens) - alignment_score(log_probs, others)
