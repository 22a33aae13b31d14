"""Utterances, targets and the order in which they are seen."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.features import SAMPLE_RATE
from asr.manifest import Utterance, read_manifest
from asr.phones import PHONE_IDS
from asr.tokenizer import Tokenizer
from asr.training.augment import Augmenter
from asr.training.cache import AudioCache, Samples
from asr.training.config import ConfigError, DataConfig, SourceConfig
from asr.training.distributed import Team
from asr.training.feature_cache import Features
from asr.training.teacher import Teacher
from biasing.lexicon import LexiconError
from biasing.lexicon import read_lexicon as read_pronunciations

PADDING_STEP = 0.64
"""Batches are padded to whole steps of so many seconds, as a CPU's kernels are compiled for every shape."""
FRAME_STEP = 32
"""The same for features, in frames."""


@dataclass(frozen=True)
class Example:
    """One utterance with its targets."""

    audio: Path
    seconds: float
    text: str
    tokens: tuple[int, ...]
    phones: tuple[int, ...] | None
    """None when a word has no known pronunciation."""
    weight: float
    """Draws per epoch."""
    copies: int = -1
    """Augmented copies of a pretrained encoder's states; -1: as many as there are."""
    speaker: str = ""
    """Who speaks, where known."""
    source: str = ""
    """The corpus that it is from, where known."""


@dataclass(frozen=True)
class Batch:
    """Padded samples and concatenated targets."""

    samples: Tensor
    """`(B, N)`; or `(B, T, D)` features."""
    lengths: Tensor
    """`(B,)` samples or frames."""
    tokens: tuple[tuple[int, ...], ...]
    phones: tuple[tuple[int, ...] | None, ...]
    """None where the pronunciation is not known; empty where nothing is said."""
    texts: tuple[str, ...]
    teacher: Tensor | None = None
    """`(B, T, D)` states of a teacher on the model's frames."""
    teacher_frames: Tensor | None = None
    """`(B,)` frames that have one; none where nothing is said."""


def read_lexicon(path: Path) -> dict[str, tuple[int, ...]]:
    """First pronunciation of each word of a CMUdict file, as phone ids. Raises `ConfigError` on others."""
    try:
        found = read_pronunciations(path)
    except LexiconError as error:
        raise ConfigError(f"data.lexicon: {error}") from error
    return {word: tuple(PHONE_IDS[phone] for phone in ways[0]) for word, ways in found.items()}


def pronounce(text: str, lexicon: dict[str, tuple[int, ...]]) -> tuple[int, ...] | None:
    """Phones of a text, or None when one of its words is not in the lexicon."""
    words = text.split()
    if any(word not in lexicon for word in words):
        return None
    return tuple(phone for word in words for phone in lexicon[word])


def select_utterances(config: DataConfig) -> list[tuple[Utterance, SourceConfig]]:
    """The utterances of all sources, each with its source.

    Raises:
        ConfigError: a source selects nothing, or all utterances are too short or too long.
    """
    chosen: list[tuple[Utterance, SourceConfig]] = []
    for entry in config.sources:
        named = {
            other.source
            for other in config.sources
            if (other.root, other.manifest) == (entry.root, entry.manifest) and other.source
        }
        picked = [
            utterance
            for utterance in read_manifest(Path(entry.root or config.root) / entry.manifest)
            if (utterance.source == entry.source if entry.source else utterance.source not in named)
        ]
        if not picked:
            raise ConfigError(f"data.sources: {entry.manifest} has no utterance of source {entry.source!r}")
        chosen += [
            (utterance, entry)
            for utterance in picked
            if config.min_seconds <= utterance.duration <= config.max_seconds
        ]
    if not chosen:
        raise ConfigError(
            f"data: no utterance to train on between {config.min_seconds} and {config.max_seconds} s; "
            "name sources, or change min_seconds and max_seconds"
        )
    return chosen


def make_examples(
    chosen: Sequence[tuple[Utterance, SourceConfig]],
    tokenizer: Tokenizer,
    lexicon: dict[str, tuple[int, ...]],
) -> list[Example]:
    """Targets for every utterance with text."""
    return [
        Example(
            utterance.audio,
            utterance.duration,
            utterance.text,
            tuple(tokenizer.encode(utterance.text)),
            pronounce(utterance.text, lexicon),
            source.weight,
            source.copies,
            utterance.speaker or "",
            utterance.source or "",
        )
        for utterance, source in chosen
        if utterance.text.strip()
    ]


