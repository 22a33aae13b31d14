"""When words were said, and how well they fit what the phone head heard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biasing.lattice import Ways, best_path, best_total
from biasing.phone_book import BLANK, CLASSES, PhoneBook, Way, names

ABOVE_ONE = 0.02
"""How far the largest log-probability of a frame may be above 0: half precision gets this close."""


class PhoneticError(ValueError):
    """Phone log-probs, words or options that cannot be compared."""


@dataclass(frozen=True, eq=False)
class PhoneFrames:
    """What the phone head says of one utterance; made once by `phone_frames`.

    Attributes:
        log_probs: (T, 40), class 0 the blank.
        free: (T,) the most probable class of each frame, which is the greedy CTC path.
        best: (T,) its log-probability.
        aligned: what was aligned with it so far: veto and lookup ask for the same words.
    """

    log_probs: NDArray[np.float32]
    free: NDArray[np.int64]
    best: NDArray[np.float32]
    aligned: dict[tuple[PhoneBook, tuple[str, ...]], WordAlignment] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.free)

    def cut(self, start: int, end: int) -> PhoneFrames:
        """The frames from `start` to `end` - 1."""
        return PhoneFrames(self.log_probs[start:end], self.free[start:end], self.best[start:end])


@dataclass(frozen=True)
class AlignedWord:
    """A word, or a phrase given as one text, on the best alignment of its hypothesis.

    Attributes:
        text: the word.
        start: first frame of its first phone.
        end: the frame after the last one of its last phone.
        phones: the pronunciation that fits best.
        cost: nats by which the free path is more probable than the alignment, on its frames and on half of
            the blanks that part it from its neighbours; 0 or more.
    """

    text: str
    start: int
    end: int
    phones: tuple[str, ...]
    cost: float

    @property
    def cost_per_phone(self) -> float:
        """The cost in nats per phone: a log-likelihood ratio that does not grow with the word."""
        return self.cost / len(self.phones)


@dataclass(frozen=True)
class WordAlignment:
    """A hypothesis on the frames of the phone head.

    Attributes:
        words: one for each word, in order, not overlapping; empty where there is no alignment.
        cost: nats by which the free path is more probable than the best one of the words, the sum of their
            costs; infinite where they cannot be aligned.
        cuts: the W + 1 frames between which the cost of each word counts: 0, the middles of the blanks
            between neighbours, and the number of frames; none without words.
        reason: why they cannot; empty where they can.
        frame_costs: (T,) nats that each frame costs; none without words.
    """

    words: tuple[AlignedWord, ...]
    cost: float
    cuts: tuple[int, ...] = ()
    reason: str = ""
    frame_costs: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False, compare=False)


def phone_frames(log_probs: ArrayLike) -> PhoneFrames:
    """Take the phone log-probs (T, 40) of one utterance, T 0 or more.

    Raises:
        PhoneticError: another shape, NaN inside, or positive values: no log-probs.
    """
    values = np.ascontiguousarray(log_probs, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] != CLASSES:
        raise PhoneticError(
            f"phone log-probs have the shape {values.shape}; give (frames, {CLASSES}) of one utterance"
        )
    free = values.argmax(axis=1)  # of NaN numpy makes the largest
    best = values[np.arange(len(values)), free]
    wrong = np.flatnonzero(~((best <= ABOVE_ONE) & (best > -np.inf)))
    if len(wrong):
        raise PhoneticError(
            f"the best phone of frame {wrong[0]} has the log-probability {best[wrong[0]]:.4g}; give "
            "log-probs (the output of log_softmax), not logits, and look for NaN in the model"
        )
    return PhoneFrames(values, free.astype(np.int64), best)


def align_words(words: Sequence[str], heard: PhoneFrames, book: PhoneBook) -> WordAlignment:
    """Find when each word was said and what it costs, each in the pronunciation that fits best.

    Exact over all choices of pronunciations. Words that cannot be aligned are no error: one without any
    pronunciation, or more phones than frames, make the cost infinite.

    Source: section "phonetic forced alignment" of Dingliwal et al. 2022, arXiv 2210.09510, for the idea; CTC
    Viterbi as in Graves et al. 2006, section 4.1.
    """
    key = book, tuple(words)
    if key not in heard.aligned:
        heard.aligned[key] = _align(words, heard, book)
    return heard.aligned[key]


def _align(words: Sequence[str], heard: PhoneFrames, book: PhoneBook) -> WordAlignment:
    said = [book.ways(word) for word in words]
    if not all(said):
        return _impossible(f"no pronunciation of {words[[bool(ways) for ways in said].index(False)]!r}")
    ways = _ways(said)
    total, path = best_path(heard.log_probs, ways, BLANK)
    if total == -math.inf:
        return _impossible(f"{len(words)} words do not fit into {len(heard)} frames")
    label = np.where(path < 0, BLANK, np.append(ways.tokens, BLANK)[path])
    costs = (heard.best - heard.log_probs[np.arange(len(heard)), label]).astype(np.float64)
    return _aligned(words, ways, path, costs)


def cost_of(words: Sequence[str], heard: PhoneFrames, book: PhoneBook) -> float:
    """The cost of `align_words` alone, in a third of the time."""
    said = [book.ways(word) for word in words]
    if not all(said):
        return math.inf
    return float(heard.best.sum(dtype=np.float64)) - best_total(heard.log_probs, _ways(said), BLANK)


def span_cost(way: Way, heard: PhoneFrames, start: int, stop: int) -> float:
    """What one pronunciation costs on the frames `start` to `stop` - 1; infinite where it does not fit."""
    total = best_total(heard.log_probs[start:stop], _ways([[way]]), BLANK)
    return float(heard.best[start:stop].sum(dtype=np.float64)) - total


def _ways(said: Sequence[Sequence[Way]]) -> Ways:
    """All pronunciations of all words in a row, as the search takes them."""
    flat = [way for ways in said for way in ways]
    return Ways(
        np.array([phone for way in flat for phone in way], dtype=np.int64),
        np.array([len(way) for way in flat], dtype=np.int64),
        np.array([len(ways) for ways in said], dtype=np.int64),
    )


def _impossible(reason: str) -> WordAlignment:
    return WordAlignment((), math.inf, reason=reason)


def _aligned(
    words: Sequence[str], ways: Ways, path: NDArray[np.int64], costs: NDArray[np.float64]
) -> WordAlignment:
    """Cut the path into words, and share out its costs."""
    word_of = np.repeat(np.repeat(np.arange(len(words)), ways.counts), ways.lengths)
    spoken = np.flatnonzero(path >= 0)
    bounds = np.searchsorted(word_of[path[spoken]], np.arange(len(words) + 1))
    starts, ends = spoken[bounds[:-1]], spoken[bounds[1:] - 1] + 1
    cuts = [0, *((ends[:-1] + starts[1:]) // 2).tolist(), len(path)] if words else []
    shares = np.add.reduceat(costs, cuts[:-1]).tolist() if words else []
    found = []
    for index, text in enumerate(words):
        places = dict.fromkeys(path[spoken[bounds[index] : bounds[index + 1]]].tolist())
        phones = names(ways.tokens[list(places)].tolist())
        found.append(AlignedWord(text, int(starts[index]), int(ends[index]), phones, max(0.0, shares[index])))
    return WordAlignment(tuple(found), max(0.0, float(costs.sum())), tuple(cuts), frame_costs=costs)
