"""Words and phrases that a fixed n-gram model hardly expects, or does not know, as members of a class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from lm.beginnings import Beginnings
from lm.members import ROOT, ClassError, Member, Members
from lm.ngram import MOST_WORDS_REMEMBERED, Context, LMOptions, NGram, TokenScorer, WeightedNGram
from lm.vocabulary import UNKNOWN

__all__ = ["ClassError", "ClassMatch", "ClassModel", "ClassOptions", "ClassScorer", "Member"]

BOOST = "<boost>"


@dataclass(frozen=True)
class ClassOptions:
    """How probable the members of a class are. Nats are those of the language model, before its weight.

    Attributes:
        offset: nats added to ln P(class | context), where a member of weight 1 has the inside probability 1.
            It holds the size of the class too: the class counts as equally large for every list, so that a
            longer list takes nothing from a member.
        contrast: exponent of the members' weights inside the class; 0 makes all members equally probable.
        most: nats, with the weight of the language model, that a member of weight 1 gains at most over what
            the n-gram model alone gives its words; others in proportion to their weight. It lets two boosters
            share one budget: with `most` here and the rest there no phrase is ever paid more than that.
        room: members from which on they crowd each other out.
        crowding: nats that `most` falls by when the members beyond become e times as many, down to 0: the
            more words a list has, the less it says that one of them is spoken.
    """

    offset: float = 8.0
    contrast: float = 1.0
    most: float = math.inf
    room: int = 100
    crowding: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what gives no score.

        Raises:
            ClassError: names the options.
        """
        if not (math.isfinite(self.offset) and 0 <= self.contrast < math.inf and self.most >= 0):
            raise ClassError(f"{self}: offset is finite, contrast 0 or more and finite, most 0 or more")
        if not (self.room >= 1 and 0 <= self.crowding < math.inf):
            raise ClassError(f"{self}: room is 1 or more, crowding 0 or more and finite")

    def most_among(self, members: int) -> float:
        """What one of so many members gains at most."""
        return max(0.0, self.most - self.crowding * math.log(max(1.0, members / self.room)))


class Pending(NamedTuple):
    """A member that may have begun some words ago.

    Attributes:
        node: the place in the tree of members that its words have led to.
        gain: what the class is worth where it began, less what its words were worth to the n-gram model.
        base: what other members had gained when it began, less what they have gained since.
    """

    node: int
    gain: float
    base: float


State = tuple[Context, tuple[Pending, ...]]


class ClassMatch(NamedTuple):
    """Words `first` to `end` - 1 were read as a member of the class, which gained `nats`."""

    first: int
    end: int
    nats: float


class _Advance(NamedTuple):
    """One word further: the state, the n-gram's nats, the gain, how many words the member had that ended."""

    state: State
    plain: float
    gained: float
    length: int


