"""How well phrases were recognized: one computation, `evaluate`, whose result has many views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from biasing.alignment import ErrorCounts, ScoreError, Texts, count_edits, pair_texts, some
from biasing.entities import PhraseCounts, PhraseIndex
from biasing.intervals import (
    Bootstrap,
    Comparison,
    Estimate,
    Floats,
    Statistic,
    compare,
    divide,
    estimates,
    ratio,
)
from biasing.lists import BiasingList
from biasing.utterances import Utterance, UtterancePhrases, score_utterance

Lists = Sequence[str] | Mapping[str, BiasingList]


Quotient = tuple[float, float]


@dataclass(frozen=True)
class Rate:
    """A number that is a sum over utterances divided by another such sum."""

    title: str
    of: Callable[[UtterancePhrases], Quotient]
    higher_is_better: bool = False


def _rate(counts: ErrorCounts) -> Quotient:
    return counts.errors, counts.reference


def _precision(counts: PhraseCounts) -> Quotient:
    return counts.hits, counts.hits + counts.false_accepts


def _recall(counts: PhraseCounts) -> Quotient:
    return counts.hits, counts.spoken


def _f1(counts: PhraseCounts) -> Quotient:
    return 2 * counts.hits, 2 * counts.hits + counts.misses + counts.false_accepts


MEASURES: Mapping[str, Callable[[PhraseCounts], Quotient]] = {
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}
RATES: Mapping[str, Rate] = {
    "wer": Rate("WER", lambda one: _rate(one.words)),
    "cer": Rate("CER", lambda one: _rate(one.characters)),
    "b_wer": Rate("B-WER", lambda one: _rate(one.biased)),
    "u_wer": Rate("U-WER", lambda one: _rate(one.unbiased)),
    "aligned_wer": Rate("WER of that alignment", lambda one: _rate(one.biased + one.unbiased)),
    "unknown_wer": Rate("out-of-vocabulary WER", lambda one: _rate(one.unknown)),
    "known_wer": Rate("in-vocabulary WER", lambda one: _rate(one.known)),
    "precision": Rate("precision", lambda one: _precision(one.phrases), True),
    "recall": Rate("recall", lambda one: _recall(one.phrases), True),
    "f1": Rate("F1", lambda one: _f1(one.phrases), True),
    "false_accepts": Rate("false accepts per utterance", lambda one: (one.phrases.false_accepts, 1)),
    "distractors": Rate("distractors per utterance", lambda one: (one.distractors, 1)),
}
MACROS: Mapping[str, str] = {f"macro_{name}": name for name in MEASURES}
NUMBERS = (*RATES, *MACROS)


@dataclass(frozen=True)
class EntityScore:
    """All utterances. Rates are fractions, 0.05 for 5 %; nan where there is nothing to divide by.

    never_spoken: phrases of the lists that no reference has.
    vocabulary: the words that count as known, None when none were given.
    """

    utterances: tuple[UtterancePhrases, ...]
    never_spoken: tuple[str, ...] = ()
    vocabulary: frozenset[str] | None = None
    bootstrap: Bootstrap = field(default_factory=Bootstrap)

    @property
    def empty_references(self) -> tuple[str, ...]:
        """Ids of the utterances in which nothing is said."""
        return tuple(one.id for one in self.utterances if not one.words.reference)

    @cached_property
    def totals(self) -> PhraseCounts:
        """Hits, misses and false accepts of all phrases."""
        return sum((one.phrases for one in self.utterances), PhraseCounts())

    @cached_property
    def phrases(self) -> dict[str, PhraseCounts]:
        """Counts of each phrase that was spoken or heard, in alphabetical order."""
        return self.by(lambda phrase: phrase)

    def errors(self, name: str) -> ErrorCounts:
        """Return the sum of one kind of errors, such as "words" or "biased"; see `UtterancePhrases`."""
        return sum((getattr(one, name) for one in self.utterances), ErrorCounts())

    def by(self, group: Callable[[str], str]) -> dict[str, PhraseCounts]:
        """Return the counts of groups of phrases; `group` names the group of a phrase."""
        counts: dict[str, PhraseCounts] = {}
        for one in self.utterances:
            for finding in one.findings:
                name = group(finding.phrase)
                counts[name] = counts.get(name, PhraseCounts()) + finding.counts
        return dict(sorted(counts.items()))

    def value(self, name: str) -> float:
        """Return one of NUMBERS."""
        return float(self._statistic(name)(np.ones((1, len(self.utterances))))[0, 0])

    def estimate(self, name: str) -> Estimate:
        """Return one of NUMBERS with its bootstrap interval."""
        return estimates(self._statistic(name), len(self.utterances), self.bootstrap)[0]

    def estimates_by(self, group: Callable[[str], str], measure: str = "f1") -> dict[str, Estimate]:
        """Return precision, recall or f1 of groups of phrases, with bootstrap intervals."""
        found = estimates(self._by_group(group, measure), len(self.utterances), self.bootstrap)
        return dict(zip(self.by(group), found, strict=True))

    def compare(self, other: EntityScore, name: str = "f1") -> Comparison:
        """Compare this system (A) with another (B) on the same utterances, by a paired bootstrap.

        Raises:
            ScoreError: the other one was measured on other utterances, or other references.
        """
        if _material(self) != _material(other):
            raise ScoreError(
                "the two scores differ in utterances, references or spoken phrases; measure both on the same"
            )
        better = name in MACROS or RATES[_one_of(NUMBERS, name)].higher_is_better
        count = len(self.utterances)
        return compare(self._statistic(name), other._statistic(name), count, self.bootstrap, better)

    def _statistic(self, name: str) -> Statistic:
        if _one_of(NUMBERS, name) in MACROS:
            each = self._by_group(lambda phrase: phrase, MACROS[name])
            return lambda weights: _mean_of_defined(each(weights))
        tops, bottoms = np.array([RATES[name].of(one) for one in self.utterances], np.float64).T
        return ratio(tops, bottoms)

    def _by_group(self, group: Callable[[str], str], measure: str) -> Statistic:
        """Return the statistic of a measure of each group, (draws, groups), in the order of `by`."""
        quotient = MEASURES[_one_of(MEASURES, measure)]
        entries = sorted(
            (group(finding.phrase), index, *quotient(finding.counts))
            for index, one in enumerate(self.utterances)
            for finding in one.findings
        )
        names = [entry[0] for entry in entries]
        starts = [at for at, name in enumerate(names) if at == 0 or names[at - 1] != name]
        indices = np.array([entry[1] for entry in entries], np.int64)
        tops, bottoms = (np.array([entry[k] for entry in entries], np.float64) for k in (2, 3))

        def statistic(weights: Floats) -> Floats:
            if not entries:
                return np.empty((len(weights), 0))
            drawn = weights[:, indices]
            return divide(
                np.add.reduceat(drawn * tops, starts, axis=1),
                np.add.reduceat(drawn * bottoms, starts, axis=1),
            )

        return statistic


def evaluate(
    refs: Texts,
    hyps: Texts,
    lists: Lists,
    vocabulary: Collection[str] | None = None,
    bootstrap: Bootstrap | None = None,
) -> EntityScore:
    """Compare hypotheses with references, given the phrases the recognizer knew.

    Texts and phrases are compared word by word as they are; normalize them alike beforehand.

    B-WER and U-WER are those of Le et al. 2021: errors at words of phrases spoken in the utterance, and
    inserted words of such phrases, go to B-WER, everything else to U-WER, with the alignment of `align`.

    Args:
        refs, hyps: {id: text}, or both in the same order.
        lists: phrases known in all utterances, or {id: BiasingList}; ids without utterance are ignored.
        vocabulary: words that count as known, to tell errors at unknown ones apart.
        bootstrap: how intervals are drawn.

    Raises:
        ScoreError: other ids in one than in another, references without any word, or an empty phrase.
    """
    texts = pair_texts(refs, hyps)
    if not any(ref.split() for _, ref, _ in texts):
        raise ScoreError("the references hold no words; there is nothing to count errors against")
    indices = _indices(lists, [name for name, _, _ in texts])
    known = None if vocabulary is None else frozenset(vocabulary)
    plain = [(name, " ".join(ref.split()), " ".join(hyp.split())) for name, ref, hyp in texts]
    edits = count_edits([ref for _, ref, _ in plain], [hyp for _, _, hyp in plain])
    utterances = tuple(
        score_utterance(Utterance(name, ref.split(), hyp.split(), edit), *indices[name], known)
        for (name, ref, hyp), edit in zip(plain, edits, strict=True)
    )
    spoken = {one.phrase for utterance in utterances for one in utterance.findings if one.spoken}
    listed = dict.fromkeys(phrase for index, _ in indices.values() for phrase in index.phrases)
    never = tuple(phrase for phrase in listed if phrase not in spoken)
    return EntityScore(utterances, never, known, bootstrap or Bootstrap())


def _indices(lists: Lists, ids: list[str]) -> dict[str, tuple[PhraseIndex, PhraseIndex | None]]:
    if isinstance(lists, str):
        raise ScoreError(f"{lists!r} is one phrase; give a list of phrases, [{lists!r}]")
    if not isinstance(lists, Mapping):
        shared = PhraseIndex.of(lists)
        return dict.fromkeys(ids, (shared, None))
    missing = [name for name in ids if name not in lists]
    if missing:
        raise ScoreError(
            f"{some(missing)} utterances have no biasing list; give one for each, empty if need be"
        )
    return {
        name: (
            PhraseIndex.of(lists[name].phrases),
            None if lists[name].spoken is None else PhraseIndex.of(lists[name].spoken or ()),
        )
        for name in ids
    }


def _mean_of_defined(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1).astype(np.float64))[:, None]


def _one_of(names: Iterable[str], name: str) -> str:
    known = list(names)
    if name not in known:
        raise ScoreError(f"no number is called {name!r}; there are {', '.join(known)}")
    return name


def _material(score: EntityScore) -> list[tuple[str, Counter[str], int]]:
    """What two systems must have in common: utterances, the phrases spoken in them, their lengths."""
    return [
        (
            one.id,
            Counter(finding.phrase for finding in one.findings if finding.spoken),
            one.characters.reference,
        )
        for one in score.utterances
    ]
