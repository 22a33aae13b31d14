"""The CTC word spotter of NeMo, after Andrusenko et al. 2024, arXiv 2406.07096: our own code of its rule.

Every phrase is looked for in the log-probs alone, as in `biasing.spotting`; what is found replaces recognized
words that it overlaps and outscores. What the rule leaves open is decided here: a found phrase ends with a
frame of its last token, times are frames, and the score of a recognized word is the sum of the log-probs of
its tokens' frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.align import TimedWord, TokenSpan, join_words
from biasing.spotting import Spotted, SpottingOptions, overlap

WORD_BONUS = 0.5
"""Nats for every token of the recognized words that a phrase is compared with: NeMo's own value."""


@dataclass(frozen=True)
class Recognized:
    """A recognized word: its text and confidence, its frames, and the sum of the log-probs of its tokens."""

    word: TimedWord
    score: float
    start: int
    end: int


def recognized_words(
    spans: Sequence[TokenSpan], log_probs: NDArray[np.float32], pieces: Sequence[str]
) -> list[Recognized]:
    """Return words with the scores that the rule compares."""
    found = []
    for word in join_words(spans, pieces, 1.0):
        tokens = spans[word.first : word.last + 1]
        score = sum(float(log_probs[one.start : one.end, one.token].sum()) + WORD_BONUS for one in tokens)
        found.append(Recognized(word, score, tokens[0].start, tokens[-1].end))
    return found


def merge(
    words: Sequence[Recognized], spotted: Sequence[Spotted], options: SpottingOptions
) -> list[TimedWord]:
    """Put found phrases in the place of the words they overlap, where their scores are no less."""
    gone: set[int] = set()
    placed: list[tuple[int, TimedWord]] = []
    for one in spotted:
        over = [n for n, word in enumerate(words) if _shared(one, word)]
        if one.score < sum(words[n].score for n in over):
            continue
        gone |= {n for n in over if _shared(one, words[n]) > options.replaced * _length(words[n])}
        placed.append((one.start, TimedWord(one.text, one.start, one.end, 1.0, 0, 0)))
    left = [(word.start, word.word) for n, word in enumerate(words) if n not in gone]
    return [word for _, word in sorted(left + placed, key=lambda pair: pair[0])]


def _shared(one: Spotted, other: Recognized) -> int:
    return overlap((one.start, one.end), (other.start, other.end))


def _length(one: Recognized) -> int:
    return one.end - one.start
