"""Sentences that nobody said, put together from pieces of recordings, as states of a pretrained encoder.

A model that has heard the same recordings many times spells their words by heart and others badly. Texts are
plentiful where speech is not: each sentence is taken apart into its phones, and the longest runs of phones
that one voice has said somewhere are cut out of its states, where phones are first heard, and joined: a piece
ends with the phone that the next begins with. This is concatenative synthesis (Hunt & Black 1996) without a
waveform, and costs next to nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr.phones import PHONES
from asr.tokenizer import Tokenizer
from asr.training.config import ConfigError
from asr.training.data import Example, pronounce
from asr.training.feature_cache import Features

log = logging.getLogger(__name__)

LONGEST = 10
"""Phones in the longest piece."""
EDGE = 0
"""Stands before the first and after the last phone of a recording; phones count from 1."""
SYMBOLS = len(PHONES) + 1
LEAST_PHONES = 20_000
"""Voices that said fewer phones are put together by source: nearly all pairs of phones should be there."""
MOST_PHONES = 50_000
"""Beyond so many phones fewer recordings of a voice are taken: each process holds its states in memory, as
reading pieces from all over a file is slower than training. 0.3 GB a voice of Whisper-base's states."""
NEAR = 0.1
"""A sentence has so many phones as what it replaces, but for this share."""
TRIED = 200
"""Utterances that are drawn to see whether sentences can be said in their place."""

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Aligned:
    """One recording, and when its phones are said."""

    voice: str
    """Whose recordings it may be joined with."""
    source: str
    """With which it may be where the voice has said too little."""
    phones: tuple[int, ...]
    """As `asr.phones` numbers them, from 1 on."""
    cuts: tuple[int, ...]
    """The frame in which each is first heard, in its features."""
    features: Features
    """`(T, D)`."""


class Pieces:
    """What one voice has said: where each run of phones can be cut out.

    The codes of all runs of `LONGEST` symbols are sorted, so that those beginning with any shorter run stand
    together.
    """

    def __init__(self, recordings: Sequence[Aligned]) -> None:
        self._features: Features = np.concatenate([one.features for one in recordings])
        symbols, cuts, begin = [], [], 0
        for one in recordings:
            symbols += [EDGE, *one.phones, EDGE]
            cuts += [begin, *(begin + cut for cut in one.cuts), begin + len(one.features)]
            begin += len(one.features)
        self._cuts = np.array(cuts)
        codes = _codes(np.array(symbols))
        self._order = np.argsort(codes, kind="stable")
        self._sorted = codes[self._order]

    def say(self, phones: Sequence[int], generator: np.random.Generator) -> Features | None:
        """States `(T, D)` of a sentence, or None where two of its phones were never said in a row."""
        wanted = np.array([EDGE, *phones, EDGE], np.int64)
        parts, at = [], 0
        while at < len(wanted) - 1:
            found = self._longest(wanted[at : at + LONGEST], generator)
            if found is None:
                return None
            start, length = found
            parts.append(self._features[self._cuts[start] : self._cuts[start + length - 1]])
            at += length - 1
        joined: Features = np.concatenate(parts)
        return joined

    def _longest(self, wanted: Int64, generator: np.random.Generator) -> tuple[int, int] | None:
        """Where one of the longest runs that begin as `wanted` does stands, and its length, at least 2."""
        for length in range(len(wanted), 1, -1):
            step = SYMBOLS ** (LONGEST - length)
            code = int(_codes(wanted[:length])[0])
            low, high = np.searchsorted(self._sorted, (code, code + step))
            if high > low:
                return int(self._order[generator.integers(low, high)]), length
        return None


def _codes(symbols: Int64) -> Int64:
    """(N,) the number that the `LONGEST` symbols from each place on make, edges after the last."""
    padded = np.concatenate((symbols, np.full(LONGEST - 1, EDGE)))
    codes = np.zeros(len(symbols), np.int64)
    for shift in range(LONGEST):
        codes = codes * SYMBOLS + padded[shift : shift + len(symbols)]
    return codes