class BatchPlan:
    """Which examples form which step: a function of seed and epoch alone, for any number of processes."""

    def __init__(self, examples: Sequence[Example], batch_seconds: float, seed: int) -> None:
        self.examples = examples
        self.batch_seconds = batch_seconds
        self.seed = seed

    def epoch(self, number: int) -> list[list[int]]:
        """Batches of example indices: similar durations together, batches shuffled."""
        chance = random.Random(f"{self.seed}/{number}")
        drawn: list[int] = []
        for index, example in enumerate(self.examples):
            copies = int(example.weight) + (chance.random() < example.weight % 1.0)
            drawn += [index] * copies
        drawn.sort(key=lambda index: self.examples[index].seconds * chance.uniform(0.9, 1.1))
        batches: list[list[int]] = [[]]
        for index in drawn:
            room = int(self.batch_seconds / _padded(1.1 * self.examples[index].seconds))
            if len(batches[-1]) >= max(room, 1):
                batches.append([])
            batches[-1].append(index)
        chance.shuffle(batches)
        return batches

    def steps(self, epoch: int, position: int) -> Iterator[tuple[int, int, list[int]]]:
        """`(epoch, position, indices)` from a place in an epoch on, without end."""
        while True:
            batches = self.epoch(epoch)
            for at in range(position, len(batches)):
                yield epoch, at, batches[at]
            epoch, position = epoch + 1, 0


def _padded(seconds: float) -> float:
    """Up to the next step of `PADDING_STEP` seconds."""
    return math.ceil(seconds / PADDING_STEP) * PADDING_STEP


def collate(examples: Sequence[Example], inputs: Sequence[Samples | Features]) -> Batch:
    """Pad samples `(N,)` or features `(T, D)` with zeros."""
    row_shape = inputs[0].shape[1:] if inputs else ()
    step = FRAME_STEP if row_shape else round(PADDING_STEP * SAMPLE_RATE)
    longest = max((len(item) for item in inputs), default=0)
    samples = torch.zeros(len(inputs), -(-longest // step) * step, *row_shape)
    for row, item in zip(samples, inputs, strict=True):
        row[: len(item)] = torch.from_numpy(np.asarray(item, np.float32))
    return Batch(
        samples=samples,
        lengths=torch.tensor([len(item) for item in inputs]),
        tokens=tuple(example.tokens for example in examples),
        phones=tuple(example.phones for example in examples),
        texts=tuple(example.text for example in examples),
    )


class BatchMaker:
    """Reads, augments and pads the examples of one step that fall to one process."""

    def __init__(
        self,
        plan: BatchPlan,
        cache: AudioCache,
        augmenter: Augmenter,
        team: Team,
        teacher: Teacher | None = None,
    ) -> None:
        self.plan, self.cache, self.augmenter, self.team, self.teacher = plan, cache, augmenter, team, teacher

    def __call__(self, epoch: int, position: int, indices: Sequence[int]) -> Batch:
        """The batch of this process; an utterance's augmentation depends on seed, epoch and place alone."""
        mine = range(self.team.rank, len(indices), self.team.world)
        made = [
            self._make(
                self.plan.examples[indices[at]], np.random.default_rng((self.plan.seed, epoch, position, at))
            )
            for at in mine
        ]
        batch = collate([example for example, _ in made], [audio for _, audio in made])
        return batch if self.teacher is None else self._taught(batch, made, self.teacher)

    def _taught(self, batch: Batch, made: Sequence[tuple[Example, Samples]], teacher: Teacher) -> Batch:
        """The batch with the teacher's states for each utterance, at the speed that it is played."""
        states = []
        for example, audio in made:
            frames = teacher.frames_of(len(audio) / SAMPLE_RATE) if example.tokens else 0
            speed = len(self.cache[example.audio]) / len(audio)
            states.append(torch.from_numpy(teacher.states(example.audio, frames, speed)))
        return replace(
            batch,
            teacher=pad_sequence(states, batch_first=True) if states else None,
            teacher_frames=torch.tensor([len(one) for one in states]),
        )

    def _make(self, example: Example, generator: np.random.Generator) -> tuple[Example, Samples]:
        samples = self.cache[example.audio]
        if generator.random() < self.augmenter.config.silence_probability:
            silent = replace(example, text="", tokens=(), phones=())
            return silent, self.augmenter.nothing_said(len(samples), generator)
        return example, self.augmenter(samples, generator)
