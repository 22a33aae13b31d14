"""What adds scores to the prefixes of a search, and the memory of what it said."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asr.search_arrays import EMPTY, Answers, new_answers
from asr.search_tables import fill_answers

FIRST_ANSWERS = 1 << 13  # places for the answers of the scorer; doubled when half full
MOST_ANSWERS = 1 << 20  # of each kind remembered between utterances, about 40 MB


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


@runtime_checkable
class WordwiseScorer(Protocol):
    """A scorer that looks at all that was said only where a word ends.

    Its state has two parts. `outer` changes where a word ends alone; within a word the nats depend on `inner`,
    of which there are far fewer than of both together. So much less has to be asked about and remembered.

    Attributes:
        begins: of each token whether it begins a word, so that it first completes the one before.
    """

    begins: Sequence[bool]

    def begin(self) -> tuple[Hashable, Hashable]:
        """Return both parts before the first token."""

    def move(self, inner: Any, token: int) -> tuple[Hashable, float]:
        """Return the inner part after `token` and the nats that it adds, a word before it being complete."""

    def complete(self, outer: Any, inner: Any) -> tuple[Hashable, Hashable, float]:
        """Return both parts, and the nats added, where a token that begins a word follows, before the token."""

    def close(self, outer: Any, inner: Any) -> float:
        """Return the nats that are added at the end of the utterance."""


class _WholeSteps:
    """Any scorer as a word-wise one: everything is in the inner part, and no token completes a word."""

    begins: Sequence[bool] = ()

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.move = scorer.step

    def begin(self) -> tuple[Hashable, Hashable]:
        return None, self._scorer.start()

    def complete(self, outer: Any, inner: Any) -> tuple[Hashable, Hashable, float]:
        return outer, inner, 0.0

    def close(self, outer: Any, inner: Any) -> float:  # noqa: ARG002 - it is always the same
        return self._scorer.finish(inner)


class _Numbers:
    """States by number, and their numbers."""

    def __init__(self) -> None:
        self.states: list[Hashable] = []
        self._numbers: dict[Hashable, int] = {}

    def __call__(self, state: Hashable) -> int:
        number = self._numbers.setdefault(state, len(self.states))
        if number == len(self.states):
            self.states.append(state)
        return number


class _Table:
    """Answers by their keys, a compiled hash table that grows."""

    def __init__(self) -> None:
        self.answers = new_answers(FIRST_ANSWERS)
        self._known = 0

    def add(self, keys: Sequence[int], states: Sequence[tuple[int, int]], nats: Sequence[float]) -> None:
        """Put answers to these keys into it, none of which it has."""
        while 2 * (self._known + len(keys)) > len(self.answers.keys):
            old = self.answers
            self.answers = new_answers(2 * len(old.keys))
            used = old.keys != EMPTY
            fill_answers(self.answers, *(column[used] for column in old))
        outer, inner = np.array(states, dtype=np.int32).reshape(-1, 2).T
        added = np.array(nats, dtype=np.float64)
        self._known += fill_answers(self.answers, np.array(keys, dtype=np.int64), outer, inner, added)


class ScorerMemory:
    """What a scorer said, as an automaton that grows by asking: states numbered, answers in tables."""

    def __init__(self, scorer: Scorer | WordwiseScorer | None) -> None:
        self.scored = scorer is not None
        self._moves, self._ends = _Table(), _Table()
        self._outer, self._inner = _Numbers(), _Numbers()
        if scorer is not None:
            self._scorer = scorer if isinstance(scorer, WordwiseScorer) else _WholeSteps(scorer)
            outer, inner = self._scorer.begin()
            self._outer(outer), self._inner(inner)

    @property
    def moves(self) -> Answers:
        """The answers to (inner state, token)."""
        return self._moves.answers

    @property
    def ends(self) -> Answers:
        """The answers to (outer state, inner state)."""
        return self._ends.answers

    @property
    def full(self) -> bool:
        """Whether it is better to forget everything before the next utterance."""
        return len(self.moves.keys) >= MOST_ANSWERS or len(self.ends.keys) >= MOST_ANSWERS

    def begins(self, vocabulary: int) -> NDArray[np.bool_]:
        """Of each token whether it completes a word before it."""
        begins = np.zeros(vocabulary, dtype=np.bool_)
        if self.scored:
            known = self._scorer.begins[:vocabulary]
            begins[: len(known)] = known
        return begins

    def ask(self, moves: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Put the answers to these keys, as the kernel packs them, into the tables."""
        wanted, states, nats = list(dict.fromkeys(moves.tolist())), [], []
        for key in wanted:
            inner, added = self._scorer.move(self._inner.states[key >> 32], key & 0xFFFFFFFF)
            states.append((0, self._inner(inner)))
            nats.append(_checked(added, f"for token {key & 0xFFFFFFFF}"))
        self._moves.add(wanted, states, nats)
        wanted, states, nats = list(dict.fromkeys(ends.tolist())), [], []
        for key in wanted:
            state = self._outer.states[key >> 32], self._inner.states[key & 0xFFFFFFFF]
            outer, inner, added = self._scorer.complete(*state)
            states.append((self._outer(outer), self._inner(inner)))
            nats.append(_checked(added, "at the end of a word"))
        self._ends.add(wanted, states, nats)

    def finish(self, outer: int, inner: int) -> float:
        """What the scorer adds when the utterance ends in these states."""
        if not self.scored:
            return 0.0
        return _checked(
            self._scorer.close(self._outer.states[outer], self._inner.states[inner]), "at the end"
        )


def _checked(nats: float, where: str) -> float:
    if not nats < math.inf:
        raise ScorerError(f"the scorer gave {nats} {where}; give nats below infinity")
    return float(nats)
