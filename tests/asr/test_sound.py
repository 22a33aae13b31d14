"""The parts of an utterance that are heard anew: they hold what they must, apart from each other."""

import random

import numpy as np
import pytest

from asr.align import TimedWord
from asr.evidence import Reading
from asr.sound import Sound, frames_of, parts_around
from biasing.phone_alignment import phone_frames
from biasing.phone_book import CLASSES


def drawn(seed):
    """Places and spans of the words of an utterance, spans apart from each other."""
    rng = random.Random(seed)
    count = rng.randint(1, 15)
    places = []
    for _ in range(rng.randint(0, 4)):
        first = rng.randint(0, count)
        places.append((first, rng.randint(first, min(count, first + 3))))
    cuts = sorted(rng.sample(range(count + 1), min(count + 1, rng.randint(0, 6))))
    return count, places, list(zip(cuts[::2], cuts[1::2], strict=False)), rng.randint(1, 2)


@pytest.mark.parametrize("seed", range(100))
def test_parts_hold_their_places_and_cut_no_span(seed):
    count, places, spans, margin = drawn(seed)
    parts = parts_around(places, spans, count, margin)
    flat = [end for part in parts for end in part]
    assert flat == sorted(flat)
    assert all(0 <= first < end <= count for first, end in parts)
    for first, end in places:
        wanted = max(0, first - margin), min(count, end + margin)
        assert any(low <= wanted[0] and wanted[1] <= high for low, high in parts)
    for first, end in spans:
        inside = [place for place in range(first, end) if any(low <= place < high for low, high in parts)]
        assert len(inside) in (0, end - first)
    assert bool(parts) == bool(places)
    assert parts_around(places[::-1], spans[::-1], count, margin) == parts


def test_an_utterance_without_words_is_one_part():
    for places in ([(0, 0)], [(0, 0)] * 5):
        assert parts_around(places, [], 0, 3) == [(0, 0)]
    assert frames_of([], (0, 0), 7, 0.04) == (0, 7)


def words(frames, seconds=0.04):
    return [
        TimedWord("a", start * seconds, end * seconds, 1.0, i, i) for i, (start, end) in enumerate(frames)
    ]


def test_parts_meet_in_the_gaps_between_words():
    said = words([(3, 5), (8, 10), (10, 12), (20, 21)])
    parts = [(first, end) for first in range(4) for end in range(first + 1, 5)]
    frames = {part: frames_of(said, part, 30, 0.04) for part in parts}
    assert frames[0, 4] == (0, 30)
    assert frames[1, 3][0] in (6, 7)
    assert frames[1, 3][1] == 16
    for first, end in parts:
        assert frames[first, end] == (frames[first, first + 1][0], frames[end - 1, end][1])
        assert end == 4 or frames[first, end][1] == frames[end, end + 1][0]


def test_a_cut_has_its_frames_and_words():
    values = np.log(np.full((9, CLASSES), 1 / CLASSES, np.float32))
    sound = Sound(values, values, phone_frames(values))
    assert sound.cut(0, 9) is sound
    part = sound.cut(2, 5)
    assert (part.start, len(part.log_probs), len(part.adapted), len(part.phones)) == (2, 3, 3, 3)
    said = words([(0, 1), (2, 3), (5, 8)])
    reading = Reading((7, 8, 9), tuple(said))
    assert reading.cut((0, 3)) is reading
    assert reading.cut((1, 3)).tokens == (8, 9)
    assert [(one.start, one.first) for one in reading.cut((1, 3)).words] == [(2 * 0.04, 0), (5 * 0.04, 1)]