class Splicer:
    """Draws sentences from texts and says them in the voices of recordings."""

    def __init__(
        self,
        recordings: Iterable[Aligned],
        lines: Iterable[str],
        tokenizer: Tokenizer,
        lexicon: dict[str, tuple[int, ...]],
    ) -> None:
        """Index the recordings by voice, and keep the lines of which every word is in the lexicon.

        Raises:
            ConfigError: no recording, or no line that can be said.
        """
        voices = _by_voice(recordings)
        if not voices:
            raise ConfigError("splice: no recording whose phones are known; give a lexicon and more speech")
        self._voices = [Pieces(said) for said in voices]
        said_phones = np.array([_phones(said) for said in voices], float)
        self._chances = np.sqrt(said_phones) / np.sqrt(said_phones).sum()
        self._tokenizer = tokenizer
        known = [(line, phones) for line in lines if (phones := pronounce(line, lexicon))]
        if not known:
            raise ConfigError(
                "splice.texts: no line, without punctuation, of which every word is in data.lexicon"
            )
        known.sort(key=lambda one: len(one[1]))
        self._lines, self._lengths = known, np.array([len(phones) for _, phones in known])
        self._phones_per_letter = self._lengths.sum() / sum(len(line) for line, _ in known)
        log.info("splicing %d sentences from %d voices", len(known), len(voices))

    def __call__(self, example: Example, generator: np.random.Generator) -> tuple[Example, Features] | None:
        """A sentence about as long as the example in its place, with its states `(T, D)`.

        None where no line is so long, or the voice that was drawn never said two of its phones in a row.
        """
        count = len(example.phones or ()) or self._phones_per_letter * len(example.text)
        low, high = np.searchsorted(self._lengths, (count * (1 - NEAR), count * (1 + NEAR)))
        if low == high:
            return None
        text, phones = self._lines[int(generator.integers(low, high))]
        voice = self._voices[int(generator.choice(len(self._voices), p=self._chances))]
        states = voice.say(phones, generator)
        if states is None:
            return None
        tokens = tuple(self._tokenizer.encode(text))
        return replace(example, text=text, tokens=tokens, phones=phones), states

    def try_out(self, examples: Sequence[Example]) -> None:
        """Tell how many of some examples can be replaced, as those that cannot be are left as they are.

        Raises:
            ConfigError: none of them.
        """
        chance = np.random.default_rng(0)
        drawn = [examples[int(at)] for at in chance.integers(len(examples), size=TRIED)]
        said = sum(self(example, chance) is not None for example in drawn)
        log.info("%d of %d drawn utterances can give way to such sentences", said, TRIED)
        if not said:
            raise ConfigError(
                f"splice: no sentence of splice.texts can be said in place of {TRIED} drawn utterances; give "
                "more speech, or sentences as long as its own"
            )


def _by_voice(recordings: Iterable[Aligned]) -> list[list[Aligned]]:
    """The recordings of each voice that said enough, those of all others of a source together."""
    voices: dict[str, list[Aligned]] = defaultdict(list)
    for one in recordings:
        voices[one.voice].append(one)
    rest: dict[str, list[Aligned]] = defaultdict(list)
    for voice, said in list(voices.items()):
        if _phones(said) < LEAST_PHONES:
            for one in voices.pop(voice):
                rest[one.source].append(one)
    return [_some(said) for said in (*voices.values(), *rest.values())]


def _some(said: Sequence[Aligned]) -> list[Aligned]:
    """All recordings, or each so-many-th where they have more than `MOST_PHONES`."""
    return list(said[:: -(-_phones(said) // MOST_PHONES)])


def _phones(said: Sequence[Aligned]) -> int:
    return sum(len(one.phones) for one in said)
