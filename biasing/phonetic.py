"""What the phones say of words: they rescore n-best lists, and veto phrases that were not said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from biasing.alignment import Pair, align
from biasing.phone_alignment import PhoneFrames, PhoneticError, align_words, cost_of
from biasing.phone_book import PhoneBook

Item = TypeVar("Item")
Place = tuple[tuple[int, int], tuple[int, int]]
"""From and to where in the words of a hypothesis, and from and to where in those of the un-biased one."""


@dataclass(frozen=True)
class PhoneticOptions:
    """How much the phones have a say.

    Attributes:
        weight: nats taken from a hypothesis per nat that its phones cost; 0 leaves the order of the search.
        veto_cost: how much what a phrase costs by itself, in nats per phone, counts beside what the un-biased
            words cost less than it: where both fit badly, neither was said.
        veto_margin: doubt in nats from which on a phrase is vetoed: what the un-biased words cost less, and
            `veto_cost` times the phrase's nats per phone.
    """

    weight: float = 0.4
    veto_cost: float = 3.0
    veto_margin: float = 9.0

    def __post_init__(self) -> None:
        if not (0 <= self.weight < math.inf and self.veto_cost >= 0 and self.veto_margin >= 0):
            raise PhoneticError(f"{self}: all are 0 or more, and weight is finite")


@dataclass(frozen=True)
class Verdict:
    """Whether one phrase of a hypothesis was said, and the numbers it was judged by.

    Attributes:
        first: index of its first word in the hypothesis.
        end: index after its last word.
        cost: nats that the phrase costs on its frames.
        cost_per_phone: the same by phone; infinite where the hypothesis cannot be aligned.
        replaces: (first, end) of the words, the phrase among them, in whose place the un-biased search heard
            others.
        instead: those others; the words themselves where both heard the same.
        other: (first, end) of these in the un-biased hypothesis.
        margin: nats by which `instead` costs less than what it would replace; 0 where both heard the same.
        vetoed: whether `instead` is to be believed.
    """

    first: int
    end: int
    cost: float
    cost_per_phone: float
    replaces: tuple[int, int]
    instead: tuple[str, ...]
    other: tuple[int, int]
    margin: float
    vetoed: bool

    @property
    def place(self) -> Place:
        """Where it is in the hypothesis and in the un-biased one."""
        return self.replaces, self.other


@dataclass(frozen=True)
class Rescored:
    """An n-best list in the order that search and phones agree on.

    Attributes:
        order: ranks of the hypotheses before, the best first.
        scores: of each hypothesis in the order given: the search's less its weighted cost.
        costs: of each hypothesis in nats; infinite where it cannot be aligned.
    """

    order: tuple[int, ...]
    scores: tuple[float, ...]
    costs: tuple[float, ...]


def rescore(
    hypotheses: Sequence[Sequence[str]],
    scores: Sequence[float],
    heard: PhoneFrames,
    book: PhoneBook,
    options: PhoneticOptions | None = None,
) -> Rescored:
    """Order hypotheses by score(W) - weight · cost(W); equal ones stay as they are.

    Args:
        hypotheses: the words of each; phrases of the book's list may be one text.
        scores: what the search ranked them by, in nats.
        heard: the phones of the same utterance.
        book: how words are said.
        options: `weight` is used.

    Raises:
        PhoneticError: not as many scores as hypotheses, or one that is NaN.
    """
    weight = (options or PhoneticOptions()).weight
    if len(hypotheses) != len(scores) or any(math.isnan(score) for score in scores):
        raise PhoneticError(f"{len(hypotheses)} hypotheses and the scores {list(scores)}; give one each")
    costs = [cost_of(words, heard, book) for words in hypotheses]
    totals = [
        score - weight * cost if weight else float(score) for score, cost in zip(scores, costs, strict=True)
    ]
    order = sorted(range(len(totals)), key=lambda rank: (-totals[rank], -scores[rank], rank))
    return Rescored(tuple(order), tuple(totals), tuple(costs))


def veto(
    words: Sequence[str],
    phrases: Sequence[tuple[int, int]],
    unbiased: Sequence[str],
    heard: PhoneFrames,
    book: PhoneBook,
    options: PhoneticOptions | None = None,
) -> tuple[Verdict, ...]:
    """Judge the phrases of a hypothesis against what was heard in their place without biasing.

    The margin compares the whole utterance aligned with the phrase and with the other words, so neighbours
    may give up or take frames; only what differs has a part in it.

    Args:
        words: the best hypothesis, phrases that fired among it.
        phrases: (first, end) of the words of each of them.
        unbiased: the hypothesis of the same utterance without biasing.
        heard: the phones of the same utterance.
        book: how words are said, made with the same phrases.
        options: `veto_cost` and `veto_margin` are used.

    Raises:
        PhoneticError: a phrase that is no part of the words, or phrases that overlap.
    """
    options = options or PhoneticOptions()
    _check(phrases, len(words))
    pairs = align(words, unbiased)
    whole = align_words(_texts(words, phrases, 0, len(words)), heard, book)
    verdicts = []
    for first, end in phrases:
        (low, high), other = _difference(pairs, words, unbiased, (first, end))
        instead = tuple(unbiased[slice(*other)])
        margin = 0.0
        if instead != tuple(words[low:high]):
            left, right = (_texts(words, phrases, *part) for part in ((0, low), (high, len(words))))
            margin = _less(whole.cost, cost_of([*left, *instead, *right], heard, book))
        cost = per_phone = math.inf
        if whole.words:
            said = whole.words[len(_texts(words, phrases, 0, first))]
            cost, per_phone = said.cost, said.cost_per_phone
        vetoed = _doubt(margin, per_phone, options) > options.veto_margin
        verdicts.append(Verdict(first, end, cost, per_phone, (low, high), instead, other, margin, vetoed))
    return tuple(verdicts)


def restored(words: Sequence[Item], unbiased: Sequence[Item], places: Iterable[Place]) -> list[Item]:
    """The hypothesis with un-biased words in some places; items may have times."""
    kept = list(words)
    for (low, high), other in reversed(joined(places)):
        kept[low:high] = unbiased[slice(*other)]
    return kept


def joined(places: Iterable[Place]) -> list[Place]:
    """Places of the same two hypotheses in their order, those that overlap or touch as one.

    A phrase that both have, and what differs next to it, are a place; so is what differs alone.
    """
    found: list[Place] = []
    for own, other in sorted(places, key=lambda place: (place[0][0], place[1][0])):
        if found and own[0] <= found[-1][0][1] and other[0] <= found[-1][1][1]:
            (low, high), (first, end) = found[-1]
            found[-1] = (low, max(high, own[1])), (first, max(end, other[1]))
        else:
            found.append((own, other))
    return found


def differences(words: Sequence[str], unbiased: Sequence[str]) -> list[Place]:
    """All places in which two hypotheses of one utterance differ, as long as they can be, in their order."""
    found: list[Place] = []
    i = j = 0
    for same, group in groupby(align(words, unbiased), key=lambda pair: _same(pair, words, unbiased)):
        pairs = list(group)
        ends = i + sum(one is not None for one, _ in pairs), j + sum(one is not None for _, one in pairs)
        if not same:
            found.append(((i, ends[0]), (j, ends[1])))
        i, j = ends
    return found


def _check(phrases: Sequence[tuple[int, int]], count: int) -> None:
    last = 0
    for first, end in phrases:
        if not last <= first < end <= count:
            raise PhoneticError(
                f"the phrases {list(phrases)} are not in order within {count} words; "
                "give (first, end) of each, from left to right"
            )
        last = end


def _texts(words: Sequence[str], phrases: Sequence[tuple[int, int]], low: int, high: int) -> list[str]:
    """`words[low:high]`, those of a phrase that is wholly inside as one text."""
    texts, place = [], low
    for first, end in phrases:
        if low <= first and end <= high:
            texts += [*words[place:first], " ".join(words[first:end])]
            place = end
    return [*texts, *words[place:high]]


def _doubt(margin: float, per_phone: float, options: PhoneticOptions) -> float:
    """Nats that speak against a phrase; none where it is heard without the list or nothing can be aligned."""
    if margin == 0.0 or math.isinf(margin):
        return margin
    return margin + options.veto_cost * per_phone


def _less(cost: float, other: float) -> float:
    """By how much the other cost is less; nothing where neither can be aligned."""
    return 0.0 if cost == other else cost - other


def _same(pair: Pair, words: Sequence[str], unbiased: Sequence[str]) -> bool:
    own, other = pair
    return own is not None and other is not None and words[own] == unbiased[other]


def _difference(
    pairs: Sequence[Pair], words: Sequence[str], unbiased: Sequence[str], phrase: tuple[int, int]
) -> Place:
    """The phrase and all next to it in which the two differ: from and to where in both."""

    own = [place for place, (i, _) in enumerate(pairs) if i is not None and phrase[0] <= i < phrase[1]]
    low, high = own[0], own[-1] + 1
    while low > 0 and not _same(pairs[low - 1], words, unbiased):
        low -= 1
    while high < len(pairs) and not _same(pairs[high], words, unbiased):
        high += 1
    before, inside = pairs[:low], pairs[low:high]
    starts = [sum(pair[side] is not None for pair in before) for side in (0, 1)]
    lengths = [sum(pair[side] is not None for pair in inside) for side in (0, 1)]
    return (starts[0], starts[0] + lengths[0]), (starts[1], starts[1] + lengths[1])
