"""The CTC word spotter of NeMo, after Andrusenko et al. 2024, arXiv 2406.07096: our own code of its rule.

Every phrase is looked for in the log-probs alone, by token passing over a trie with the CTC topology; what is
found replaces recognized words that it overlaps and outscores. What the rule leaves open is decided here: a
found phrase ends with a frame of its last token, times are frames, and the score of a recognized word is the
sum of the log-probs of its tokens' frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.align import TimedWord, TokenSpan, join_words
from asr.compiled import compiled
from biasing.phrases import PhraseList
from biasing.trie import make_trie


@dataclass(frozen=True)
class SpotterOptions:
    """Constants of the rule; the values are NeMo's own.

    Attributes:
        token_bonus: nats for every arc that is not a blank.
        beam: paths this many nats below the best one of the frame are dropped.
        blank_threshold: where the blank is more probable, no phrase begins.
        first_token: no phrase begins with a token less probable than this.
        least_score: phrases of a lower score are not found.
        word_bonus: nats for every token of the recognized words that a phrase is compared with.
        conflict: share of the shorter of two found phrases that must overlap for only the better one to stay.
        replaced: share of a recognized word that must be covered for it to be replaced.
        least_letters: shorter phrases are not looked for.
    """

    token_bonus: float = 3.0
    beam: float = 5.0
    blank_threshold: float = 0.8
    first_token: float = 0.001
    least_score: float = -5.0
    word_bonus: float = 0.5
    conflict: float = 0.1
    replaced: float = 0.3
    least_letters: int = 3


class Nodes(NamedTuple):
    """A trie, node 0 its root: the parent and the token of each node, and the phrase it ends, -1 for none."""

    parent: NDArray[np.int64]
    token: NDArray[np.int64]
    phrase: NDArray[np.int64]


@dataclass(frozen=True)
class Spotted:
    """A phrase found in the frames `start` to `end` (exclusive)."""

    text: str
    score: float
    start: int
    end: int


class Spotter:
    """The trie of one list."""

    def __init__(self, phrases: PhraseList, encode: Any, options: SpotterOptions) -> None:
        """Take the first spelling of each phrase; `encode` gives the tokens of a text."""
        listed = [one.spellings[0] for one in phrases if one.spellings]
        self._texts = [text for text in listed if len(text.replace(" ", "")) >= options.least_letters]
        self._options = options
        spelled = [encode(text) for text in self._texts]
        lengths = np.array([len(tokens) for tokens in spelled], dtype=np.int64)
        flat = np.array([token for tokens in spelled for token in tokens], dtype=np.int64)
        trie = make_trie(flat, lengths, int(flat.max(initial=0)) + 1)
        phrase = np.full(len(trie.parent), -1, dtype=np.int64)
        phrase[trie.last] = np.arange(len(spelled))
        self._nodes = Nodes(trie.parent, trie.token, phrase)

    def find(self, log_probs: NDArray[np.float32]) -> list[Spotted]:
        """Return the phrases in the log-probs `(T, V)` of an utterance, in order, none over another."""
        if not self._texts or not len(log_probs):
            return []
        options = self._options
        limits = np.array(
            [
                options.token_bonus,
                options.beam,
                np.log(options.blank_threshold),
                np.log(options.first_token),
                options.least_score,
            ]
        )
        rows = spot(np.ascontiguousarray(log_probs, np.float32), self._nodes, limits)
        found = [Spotted(self._texts[int(r[0])], r[1], int(r[2]), int(r[3])) for r in rows]
        return without_conflicts(found, options.conflict)


def without_conflicts(found: Sequence[Spotted], share: float) -> list[Spotted]:
    """Keep the best of phrases that overlap each other by more than a share of the shorter one."""
    kept: list[Spotted] = []
    for one in sorted(found, key=lambda one: (-one.score, one.start, one.end)):
        if all(_overlap(one, other) <= share * min(_length(one), _length(other)) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


@dataclass(frozen=True)
class Recognized:
    """A recognized word: its text and confidence, its frames, and the sum of the log-probs of its tokens."""

    word: TimedWord
    score: float
    start: int
    end: int


def recognized_words(
    spans: Sequence[TokenSpan], log_probs: NDArray[np.float32], pieces: Sequence[str], word_bonus: float
) -> list[Recognized]:
    """Return words with the scores that the rule compares."""
    found = []
    for word in join_words(spans, pieces, 1.0):
        tokens = spans[word.first : word.last + 1]
        score = sum(float(log_probs[one.start : one.end, one.token].sum()) + word_bonus for one in tokens)
        found.append(Recognized(word, score, tokens[0].start, tokens[-1].end))
    return found


def merge(
    words: Sequence[Recognized], spotted: Sequence[Spotted], options: SpotterOptions
) -> list[TimedWord]:
    """Put found phrases in the place of the words they overlap, where their scores are no less."""
    gone: set[int] = set()
    placed: list[tuple[int, TimedWord]] = []
    for one in spotted:
        over = [n for n, word in enumerate(words) if _overlap(one, word)]
        if one.score < sum(words[n].score for n in over):
            continue
        gone |= {n for n in over if _overlap(one, words[n]) > options.replaced * _length(words[n])}
        placed.append((one.start, TimedWord(one.text, one.start, one.end, 1.0, 0, 0)))
    left = [(word.start, word.word) for n, word in enumerate(words) if n not in gone]
    return [word for _, word in sorted(left + placed, key=lambda pair: pair[0])]


def _overlap(one: Spotted | Recognized, other: Spotted | Recognized) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _length(one: Spotted | Recognized) -> int:
    return one.end - one.start


@compiled
def spot(log_probs: NDArray[np.float32], nodes: Nodes, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pass tokens over the trie; returns rows of phrase, score, first frame and frame after the last.

    `limits` are token_bonus, beam, ln blank_threshold, ln first_token and least_score. The blank is token 0.
    """
    bonus, beam, blank_limit, first_limit, least = limits[0], limits[1], limits[2], limits[3], limits[4]
    count = len(nodes.parent)
    label, blank = np.full(count, -np.inf), np.full(count, -np.inf)
    label_from, blank_from = np.zeros(count, np.int64), np.zeros(count, np.int64)
    found, rows = np.empty((64, 4)), 0
    for frame in range(len(log_probs)):
        best = -np.inf
        for node in range(count - 1, 0, -1):  # downwards: parents are still those of the frame before
            parent, token = nodes.parent[node], nodes.token[node]
            move, move_from = label[node], label_from[node]
            stay, stay_from = blank[node], blank_from[node]
            if move > stay:
                stay, stay_from = move, move_from
            if parent > 0 and blank[parent] > move:
                move, move_from = blank[parent], blank_from[parent]
            if parent > 0 and nodes.token[parent] != token and label[parent] > move:
                move, move_from = label[parent], label_from[parent]
            begins = log_probs[frame, 0] <= blank_limit and log_probs[frame, token] >= first_limit
            if parent == 0 and begins and move < 0.0:
                move, move_from = 0.0, frame
            label[node], label_from[node] = move + log_probs[frame, token] + bonus, move_from
            blank[node], blank_from[node] = stay + log_probs[frame, 0], stay_from
            best = max(best, label[node], blank[node])
        for node in range(1, count):
            if blank[node] < best - beam:
                blank[node] = -np.inf
            if label[node] < best - beam:
                label[node] = -np.inf
            if nodes.phrase[node] >= 0 and label[node] > least:
                if rows == len(found):
                    larger = np.empty((2 * rows, 4))
                    larger[:rows] = found
                    found = larger
                found[rows, 0], found[rows, 1] = nodes.phrase[node], label[node]
                found[rows, 2], found[rows, 3] = label_from[node], frame + 1
                rows += 1
    return found[:rows]