class ClassModel:
    """An n-gram model whose unknown words, or `<boost>` if the model has it, stand for a class of members.

    A sentence is worth what the n-gram model gives, plus the gains of the members read in it, in the reading
    that gains most. A member that begins in the context h gains

        weight * (ln P(class | h) + offset + contrast * ln(member's weight))  less  weight * ln P(its words),

    the latter with the penalty on unknown words, but never more than `most_among` allows and never less
    than 0: a word that the model knows keeps the better of its two scores. The class is paid once,
    however many words the member has. One of several words is paid in advance while it goes on, and
    refunded when it breaks. The context goes on with the words themselves; a word that only the class
    knows is the class word to it.

    Source: section "unigram boosting" of Dingliwal et al. 2022, arXiv 2210.09510, for the idea of an OOV
    class in a fixed model; classes of words are those of Brown et al. 1992, section 3. The formula is ours.
    """

    def __init__(
        self,
        ngram: NGram,
        members: Iterable[Member] = (),
        lm_options: LMOptions | None = None,
        options: ClassOptions | None = None,
    ) -> None:
        """Take (words, weight) pairs, in any order.

        Raises:
            ClassError: a member without words, a word that is empty or has a space, or a weight that is not
                positive and finite.
        """
        self.options = options or ClassOptions()
        self.members = Members(members)
        self._most = self.options.most_among(len(self.members))
        self._plain = WeightedNGram(ngram, lm_options)
        self._ngram, self._lm = ngram, self._plain.options
        self._class_word = BOOST if BOOST in ngram else UNKNOWN
        self._anywhere = self._class_worth(ngram.out_of_context([self._class_word])[0])
        self._begun: dict[str, float] = {}

    @property
    def order(self) -> int:
        """Words that decide about the next score, and the word itself."""
        return max(self._ngram.order, self.members.longest + 1)

    def start(self) -> State:
        """The state before the first word."""
        return self._plain.start(), ()

    def word(self, state: State, word: str) -> tuple[State, float]:
        """The state after a complete word, and what it is worth with the members that end in it."""
        after = self._advance(state, word)
        return after.state, after.plain + after.gained

    def paid(self, state: State, letters: str) -> float:
        """What is paid in advance when a word, perhaps unfinished, has begun with `letters` after `state`.

        It is the best of the words and members that it may become, those that begin here out of context.
        """
        context, pending = state
        plain = self._plain.paid(context, letters)
        if not pending:
            return plain + self._gain_of_beginning(letters, plain)
        if not letters:
            gains = [one.base + self._worth(one.gain, self.members.below[one.node]) for one in pending]
            return max(0.0, *gains)
        gains = [self._gain_of_going_on(one, letters, plain) for one in pending]
        return plain + max(self._gain_of_beginning(letters, plain), *gains)

    @property
    def beginnings(self) -> Beginnings | None:
        """The rule by which letters are paid where no member of several words has begun."""
        plain = self._plain.beginnings
        if plain is None:
            return None
        members = self.members.lookahead(ROOT).sorted_words
        inside = self._lm.weight * self.options.contrast
        return replace(plain, members=members, anywhere=self._anywhere, inside=inside, most=self._most)

    def pays_by_rule(self, state: State) -> bool:
        """Whether no member has begun some words ago."""
        return not state[1]

    def end(self, state: State) -> float:
        """What the end of the utterance is worth."""
        return self._plain.end(state[0])

    def find(self, words: Iterable[str]) -> list[ClassMatch]:
        """The members in the best reading of a whole sentence, and what each gained; none that gained 0."""
        state, steps = self.start(), []
        for word in words:
            steps.append(self._advance(state, word))
            state = steps[-1].state
        found, end = [], len(steps)
        while end:
            first = end - max(steps[end - 1].length, 1)
            if steps[end - 1].length:
                found.append(ClassMatch(first, end, sum(step.gained for step in steps[first:end])))
            end = first
        return found[::-1]

    def _advance(self, state: State, word: str) -> _Advance:
        context, pending = state
        after, plain = self._plain.word(context, word)
        cost = plain - self._lm.word_bonus
        first = self.members.child(ROOT, word)
        moved = [
            Pending(node, one.gain - cost, one.base)
            for one in pending
            if (node := self.members.child(one.node, word)) is not None
        ]
        if first is not None:
            class_after, nats = self._ngram.score_word(context, self._class_word)
            moved.append(Pending(first, self._class_worth(nats) - cost, 0.0))
            if self.members.own[first] and word not in self._ngram:
                after = class_after
        if not moved:
            return _Advance((after, ()), plain, 0.0, 0)
        gains = [one.base + self._worth(one.gain, self.members.own[one.node]) for one in moved]
        gained = max(0.0, *gains)
        length = self.members.depth[moved[gains.index(gained)].node] if gained > 0 else 0
        going_on = (one for one in moved if self.members.below[one.node])
        left = tuple(Pending(one.node, one.gain, one.base - gained) for one in going_on)
        return _Advance((after, left), plain, gained, length)

    def _class_worth(self, nats: float) -> float:
        return self._lm.weight * (nats + self.options.offset)

    def _worth(self, gain: float, weight: float) -> float:
        """What a member of this weight gains, where one of weight 1 would gain `gain`; 0.0 is no member."""
        if not weight:
            return -math.inf
        inside = self._lm.weight * self.options.contrast * math.log(weight)
        return min(gain + inside, self._most * weight)

    def _gain_of_beginning(self, letters: str, plain: float) -> float:
        """What a member may gain whose first word begins with `letters`, out of context; at least 0."""
        known = self._begun.get(letters)
        if known is None:
            weight = self.members.heaviest(ROOT, letters) if letters else 0.0
            gain = self._anywhere - (plain - self._lm.word_bonus)
            if len(self._begun) >= MOST_WORDS_REMEMBERED:
                self._begun = {}
            known = self._begun[letters] = max(0.0, self._worth(gain, weight))
        return known

    def _gain_of_going_on(self, one: Pending, letters: str, plain: float) -> float:
        weight = self.members.heaviest(one.node, letters)
        return one.base + self._worth(one.gain - (plain - self._lm.word_bonus), weight)


class ClassScorer(TokenScorer):
    """Scores the tokens of a search with an n-gram model and a class of words and phrases."""

    def __init__(
        self,
        ngram: NGram,
        pieces: Sequence[str],
        members: Iterable[Member] = (),
        lm_options: LMOptions | None = None,
        options: ClassOptions | None = None,
    ) -> None:
        """Take a model, the text of every token (see `TokenScorer`), and (words, weight) pairs in any order.

        Raises:
            LanguageModelError: a piece has "▁" elsewhere than in front.
            ClassError: a member without words, a word that is empty, has a space or a letter that no piece
                has, or a weight that is not positive and finite.
        """
        listed = list(members)
        self.classes = ClassModel(ngram, listed, lm_options, options)
        super().__init__(self.classes, pieces)
        _check_letters(listed, pieces)


def _check_letters(members: Sequence[Member], pieces: Sequence[str]) -> None:
    letters = set("".join(pieces[1:]))
    strange = set().union(*(word for words, _ in members for word in words)) - letters
    if strange:
        words = next(words for words, _ in members if strange & set("".join(words)))
        raise ClassError(f"member {tuple(words)!r:.60}: no piece has {sorted(strange & set(''.join(words)))}")
