"""Interpolated modified Kneser-Ney smoothing (Chen & Goodman 1998, section 3; Heafield et al. 2013).

Conventions are those of KenLM's `lmplz`: discounts come from all n-grams, pruned or not; the mass of pruned
n-grams goes to the backoff of their context; unigrams are interpolated with the uniform distribution over the
vocabulary with <unk> and </s> and without <s>.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm.counts import BOS, EOS, UNK, Ints, NGramTable

Floats = NDArray[np.float64]

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackoffLevel:
    """The n-grams of one order in a backoff model, sorted by (context, last word); arrays are (n-grams,).

    Attributes:
        context: row of the first n - 1 words in the level below; 0 for unigrams.
        suffix: row of the last n - 1 words in the level below; 0 for unigrams.
        word: number of the last word.
        log10_prob: log10 probability of the last word after the others.
        log10_backoff: log10 weight of shorter contexts after this n-gram; 0 where no n-gram extends it.
    """

    context: Ints
    suffix: Ints
    word: Ints
    log10_prob: Floats
    log10_backoff: Floats


@dataclass(frozen=True)
class BackoffModel:
    """An n-gram model: the word of each number, and one level an order, unigrams first.

    Row w of the unigrams is word w; the first three words are <unk>, <s> and </s>.
    """

    words: list[str]
    levels: list[BackoffLevel]

    @property
    def order(self) -> int:
        """Words in the longest n-gram."""
        return len(self.levels)

    @property
    def counts(self) -> list[int]:
        """Number of n-grams of each order."""
        return [len(level.word) for level in self.levels]


def discounts(adjusted: Ints) -> tuple[float, float, float]:
    """What is taken off n-grams with adjusted count 1, 2 and 3 or more (Chen & Goodman 1998, equation 26).

    A small or artificial text can lack the counts of counts for this; it gets `FALLBACK_DISCOUNTS`, with a
    warning, as `lmplz --discount_fallback` does.
    """
    seen = np.bincount(adjusted[adjusted < 5], minlength=5)
    if not seen[1:4].all():
        _log.warning("too few n-grams to estimate discounts; using %s", FALLBACK_DISCOUNTS)
        return FALLBACK_DISCOUNTS
    scale = seen[1] / (seen[1] + 2 * seen[2])
    found = [count - (count + 1) * scale * seen[count + 1] / seen[count] for count in (1, 2, 3)]
    if any(not 0 <= amount <= count for count, amount in enumerate(found, start=1)):
        _log.warning("discounts %s are out of range; using %s", found, FALLBACK_DISCOUNTS)
        return FALLBACK_DISCOUNTS
    return found[0], found[1], found[2]


def smooth(
    words: Sequence[str],
    tables: Sequence[NGramTable],
    thresholds: Sequence[int],
    known: NDArray[np.bool_],
) -> BackoffModel:
    """Turn counts into a backoff model.

    Args:
        words: the word of each number.
        tables: the counts of each order, unigrams first, at least two.
        thresholds: for each order, n-grams that occur so often or less are pruned; not decreasing.
        known: (words,) False for words to be taken out of the vocabulary; what they had goes to backoffs.
    """
    known = known.copy()
    known[[UNK, BOS, EOS]] = True
    kept = _kept(tables, thresholds, known)
    probs, backoffs = _interpolate(tables, kept)
    return _compact(words, tables, kept, probs, backoffs)


def _kept(
    tables: Sequence[NGramTable], thresholds: Sequence[int], known: NDArray[np.bool_]
) -> list[NDArray[np.bool_]]:
    """Which n-grams of each order stay: seen often enough, and every word known."""
    special = tables[0].word <= EOS
    spelled = [known]
    for table in tables[1:]:
        spelled.append(spelled[-1][table.context] & known[table.word])
    often = [table.count > threshold for table, threshold in zip(tables, thresholds, strict=True)]
    often[0] |= special
    return [fine & enough for fine, enough in zip(spelled, often, strict=True)]


def _interpolate(
    tables: Sequence[NGramTable], kept: Sequence[NDArray[np.bool_]]
) -> tuple[list[Floats], list[Floats]]:
    """Probabilities (n-grams,) of each order, and the backoff weight of every context below the highest."""
    probs: list[Floats] = []
    backoffs: list[Floats] = []
    lower = np.full(1, 1 / (kept[0].sum() - 1))  # uniform over all but <s>
    for table, stays in zip(tables, kept, strict=True):
        own, weight = _discounted(table, stays, len(lower))
        backoffs.append(weight)
        lower = own + weight[table.context] * lower[table.suffix]
        if not probs:
            lower[BOS] = 1.0  # as lmplz writes it: <s> may be scored without changing the sentence
        probs.append(lower)
    return probs, backoffs[1:]


def _discounted(table: NGramTable, stays: NDArray[np.bool_], contexts: int) -> tuple[Floats, Floats]:
    """Each n-gram's own share of its context's mass, and (contexts,) what is left for shorter contexts."""
    taken = np.array([0.0, *discounts(table.adjusted)])
    discount = taken[np.minimum(table.adjusted, 3)]
    left = np.where(stays, discount, table.adjusted)
    total = np.bincount(table.context, table.adjusted, contexts)
    has_mass = total > 0
    safe_total = np.where(has_mass, total, 1)
    weight = np.where(has_mass, np.bincount(table.context, left, contexts) / safe_total, 1.0)
    return (table.adjusted - discount) / safe_total[table.context], weight


def _compact(
    words: Sequence[str],
    tables: Sequence[NGramTable],
    kept: Sequence[NDArray[np.bool_]],
    probs: Sequence[Floats],
    backoffs: Sequence[Floats],
) -> BackoffModel:
    """Drop the pruned n-grams and renumber words and rows."""
    number = np.cumsum(kept[0]) - 1
    row_below = np.zeros(1, np.int64)
    levels = []
    for n, (table, stays, prob) in enumerate(zip(tables, kept, probs, strict=True)):
        weight = backoffs[n] if n < len(backoffs) else np.ones(len(prob))
        levels.append(
            BackoffLevel(
                context=row_below[table.context[stays]],
                suffix=row_below[table.suffix[stays]],
                word=number[table.word[stays]],
                log10_prob=_log10(prob[stays]),
                log10_backoff=_log10(weight[stays]),
            )
        )
        row_below = np.cumsum(stays) - 1
    return BackoffModel([words[index] for index in np.flatnonzero(kept[0])], levels)


def _log10(shares: Floats) -> Floats:
    """log10, at most 0 in spite of rounding, and finite although a discount may come out as exactly 0."""
    return np.asarray(np.minimum(np.log10(np.maximum(shares, 1e-30)), 0.0))
