"""What adds scores to the prefixes of a search, and the memory of what it said."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.search_arrays import EMPTY, Lexicon, Moves, Rule, Words, new_letters, new_moves
from asr.search_tables import fill_moves

FIRST_MOVES = 1 << 13  # places for the answers of the scorer; doubled when half full
MOST_MOVES = 1 << 20  # answers remembered between utterances, about 40 MB


class ScorerError(ValueError):
    """A scorer gave a score that cannot be added: NaN or positive infinity."""


class Scorer(Protocol):
    """Anything that has an opinion on the tokens of a prefix, such as a language model.

    States are values: hashable, never changed, and equal only if all later scores are equal. What they are is
    the scorer's affair, hence Any. Scores are nats with the weight applied; negative infinity forbids.
    """

    def start(self) -> Hashable:
        """Return the state before the first token."""

    def step(self, state: Any, token: int) -> tuple[Hashable, float]:
        """Return the state after `token` and the nats that are added when it extends a prefix."""

    def finish(self, state: Any) -> float:
        """Return the nats that are added at the end of the utterance."""


@dataclass(frozen=True)
class Surroundings:
    """What a scorer knows around a part of an utterance that is searched by itself.

    Attributes:
        state: its state before the first token of the part.
        finish: nats that are added after the last one, in place of `Scorer.finish`.
    """

    state: Any
    finish: Callable[[Any], float]


class SumOfScorers:
    """Several scorers as one."""

    def __init__(self, scorers: tuple[Scorer, ...]) -> None:
        self._scorers = scorers

    def start(self) -> Hashable:
        return tuple(scorer.start() for scorer in self._scorers)

    def step(self, state: Any, token: int) -> tuple[Hashable, float]:
        answers = [scorer.step(one, token) for scorer, one in zip(self._scorers, state, strict=True)]
        return tuple(answer[0] for answer in answers), sum(answer[1] for answer in answers)

    def finish(self, state: Any) -> float:
        return sum(scorer.finish(one) for scorer, one in zip(self._scorers, state, strict=True))


class MoveTable:
    """Answers that the kernel looks up, and room for more."""

    def __init__(self) -> None:
        self.moves = new_moves(FIRST_MOVES)
        self._known = 0

    def add(self, keys: Sequence[int], states: Sequence[int], nats: Sequence[float]) -> None:
        """Put answers into the table."""
        while 2 * (self._known + len(keys)) > len(self.moves.keys):
            self._grow()
        answers = np.array(states, dtype=np.int32), np.array(nats, dtype=np.float64)
        self._known += fill_moves(self.moves, np.array(keys, dtype=np.int64), *answers)

    def _grow(self) -> None:
        old = self.moves
        self.moves = new_moves(2 * len(old.keys))
        used = old.keys != EMPTY
        fill_moves(self.moves, old.keys[used], old.state[used], old.nats[used])


class ScorerMemory:
    """What a scorer said, as an automaton that grows by asking: states numbered, steps in a table."""

    def __init__(self, scorer: Scorer | None) -> None:
        self.scorer = scorer
        self.words = _no_words()
        self._table = MoveTable()
        self._states: list[Hashable] = []
        self._numbers: dict[Hashable, int] = {}
        if scorer is not None:
            self._number(scorer.start())

    @property
    def moves(self) -> Moves:
        """The steps as the kernel takes them."""
        return self._table.moves

    @property
    def full(self) -> bool:
        """Whether it is better to forget everything before the next utterance."""
        return len(self.moves.keys) >= MOST_MOVES

    def ask(self, keys: NDArray[np.int64]) -> None:
        """Put the answers to the steps `keys` (state and token, as the kernel packs them) into the table."""
        assert self.scorer is not None, "the kernel asks only where there is a scorer"
        wanted = list(dict.fromkeys(keys.tolist()))
        numbers, nats = [], []
        for key in wanted:
            state, added = self.scorer.step(self._states[key >> 32], key & 0xFFFFFFFF)
            if not added < math.inf:
                raise ScorerError(
                    f"the scorer gave {added} for token {key & 0xFFFFFFFF}; give nats below infinity"
                )
            numbers.append(self._number(state))
            nats.append(added)
        self._table.add(wanted, numbers, nats)

    def begin(self, around: Surroundings | None) -> tuple[int, int]:
        """The number of the state before the first token, and of letters, which there are none of."""
        return (0 if around is None or self.scorer is None else self._number(around.state)), 0

    def finish(self, number: int, letters: int, around: Surroundings | None = None) -> float:  # noqa: ARG002
        """What the scorer adds when the utterance, or a part of it, ends in the state `number`."""
        if self.scorer is None:
            return 0.0
        finish = self.scorer.finish if around is None else around.finish
        added = finish(self._states[number])
        if not added < math.inf:
            raise ScorerError(f"the scorer gave {added} at the end; give nats below infinity")
        return float(added)

    def _number(self, state: Hashable) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number


@cache
def _no_words() -> Words:
    """Of a scorer that is not one of words."""
    none = Lexicon(np.zeros(0, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.float32))
    rule, special, counts = Rule(*[0.0] * 6), np.zeros(0, np.bool_), np.zeros(2, np.int64)
    return Words(none, none, none, rule, new_letters(1, 0, 0), new_moves(1), new_moves(1), special, counts)
