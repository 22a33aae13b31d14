"""The phrases of a training step: what is spoken in its utterances, and what is not."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from asr.tokenizer import ALPHABET, Tokenizer
from asr.training.adapter.config import ListsConfig
from asr.training.adapter.neighbours import SoundAlikes
from lm.text import open_text

WORD_START = "▁"
SHORTEST = 2
"""Tokens of the shortest phrase that is drawn from a transcript: single letters match everywhere."""


class Transcript(Protocol):
    """What is said in an utterance."""

    @property
    def text(self) -> str:
        """Its words."""

    @property
    def tokens(self) -> Sequence[int]:
        """Their tokens."""


@dataclass(frozen=True)
class Said:
    """A transcript."""

    text: str
    tokens: Sequence[int]


@dataclass(frozen=True)
class Spoken:
    """A phrase in a transcript: its words, and its tokens from `first` to before `end`."""

    text: str
    first: int
    end: int


@dataclass(frozen=True)
class StepLists:
    """The lists of a batch.

    Attributes:
        phrases: tokens of all phrases of all lists.
        allowed: (B, P), which of them each utterance's list has.
        spoken: of each utterance, the phrases of its list that are spoken, and their places in `phrases`.
    """

    phrases: tuple[tuple[int, ...], ...]
    allowed: Tensor
    spoken: tuple[tuple[tuple[Spoken, int], ...], ...]


def is_kept_for_tests(phrase: str, divisor: int) -> bool:
    """Whether the first byte of the MD5 of the phrase in lower case is divisible by `divisor`; 0: never."""
    return divisor > 0 and hashlib.md5(phrase.lower().encode()).digest()[0] % divisor == 0


def read_pool(files: Sequence[Path], divisor: int = 0) -> tuple[str, ...]:
    """Phrases that can be spelled and are not kept for tests, each once, sorted.

    Raises:
        TextError: a file cannot be read.
    """
    found: set[str] = set()
    for file in files:
        with open_text(file) as lines:
            given = {" ".join(line.lower().split()) for line in lines}
        found |= {one for one in given if one and set(one) <= set(ALPHABET + " ")}
    return tuple(sorted(one for one in found if not is_kept_for_tests(one, divisor)))


class ListMaker:
    """Draws the lists of a step; what it draws depends on the generator alone."""

    def __init__(
        self,
        config: ListsConfig,
        tokenizer: Tokenizer,
        common: Collection[str],
        pool: Sequence[str],
        alikes: SoundAlikes | None = None,
    ) -> None:
        """Draw distractors from `pool`, and hard ones from `alikes`."""
        self.config, self.common, self.pool, self.alikes = config, frozenset(common), pool, alikes
        self._tokenizer = tokenizer
        self._tokens: dict[str, tuple[int, ...]] = {}

    def largest(self, done: float) -> int:
        """Phrases of the largest lists when this share of the run is done."""
        stages = self.config.largest
        return stages[min(int(done * len(stages)), len(stages) - 1)]

    def lists(self, examples: Sequence[Transcript], done: float, rng: random.Random) -> StepLists:
        """The lists of some utterances, when this share of the run is done."""
        own = [() if rng.random() < self.config.nothing else self._own(one, rng) for one in examples]
        size = rng.randint(self.config.smallest, self.largest(done))
        texts = dict.fromkeys(phrase.text for phrases in own for phrase in phrases)
        if self.alikes is not None and done > 2 / 3:
            near = [self.alikes.nearest(text, self.config.hard) for text in texts]
            texts.update(dict.fromkeys(one for some in near for one in some))
        while len(texts) < min(size, len(self.pool)):
            texts[rng.choice(self.pool)] = None
        places = {text: place for place, text in enumerate(texts)}
        allowed = torch.zeros(len(examples), len(texts), dtype=torch.bool)
        for row, example, phrases in zip(allowed, examples, own, strict=True):
            spoken = {phrase.text for phrase in phrases}
            others = [text for text in texts if text not in spoken and f" {text} " not in f" {example.text} "]
            drawn = rng.sample(others, min(len(others), max(size - len(spoken), 0)))
            row[[places[text] for text in (*spoken, *drawn)]] = True
        return StepLists(
            tuple(self.tokens(text) for text in texts),
            allowed,
            tuple(tuple((phrase, places[phrase.text]) for phrase in phrases) for phrases in own),
        )

    def tokens(self, phrase: str) -> tuple[int, ...]:
        """The tokens of a phrase."""
        if phrase not in self._tokens:
            self._tokens[phrase] = tuple(self._tokenizer.encode(phrase))
        return self._tokens[phrase]

    def words(self, example: Transcript) -> list[Spoken]:
        """The words of a transcript; none where tokens and words do not fit."""
        pieces = self._tokenizer.pieces
        starts = [n for n, token in enumerate(example.tokens) if pieces[token].startswith(WORD_START)]
        texts = example.text.split()
        if len(starts) != len(texts):
            return []
        ends = (*starts[1:], len(example.tokens))
        return [Spoken(*word) for word in zip(texts, starts, ends, strict=True)]

    def _own(self, example: Transcript, rng: random.Random) -> tuple[Spoken, ...]:
        """Phrases of the transcript that do not overlap: perhaps some words in a row, and rare words."""
        words = self.words(example)
        chosen: list[Spoken] = []
        for _ in range(self.config.spans if words else 0):
            length = rng.randint(1, min(self.config.longest_span, len(words)))
            first = rng.randrange(len(words) - length + 1)
            part = words[first : first + length]
            chosen.append(Spoken(" ".join(one.text for one in part), part[0].first, part[-1].end))
        for word in words:
            if word.text not in self.common and rng.random() >= self.config.dropped:
                chosen.append(word)
        return tuple(self._usable(chosen, example.text))

    def _usable(self, chosen: Sequence[Spoken], text: str) -> Iterator[Spoken]:
        """Those that may be trained on, are long enough, stand in the text once and overlap none before."""
        taken: set[int] = set()
        for one in chosen:
            places = set(range(one.first, one.end))
            rare = [word for word in one.text.split() if word not in self.common]
            kept = any(is_kept_for_tests(part, self.config.test_hash) for part in (one.text, *rare))
            once = f" {text} ".count(f" {one.text} ") == 1
            if len(places) >= SHORTEST and once and not kept and not places & taken:
                taken |= places
                yield one
