"""What a scorer of words said, and the letters of all unfinished words, for the compiled search."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from asr.scorer import MOST_MOVES, MoveTable, Scorer, ScorerError, ScorerMemory, Surroundings
from asr.search_arrays import FULL, NODES, Letters, Lexicon, Moves, Rule, Words, new_letters, new_moves
from asr.search_words import fill_letters
from lm.beginnings import Beginnings, SortedWords, sorted_words
from lm.ngram import WORD_START, TokenScorer

FIRST_NODES = 1 << 12
MOST_NODES = 1 << 18
FIRST_CONTEXTS = 1 << 10


class WordMemory:
    """The counterpart of `ScorerMemory` for a `TokenScorer`: letters in a tree, finished words in a table."""

    def __init__(self, scorer: TokenScorer, beginnings: Beginnings) -> None:
        self.scorer = scorer
        self.moves: Moves = new_moves(1)
        self._contexts: list[Hashable] = []
        self._numbers: dict[Hashable, int] = {}
        self._finished, self._advances = MoveTable(), MoveTable()
        self._letters = new_letters(FIRST_NODES, len(beginnings.words.scores), len(beginnings.members.scores))
        self._special = np.zeros(FIRST_CONTEXTS, dtype=np.bool_)
        self._counts = np.array([1, 0], dtype=np.int64)
        self._fixed = (
            _pieces(scorer.pieces),
            _lexicon(beginnings.words),
            _lexicon(beginnings.members),
            Rule(
                beginnings.weight,
                beginnings.bonus,
                beginnings.unknown,
                beginnings.anywhere,
                beginnings.inside,
                beginnings.most,
            ),
        )
        self._number(scorer.start()[0])

    @property
    def words(self) -> Words:
        """All of it as the kernel takes it."""
        tables = self._finished.moves, self._advances.moves
        return Words(*self._fixed, self._letters, *tables, self._special, self._counts)

    @property
    def full(self) -> bool:
        """Whether it is better to forget everything before the next utterance."""
        return (
            len(self._letters.parent) >= MOST_NODES
            or max(len(self._finished.moves.keys), len(self._advances.moves.keys)) >= MOST_MOVES
        )

    def begin(self, around: Surroundings | None) -> tuple[int, int]:
        """The numbers of context and letters before the first token."""
        return (0 if around is None else self._number(around.state[0])), 0

    def ask(self, keys: NDArray[np.int64]) -> None:
        """Answer what the kernel wants to know, and make room for more letters if it has none."""
        wanted = list(dict.fromkeys(keys.tolist()))
        finished = [key for key in wanted if key >= 0]
        advances = [-3 - key for key in wanted if key < 0]
        if finished:
            answers = [self.scorer.settled(self._state(key >> 32, key & 0xFFFFFFFF)) for key in finished]
            self._finished.add(
                finished, [self._number(one) for one, _ in answers], [_checked(nats) for _, nats in answers]
            )
        if advances:
            paid = [self.scorer.model.paid(*self._state(key >> 32, key & 0xFFFFFFFF)) for key in advances]
            self._advances.add(advances, [0] * len(advances), list(map(_checked, paid)))
        if self._counts[FULL]:
            self._counts[FULL] = 0
            self._letters = _larger(self._letters, int(self._counts[NODES]))

    def finish(self, context: int, letters: int, around: Surroundings | None = None) -> float:
        """What the scorer adds when the utterance, or a part of it, ends."""
        finish = self.scorer.finish if around is None else around.finish
        return _checked(finish(self._state(context, letters)))

    def _state(self, context: int, node: int) -> tuple[Hashable, str]:
        backwards, pieces = [], self.scorer.pieces
        while node:
            backwards.append(pieces[self._letters.token[node]].removeprefix(WORD_START))
            node = int(self._letters.parent[node])
        return self._contexts[context], "".join(reversed(backwards))

    def _number(self, context: Hashable) -> int:
        number = self._numbers.setdefault(context, len(self._contexts))
        if number == len(self._contexts):
            self._contexts.append(context)
            if number == len(self._special):
                self._special = np.append(self._special, np.zeros_like(self._special))
            self._special[number] = not self.scorer.model.pays_by_rule(context)
        return number


def memory_of(scorer: Scorer | None) -> ScorerMemory | WordMemory:
    """What a scorer is remembered in: letters and words apart, where letters are paid by a rule."""
    beginnings = scorer.model.beginnings if isinstance(scorer, TokenScorer) else None
    if isinstance(scorer, TokenScorer) and beginnings is not None:
        return WordMemory(scorer, beginnings)
    return ScorerMemory(scorer)


def _checked(nats: float) -> float:
    if not nats < math.inf:
        raise ScorerError(f"the scorer gave {nats} for a word; give nats below infinity")
    return float(nats)


def _lexicon(words: SortedWords) -> Lexicon:
    return Lexicon(words.letters, words.begins, words.scores)


def _pieces(pieces: Sequence[str]) -> Lexicon:
    """The letters of each token; 1 for those that begin a word."""
    begins = np.array([piece.startswith(WORD_START) for piece in pieces], np.float32)
    return _lexicon(sorted_words([piece.removeprefix(WORD_START) for piece in pieces], begins))


def _larger(letters: Letters, count: int) -> Letters:
    """Copy a tree of `count` nodes into one of twice the room."""
    copied = new_letters(2 * len(letters.parent), 0, 0)
    for name in ("parent", "token", "depth", "low", "high", "first", "last", "paid"):
        getattr(copied, name)[:count] = getattr(letters, name)[:count]
    fill_letters(copied, count)
    return copied
