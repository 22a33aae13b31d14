"""Spotting: phrases found in the log-probs of sub-words alone, whatever the beam search made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.phone_alignment import PhoneFrames, align_words, cost_of
from biasing.phone_book import PhoneBook
from biasing.phrases import Entry
from biasing.token_passing import NO_SPELLING, Nodes, spot
from biasing.trie import make_trie

TINY = 1e-300


class SpottingError(ValueError):
    """Options with which nothing can be spotted."""


@dataclass(frozen=True)
class SpottingOptions:
    """When a phrase counts as found, and when it is believed. All in nats, except shares and counts.

    Attributes:
        token_bonus: paid for every frame of a sub-word, so that a phrase may be less probable than blanks.
        beam: paths this much below the best one of the frame are dropped.
        blank_threshold: where the blank is more probable than this, no phrase begins.
        first_token: no phrase begins with a token less probable than this.
        least_score: phrases of a lower score are not found.
        conflict: share of the shorter of two found phrases that may overlap; beyond, the better one stays.
        replaced: share of a recognized word that must be covered for it to be replaced.
        least_letters: shorter phrases are not looked for.
        most: phrases of an utterance that are looked into, the best ones.
        doubt_cost: how much what a phrase costs by itself, in nats per phone, counts as doubt.
        doubt: a phrase is believed up to this doubt, counted as in a veto, with the words that were
            recognized in its place: what they cost less, and `doubt_cost` times the phrase's nats per phone.
        room: phrases from which on less doubt is forgiven: of many, more sound alike.
        crowding: nats that `doubt` falls by when the phrases beyond become e times as many.

    Source: Andrusenko et al. 2024, arXiv 2406.07096, section 2, for the token passing and its constants; that
    the phones decide is ours.
    """

    token_bonus: float = 5.5
    beam: float = 15.0
    blank_threshold: float = 0.8
    first_token: float = 0.001
    least_score: float = -5.0
    conflict: float = 0.1
    replaced: float = 0.3
    least_letters: int = 3
    most: int = 50
    doubt_cost: float = 3.0
    doubt: float = 3.0
    room: int = 100
    crowding: float = 3.5

    def __post_init__(self) -> None:
        shares = (self.blank_threshold, self.first_token, self.conflict, self.replaced)
        if not (all(0 <= share <= 1 for share in shares) and self.beam >= 0):
            raise SpottingError(f"{self}: the four shares are from 0 to 1, beam is 0 or more")
        if any(map(math.isnan, (self.token_bonus, self.least_score, self.doubt_cost, self.doubt))):
            raise SpottingError(f"{self}: the nats are numbers")
        if not (self.room >= 1 and 0 <= self.crowding < math.inf and self.most >= 0):
            raise SpottingError(f"{self}: room is 1 or more, crowding and most 0 or more")

    def doubt_among(self, phrases: int) -> float:
        """The doubt that is forgiven one of so many phrases."""
        return self.doubt - self.crowding * math.log(max(1.0, phrases / self.room))

    def looks_for(self, text: str) -> bool:
        """Whether a spelling is long enough."""
        return len(text.replace(" ", "")) >= self.least_letters


@dataclass(frozen=True)
class Spotted:
    """A spelling of a phrase found in the frames `start` to `end` - 1."""

    entry: int
    text: str
    score: float
    start: int
    end: int


class Spotter:
    """The spellings of one list; may be shared by threads."""

    def __init__(
        self,
        entries: Iterable[Entry],
        segment: Callable[[str], Sequence[int]],
        options: SpottingOptions | None = None,
    ) -> None:
        """Take all spellings of phrases that are not discouraged; `segment` gives the tokens of a text."""
        self.options = options or SpottingOptions()
        entries = tuple(entries)
        self.most_doubt = self.options.doubt_among(len(entries))
        self.listed = [
            (number, text)
            for number, entry in enumerate(entries)
            if entry.boost is None or entry.boost > 0
            for text in entry.spellings
            if self.options.looks_for(text)
        ]
        spelled = [segment(text) for _, text in self.listed]
        lengths = np.array([len(tokens) for tokens in spelled], dtype=np.int64)
        flat = np.array([token for tokens in spelled for token in tokens], dtype=np.int64)
        trie = make_trie(flat, lengths, int(flat.max(initial=0)) + 1)
        spelling = np.full(len(trie.parent), NO_SPELLING, dtype=np.int64)
        spelling[trie.last[::-1]] = np.arange(len(spelled))[::-1]
        self._nodes = Nodes(trie.parent, trie.token, trie.first, spelling)

    def find(self, log_probs: NDArray[np.float32]) -> list[Spotted]:
        """Return the phrases in the log-probs `(T, V)` of an utterance, in order, none over another."""
        return without_conflicts(self.rows(log_probs), self.options.conflict)

    def rows(self, log_probs: NDArray[np.float32]) -> list[Spotted]:
        """Every spelling with every frame in which it may end, in its best path to there."""
        return self.named(self.passed(log_probs))

    def passed(self, log_probs: NDArray[np.float32]) -> NDArray[np.float64]:
        """`rows` as numbers: of the spelling among `listed`, score, first frame, frame after the last."""
        if not self.listed or not len(log_probs):
            return np.empty((0, 4))
        one = self.options
        shares = (math.log(max(share, TINY)) for share in (one.blank_threshold, one.first_token))
        limits = np.array([one.token_bonus, one.beam, *shares, one.least_score])
        return spot(np.ascontiguousarray(log_probs, np.float32), self._nodes, limits)

    def named(self, rows: NDArray[np.float64]) -> list[Spotted]:
        """What some of the rows of `passed` say."""
        return [Spotted(*self.listed[int(row[0])], row[1], int(row[2]), int(row[3])) for row in rows]


def without_conflicts(found: Iterable[Spotted], share: float) -> list[Spotted]:
    """Keep the best of phrases that overlap each other by more than a share of the shorter one."""
    kept: list[Spotted] = []
    for one in sorted(found, key=lambda one: (-one.score, one.start, one.end, one.entry)):
        shorter = (min(one.end - one.start, other.end - other.start) for other in kept)
        overlaps = (overlap((one.start, one.end), (other.start, other.end)) for other in kept)
        if all(frames <= share * least for frames, least in zip(overlaps, shorter, strict=True)):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


def overlap(one: tuple[int, int], other: tuple[int, int]) -> int:
    """Frames that two ranges share."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


