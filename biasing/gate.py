"""The gate: which phrases of a list may have been said at all, and where, before anything is searched for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled_in_place, part_in_place
from biasing.phone_alignment import PhoneFrames, WordAlignment
from biasing.phone_book import BLANK, Way
from biasing.spotting import Spotted, Spotter

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


MOST_APART = 1 << 16
"""Most frames or words around a phrase that can be asked for."""


class GateError(ValueError):
    """Options that no gate can have."""


@dataclass(frozen=True)
class GateOptions:
    """Which phrases may have been said.

    Attributes:
        doubt: phrases of no more doubt, in nats, may have been: what the phones of the words that are heard
            without the list cost less on the same frames, and `doubt_cost` times the phrase's nats per phone.
        doubt_cost: how much what a phrase costs by itself, in nats per phone, counts as doubt.
        margin: frames by which the phones of a phrase may begin before its sub-words, and end behind them.
        words: words on either side of a phrase that are searched anew with it, 1 or more.
    """

    doubt: float = 12.0
    doubt_cost: float = 3.0
    margin: int = 3
    words: int = 3

    def __post_init__(self) -> None:
        nats = (self.doubt, self.doubt_cost)
        if not all(isinstance(one, int | float) for one in nats) or not 0 <= self.doubt_cost < math.inf:
            raise GateError(f"{self}: doubt is a number of nats, doubt_cost one of 0 or more and finite")
        if math.isnan(self.doubt) or not (_whole(self.margin, 0) and _whole(self.words, 1)):
            raise GateError(
                f"{self}: doubt is a number, margin a whole one from 0, words from 1, both to {MOST_APART}"
            )


def _whole(given: object, least: int) -> bool:
    return isinstance(given, int) and least <= given <= MOST_APART


class _Said(NamedTuple):
    """How the spellings of a list are said, in flat arrays."""

    phones: Int64  # of all pronunciations, one behind the other
    begins: Int64  # (W + 1,) where each pronunciation begins; the next one's entry ends it
    ways: Int64  # (S + 1,) the first pronunciation of each spelling; likewise


class _Heard(NamedTuple):
    """The phones of an utterance."""

    log_probs: Float32  # (T, 40)
    best: Float32  # (T,) of the free path
    plain: Float64  # (T + 1,) what the words that are heard without the list cost up to each frame


class _Room(NamedTuple):
    """Memory for the paths into each of S states, by the frame's parity."""

    cost: Float64  # (2, S)
    begin: Int64  # (2, S) the frame that the path began in


class Gate:
    """The spellings of one list with their phones; may be shared by threads."""

    def __init__(
        self, spotter: Spotter, ways: Sequence[Sequence[Way]], options: GateOptions | None = None
    ) -> None:
        """Take what finds the list's sub-words, and the pronunciations of each of its phrases."""
        self.options = options or GateOptions()
        self._spotter = spotter
        said = [ways[entry] for entry, _ in spotter.listed]
        flat = [way for one in said for way in one]
        phones = np.array([phone for way in flat for phone in way], np.int64)
        lengths = np.array([len(way) for way in flat], np.int64)
        counts = np.array([len(one) for one in said], np.int64)
        self._said = _Said(phones, _starts(lengths), _starts(counts))
        self._states = 2 * int(lengths.max(initial=0))

    def open(self, log_probs: Float32, heard: PhoneFrames, plain: WordAlignment) -> list[Spotted]:
        """The phrases that may have been said, each in its best places, in the order of their ends.

        Their sub-words are looked for as in spotting. The phones of what is found are then compared with
        those of the words that are heard without the list: with the best CTC path through the phrase, which
        may begin and end anywhere near the sub-words. A phrase without pronunciation always may be said.

        Args:
            log_probs: (T, V) of the sub-words.
            heard: the phones of the same utterance.
            plain: the words that are heard without the list, aligned with these phones.
        """
        rows = self._spotter.passed(log_probs)
        last, kept = np.full(len(self._spotter.listed), -1), np.empty(len(rows), np.int64)
        rows = rows[kept[: _keep_best(rows, last, kept)]]
        frames = _Heard(heard.log_probs, heard.best, np.append(0.0, np.cumsum(plain.frame_costs)))
        room = _Room(np.empty((2, self._states)), np.empty((2, self._states), np.int64))
        doubts = np.empty(len(rows))
        _judge(rows, frames, self._said, self.options.margin, self.options.doubt_cost, room, doubts)
        return self._spotter.named(rows[doubts <= self.options.doubt])


def _starts(lengths: Int64) -> Int64:
    return np.append(np.int64(0), np.cumsum(lengths))


@compiled_in_place
def _keep_best(rows: Float64, last: Int64, kept: Int64) -> int:
    """Choose of the rows of one spelling that overlap the best; `last` (S,) is -1. Returns how many stay."""
    count = 0
    for row in range(len(rows)):
        spelling = int(rows[row, 0])
        place = last[spelling]
        if place < 0 or rows[row, 2] >= rows[kept[place], 3]:
            last[spelling], kept[count] = count, row
            count += 1
        elif rows[row, 1] > rows[kept[place], 1]:
            kept[place] = row
    return count


@compiled_in_place
def _judge(
    rows: Float64, heard: _Heard, said: _Said, margin: int, weight: float, room: _Room, doubts: Float64
) -> None:
    """Write the doubt of each row in its most believable pronunciation."""
    for row in range(len(rows)):
        spelling = int(rows[row, 0])
        first = max(0, int(rows[row, 2]) - margin)
        end = min(len(heard.best), int(rows[row, 3]) + margin)
        doubts[row] = -np.inf if said.ways[spelling] == said.ways[spelling + 1] else np.inf
        for way in range(said.ways[spelling], said.ways[spelling + 1]):
            phones = said.phones[said.begins[way] : said.begins[way + 1]]
            doubts[row] = min(doubts[row], _doubt(first, end, phones, heard, weight, room))


@part_in_place
def _doubt(first: int, end: int, phones: Int64, heard: _Heard, weight: float, room: _Room) -> float:
    """The doubt of a pronunciation where it costs least within some frames; infinite where it has no room."""
    cost, begin = room
    states = 2 * len(phones) - 1
    for state in range(states):
        cost[0, state] = cost[1, state] = np.inf
    least, doubt = np.inf, np.inf
    for frame in range(first, end):
        now, old = frame % 2, 1 - frame % 2
        for state in range(states):
            best, since = cost[old, state], begin[old, state]
            if state == 0 and best > 0.0:
                best, since = 0.0, frame
            if state > 0 and cost[old, state - 1] < best:
                best, since = cost[old, state - 1], begin[old, state - 1]
            spoken = state % 2 == 0
            skips = spoken and state > 0 and phones[state // 2] != phones[state // 2 - 1]
            if skips and cost[old, state - 2] < best:
                best, since = cost[old, state - 2], begin[old, state - 2]
            label = phones[state // 2] if spoken else BLANK
            cost[now, state] = best + heard.best[frame] - heard.log_probs[frame, label]
            begin[now, state] = since
        if cost[now, states - 1] < least:
            least = cost[now, states - 1]
            plain = heard.plain[frame + 1] - heard.plain[begin[now, states - 1]]
            doubt = least - plain + weight * least / len(phones)
    return doubt
