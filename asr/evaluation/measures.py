"""From hypotheses to numbers: what each technique recognized under each condition, and what that cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from asr.evaluation.engine import Hypothesis, Recognized
from asr.evaluation.material import Condition, Material
from asr.evaluation.techniques import NONE
from biasing.alignment import Pair, align
from biasing.entities import Finding
from biasing.intervals import Bootstrap, Comparison, Estimate, estimates, ratio, upper_limit
from biasing.metrics import EntityScore, evaluate

SHOWN = ("f1", "precision", "recall", "b_wer", "u_wer", "wer")
COMPARED = ("f1", "b_wer", "u_wer", "wer")
CONFIDENCE_BINS = 10


@dataclass(frozen=True)
class Fates:
    """What became of spoken phrases, and how many were heard that were not spoken.

    Attributes:
        hits: recognized.
        substituted: other words stand in their place, not more of them.
        split: more words stand in their place.
        deleted: nothing stands in their place.
        inserted: phrases that are heard where they were not spoken.
    """

    hits: int = 0
    substituted: int = 0
    split: int = 0
    deleted: int = 0
    inserted: int = 0


@dataclass(frozen=True)
class ConfidenceBin:
    """Words of similar confidence: how many, their mean confidence, and the share that is right."""

    words: int
    confidence: float
    correct: float


@dataclass(frozen=True)
class Measured:
    """One technique under one condition.

    Attributes:
        numbers: of SHOWN, with intervals.
        versus_none: of COMPARED, against no technique on the same utterances; empty for `none` itself.
        fates: where the errors went.
        seconds_per_minute: processor time of the search for a minute of audio.
    """

    technique: str
    condition: str
    score: EntityScore
    numbers: Mapping[str, Estimate]
    versus_none: Mapping[str, Comparison]
    fates: Fates
    seconds_per_minute: float


@dataclass(frozen=True)
class Absent:
    """One technique on audio in which no phrase of the list is spoken.

    Attributes:
        changed: share of utterances whose text is not that of `none`.
        false_accepts: phrases that are heard, a minute.
    """

    technique: str
    condition: str
    utterances: int
    minutes: float
    changed: Estimate
    false_accepts: Estimate


@dataclass(frozen=True)
class Evaluation:
    """Everything that a report tells."""

    material: Material
    recognized: Recognized
    rows: tuple[Measured, ...]
    absent: tuple[Absent, ...]

    @cached_property
    def techniques(self) -> tuple[str, ...]:
        """Names in the order they were asked for, `none` first."""
        return tuple(dict.fromkeys(row.technique for row in self.rows))

    @property
    def minutes(self) -> float:
        """Audio that was scored."""
        ids = self.material.conditions[0].given
        return sum(self.material.utterances[name].duration for name in ids) / 60

    def row(self, technique: str, condition: str) -> Measured:
        """Return what was measured of one technique under one condition."""
        return next(one for one in self.rows if (one.technique, one.condition) == (technique, condition))


def measure(
    material: Material,
    recognized: Recognized,
    bootstrap: Bootstrap | None = None,
    vocabulary: frozenset[str] | None = None,
) -> Evaluation:
    """Count everything; given the words that count as known, errors at unknown ones are told apart.

    Raises:
        ScoreError: an empty list of phrases, or references without any word.
    """
    names = tuple(dict.fromkeys(technique for technique, _, _ in recognized.hypotheses))
    drawn = bootstrap or Bootstrap()
    settings = drawn, vocabulary
    rows: list[Measured] = []
    absent: list[Absent] = []
    for condition in material.conditions:
        plain = _score(material, condition, recognized.of(NONE, condition.name), settings)
        for name in names:
            texts = recognized.of(name, condition.name)
            score = plain if name == NONE else _score(material, condition, texts, settings)
            seconds = _seconds_per_minute(material, texts)
            numbers = {number: score.estimate(number) for number in SHOWN}
            versus = {} if name == NONE else {number: plain.compare(score, number) for number in COMPARED}
            gone = fates(score, material.texts, {key: one.text for key, one in texts.items()})
            rows.append(Measured(name, condition.name, score, numbers, versus, gone, seconds))
    for condition in material.absent.values():
        plain_texts = recognized.of(NONE, condition.name, absent=True)
        absent += [
            _absent(
                material, condition, name, (recognized.of(name, condition.name, True), plain_texts), drawn
            )
            for name in names
        ]
    return Evaluation(material, recognized, tuple(rows), tuple(absent))


def _score(
    material: Material,
    condition: Condition,
    found: Mapping[str, Hypothesis],
    settings: tuple[Bootstrap, frozenset[str] | None],
) -> EntityScore:
    refs = {name: material.utterances[name].text for name in condition.lists}
    hyps = {name: found[name].text for name in refs}
    # One list for all is indexed once.
    lists = next(iter(condition.lists.values())).phrases if condition.is_shared else condition.lists
    return evaluate(refs, hyps, lists, settings[1], settings[0])


def _seconds_per_minute(material: Material, found: Mapping[str, Hypothesis]) -> float:
    minutes = sum(material.utterances[name].duration for name in found) / 60
    return sum(one.seconds for one in found.values()) / minutes if minutes else 0.0


def _absent(
    material: Material,
    condition: Condition,
    technique: str,
    texts: tuple[Mapping[str, Hypothesis], Mapping[str, Hypothesis]],
    bootstrap: Bootstrap,
) -> Absent:
    """Compare `texts`, of the technique and of none, on audio without phrases."""
    score = _score(material, condition, texts[0], (bootstrap, None))
    names = list(condition.lists)
    minutes = [material.utterances[name].duration / 60 for name in names]
    changed = ratio([texts[0][name].text != texts[1][name].text for name in names], [1] * len(names))
    accepts = ratio([one.phrases.false_accepts for one in score.utterances], minutes)
    share, rate = (estimates(one, len(names), bootstrap)[0] for one in (changed, accepts))
    if technique != NONE:
        share = _limited(share, 1 - (1 - bootstrap.coverage) ** (1 / len(names)))
    rate = _limited(rate, upper_limit(0, bootstrap.coverage) / sum(minutes))
    return Absent(technique, condition.name, len(names), sum(minutes), share, rate)


def _limited(found: Estimate, limit: float) -> Estimate:
    """What was never seen may still be there: the interval of a 0 ends where it would surely have been."""
    return found if found.value else Estimate(0.0, 0.0, limit)


def fates(score: EntityScore, refs: Mapping[str, str], hyps: Mapping[str, str]) -> Fates:
    """Tell what became of every phrase."""
    counts = dict.fromkeys(("hits", "substituted", "split", "deleted", "inserted"), 0)
    for one in score.utterances:
        pairs = align(refs[one.id].split(), hyps[one.id].split())
        for finding in one.findings:
            counts[_fate(finding, pairs)] += 1
    return Fates(**counts)


def _fate(finding: Finding, pairs: tuple[Pair, ...]) -> str:
    if finding.spoken is None:
        return "inserted"
    if finding.heard is not None:
        return "hits"
    inside = [
        at
        for at, (i, _) in enumerate(pairs)
        if i is not None and finding.spoken.start <= i < finding.spoken.end
    ]
    first, last = inside[0], inside[-1]
    # Additional words at the edges belong to the phrase: "siobhan" heard as "shiv awn" is one split word.
    while first and pairs[first - 1][0] is None:
        first -= 1
    while last + 1 < len(pairs) and pairs[last + 1][0] is None:
        last += 1
    heard = sum(j is not None for _, j in pairs[first : last + 1])
    if not heard:
        return "deleted"
    return "split" if heard > len(inside) else "substituted"


def reliability(refs: Mapping[str, str], found: Mapping[str, Hypothesis]) -> list[ConfidenceBin]:
    """Group all recognized words by confidence, and count how many of each group are right."""
    groups: dict[int, list[tuple[float, bool]]] = {}
    for name, one in found.items():
        ref, hyp = refs[name].split(), one.text.split()
        right = {j for i, j in align(ref, hyp) if i is not None and j is not None and ref[i] == hyp[j]}
        for place, (_, confidence) in enumerate(one.words):
            number = min(int(confidence * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)
            groups.setdefault(number, []).append((confidence, place in right))
    return [
        ConfidenceBin(
            len(group),
            sum(confidence for confidence, _ in group) / len(group),
            sum(right for _, right in group) / len(group),
        )
        for _, group in sorted(groups.items())
    ]


def calibration_error(bins: list[ConfidenceBin]) -> float:
    """Mean distance of confidence and share of right words (Naeini et al. 2015, ECE); 0 without words."""
    words = sum(one.words for one in bins)
    return sum(one.words * abs(one.confidence - one.correct) for one in bins) / words if words else 0.0
