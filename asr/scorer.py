"""What adds scores to the prefixes of a search, and the memory of what it said."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asr.search_arrays import EMPTY, Said, Spelling, new_answers
from asr.search_tables import fill_answers, fill_set
from lm.vocabulary import SPELLING_BASE, spelling_hash

FIRST_ANSWERS = 1 << 13  # places for the answers of the scorer; doubled when half full
FIRST_INNERS = 1 << 10  # room for states within words
MOST_ANSWERS = 1 << 20  # of each kind remembered between utterances, about 40 MB


class ScorerError(ValueError):
    """A scorer of other tokens, or one that gave a score that cannot be added: NaN or positive infinity."""


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

    Its state has two parts. `outer` changes where a word ends alone; within a word the nats depend on
    `inner`, of which there are far fewer than of both together: much less has to be asked and remembered.

    Attributes:
        begins: of each token whether it begins a word, so that it first completes the one before.
        letters: of each token what it adds to the letters of an inner part.
        nowhere: the inner part of which the letters lead to no word; equal to all those that do not.
    """

    begins: Sequence[bool]
    letters: Sequence[str]
    nowhere: Hashable

    def beginnings(self) -> NDArray[np.int64]:
        """Return the hashes of all letters that lead to words, see `lm.vocabulary`."""

    def spelling(self, inner: Any) -> tuple[int, float]:
        """Return the hash of the letters of an inner part, and what a move from it to `nowhere` adds.

        NaN instead says that moves from it are to be asked about one by one.
        """

    def begin(self) -> tuple[Hashable, Hashable]:
        """Return both parts before the first token."""

    def move(self, inner: Any, token: int) -> tuple[Hashable, float]:
        """Return the inner part after `token` and the nats that it adds, a word before it being complete."""

    def complete(self, outer: Any, inner: Any) -> tuple[Hashable, Hashable, float]:
        """Return both parts and the nats added where a word ends, before the token that begins the next."""

    def close(self, outer: Any, inner: Any) -> float:
        """Return the nats that are added at the end of the utterance."""


class _WholeSteps:
    """Any scorer as a word-wise one: everything is in the inner part, and no token completes a word."""

    begins: Sequence[bool] = ()
    letters: Sequence[str] = ()
    nowhere: Hashable = None

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.move = scorer.step

    def begin(self) -> tuple[Hashable, Hashable]:
        return None, self._scorer.start()

    def complete(self, outer: Any, inner: Any) -> tuple[Hashable, Hashable, float]:
        return outer, inner, 0.0

    def beginnings(self) -> NDArray[np.int64]:
        return np.zeros(0, dtype=np.int64)

    def spelling(self, inner: Any) -> tuple[int, float]:  # noqa: ARG002 - it has none
        return 0, math.nan

    def close(self, outer: Any, inner: Any) -> float:  # noqa: ARG002 - it is always the same
        return self._scorer.finish(inner)


class _Silence:
    """A scorer that adds nothing."""

    def start(self) -> Hashable:
        return None

    def step(self, state: Any, token: int) -> tuple[Hashable, float]:  # noqa: ARG002 - it is never asked
        return state, 0.0

    def finish(self, state: Any) -> float:  # noqa: ARG002
        return 0.0


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
        if not keys:
            return
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
        self._scorer: WordwiseScorer = _WholeSteps(_Silence())
        if isinstance(scorer, WordwiseScorer):
            self._scorer = scorer
        elif scorer is not None:
            self._scorer = _WholeSteps(scorer)
        outer, inner = self._scorer.begin()
        self._outer(outer), self._inner(inner)
        self._spelling = _new_spelling(self._scorer, self._inner(self._scorer.nowhere))
        self._spelled = 0
        self._spell()

    @property
    def said(self) -> Said:
        """All that is known."""
        return Said(self._moves.answers, self._ends.answers, self._spelling)

    @property
    def full(self) -> bool:
        """Whether it is better to forget everything before the next utterance."""
        return max(len(table.answers.keys) for table in (self._moves, self._ends)) >= MOST_ANSWERS

    def begins(self, vocabulary: int) -> NDArray[np.bool_]:
        """Of each token whether it completes a word before it.

        Raises:
            ScorerError: the scorer is of fewer tokens.
        """
        known = self._scorer.begins
        if 0 < len(known) < vocabulary:
            raise ScorerError(
                f"the scorer knows {len(known)} tokens and the log-probs have {vocabulary}; "
                "make it with the pieces of the model"
            )
        begins = np.zeros(vocabulary, dtype=np.bool_)
        begins[: len(known)] = known[:vocabulary]
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
        self._spell()

    def _spell(self) -> None:
        """Note the letters of new inner states."""
        known, states = self._spelling, self._inner.states
        if len(states) > len(known.hash):
            room = 2 * len(states) - len(known.hash)
            hashes, nats = np.pad(known.hash, (0, room)), np.pad(known.nats, (0, room))
            self._spelling = known = known._replace(hash=hashes, nats=nats)
        for number in range(self._spelled, len(states)):
            known.hash[number], known.nats[number] = self._scorer.spelling(states[number])
        self._spelled = len(states)

    def finish(self, outer: int, inner: int) -> float:
        """What the scorer adds when the utterance ends in these states."""
        return _checked(
            self._scorer.close(self._outer.states[outer], self._inner.states[inner]), "at the end"
        )


def _new_spelling(scorer: WordwiseScorer, nowhere: int) -> Spelling:
    hashes = scorer.beginnings()
    table = np.full(1 << (2 * len(hashes)).bit_length(), EMPTY, dtype=np.int64)
    fill_set(table, hashes)
    token = np.array([spelling_hash(letters) for letters in scorer.letters], dtype=np.int64)
    power = [pow(SPELLING_BASE, len(letters), 1 << 64) for letters in scorer.letters]
    states = np.zeros(FIRST_INNERS, dtype=np.int64), np.full(FIRST_INNERS, math.nan)
    return Spelling(*states, nowhere, table, token, np.array(power, dtype=np.uint64).view(np.int64))


def _checked(nats: float, where: str) -> float:
    if not nats < math.inf:
        raise ScorerError(f"the scorer gave {nats} {where}; give nats below infinity")
    return float(nats)