@dataclass(frozen=True)
class Placed:
    """A spotted phrase that is believed, in the place of words `first` to `end` - 1, perhaps of none.

    gain: nats by which the utterance costs less with it, by its phones.
    """

    spotted: Spotted
    first: int
    end: int
    gain: float


class Word(NamedTuple):
    """A recognized word: its frames are `start` to `end` - 1, and `listed` says whether a phrase has it."""

    text: str
    start: int
    end: int
    listed: bool = False


def place(
    words: Sequence[Word],
    found: Iterable[Spotted],
    heard: PhoneFrames,
    book: PhoneBook,
    most_doubt: float,
    options: SpottingOptions | None = None,
) -> list[Placed]:
    """Choose the spotted phrases that the phones believe more than the words in their place.

    One by one, the best score first, each against the utterance with those before it. Words of phrases stay.

    Args:
        words: the recognized words, in order.
        found: by `Spotter.find`.
        heard: the phones of the same utterance.
        book: how words and phrases are said.
        most_doubt: up to which a phrase is believed; see `SpottingOptions.doubt_among`.
        options: `most`, `replaced` and `doubt_cost` are used.
    """
    options = options or SpottingOptions()
    best = sorted(found, key=lambda one: (-one.score, one.start))[: options.most]
    placed: list[Placed] = []
    for one in best:
        first, end = covered(words, one, options.replaced)
        taken = any(first < other.end and other.first < end for other in placed)
        if taken or any(word.listed for word in words[first:end]):
            continue
        candidate = Placed(one, first, end, 0.0)
        before = [text for text, _ in _in_order(words, placed)]
        after = _in_order(words, [*placed, candidate])
        alignment = align_words([text for text, _ in after], heard, book)
        if not alignment.words:
            continue
        gain = cost_of(before, heard, book) - alignment.cost
        said = alignment.words[[phrase for _, phrase in after].index(candidate)]
        if options.doubt_cost * said.cost_per_phone - gain <= most_doubt:
            placed.append(replace(candidate, gain=gain))
    return sorted(placed, key=lambda one: (one.first, one.spotted.start))


def covered(words: Sequence[Word], one: Spotted, share: float) -> tuple[int, int]:
    """The words that a phrase covers; between two words where there are none."""
    frames = one.start, one.end
    inside = [
        number
        for number, word in enumerate(words)
        if overlap(frames, (word.start, word.end)) > share * (word.end - word.start)
    ]
    if inside:
        return inside[0], inside[-1] + 1
    before = sum(word.start < one.start for word in words)
    return before, before


def _in_order(words: Sequence[Word], placed: Iterable[Placed]) -> list[tuple[str, Placed | None]]:
    """The texts of an utterance with phrases in their places, and which of them are phrases."""
    texts: list[tuple[str, Placed | None]] = []
    last = 0
    for one in sorted(placed, key=lambda one: (one.first, one.spotted.start)):
        texts += [(word.text, None) for word in words[last : one.first]]
        texts.append((one.spotted.text, one))
        last = one.end
    return [*texts, *((word.text, None) for word in words[last:])]
