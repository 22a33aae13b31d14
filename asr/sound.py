"""The parts of an utterance that are heard anew with a phrase list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.align import TimedWord
from asr.evidence import Part
from biasing.phone_alignment import PhoneFrames

LogProbs = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """What both heads say of one utterance, or of a part of it.

    Attributes:
        log_probs: (T, V) of the sub-words.
        adapted: (T, V) of the same as the encoder gives them with the list.
        phones: of its phones.
        start: the frame of the utterance that it begins with.
    """

    log_probs: LogProbs
    adapted: LogProbs
    phones: PhoneFrames
    start: int = 0

    def cut(self, start: int, end: int) -> Sound:
        """The frames from `start` to `end` - 1 of the utterance that this is the whole of."""
        if (start, end) == (0, len(self.log_probs)):
            return self
        frames = slice(start, end)
        return Sound(self.log_probs[frames], self.adapted[frames], self.phones.cut(start, end), start)


def frames_of(words: Sequence[TimedWord], part: Part, frames: int, frame_seconds: float) -> tuple[int, int]:
    """The first frame of some words and the one after their last: the middles of the gaps around them."""

    def between(place: int) -> int:
        if place == 0:
            return 0
        if place == len(words):
            return frames
        return round((words[place - 1].end + words[place].start) / 2 / frame_seconds)

    return between(part[0]), between(part[1]) if words else frames


def parts_around(places: Iterable[Part], spans: Iterable[Part], count: int, margin: int) -> list[Part]:
    """Parts of `count` words, in order and apart, each with `margin` words more on either side of a place.

    Args:
        places: words that are to be heard anew; an empty one is a gap between two words.
        spans: words that stay together, all in a part or all outside.
        count: of the words.
        margin: 1 or more.
    """
    wanted = [(max(0, first - margin), min(count, end + margin)) for first, end in places]
    waiting = list(spans)
    while True:
        parts = _joined(wanted)
        cut = [one for one in waiting if any(first < one[1] and one[0] < end for first, end in parts)]
        if not cut:
            return parts
        waiting = [one for one in waiting if one not in cut]
        wanted = [*parts, *cut]


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Those that overlap as one."""
    found: list[Part] = []
    for first, end in sorted(set(parts)):
        if found and first < found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((first, end))
    return found
