"""Everything that is counted in one utterance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from biasing.alignment import Edits, ErrorCounts, Pair, align, split_errors
from biasing.entities import Finding, PhraseCounts, PhraseIndex, match_phrases


@dataclass(frozen=True)
class Utterance:
    """The words of one utterance, and the fewest edits between them."""

    id: str
    ref: Sequence[str]
    hyp: Sequence[str]
    edits: Edits


@dataclass(frozen=True)
class UtterancePhrases:
    """One utterance.

    words, characters: the fewest edits, as in WER and CER.
    biased, unbiased: the errors of B-WER and U-WER, from the alignment of `align`.
    unknown, known: the same errors by whether the word is outside or inside the vocabulary; both without
        errors and words when no vocabulary was given.
    findings: hits, misses and false accepts.
    distractors: false accepts of phrases that are not spoken anywhere in the utterance.
    hidden_distractors: those of them that stand for no word of B-WER, which therefore does not see them.
    """

    id: str
    words: ErrorCounts
    characters: ErrorCounts
    biased: ErrorCounts
    unbiased: ErrorCounts
    unknown: ErrorCounts
    known: ErrorCounts
    findings: tuple[Finding, ...]
    distractors: int
    hidden_distractors: int

    @cached_property
    def phrases(self) -> PhraseCounts:
        """Hits, misses and false accepts of the utterance."""
        return sum((one.counts for one in self.findings), PhraseCounts())


def score_utterance(
    one: Utterance, index: PhraseIndex, charged: PhraseIndex | None, vocabulary: frozenset[str] | None
) -> UtterancePhrases:
    """Count errors and phrases.

    Args:
        index: the phrases the recognizer knew.
        charged: those whose words belong to B-WER; None for the ones of `index` that are spoken.
        vocabulary: known words, None to leave unknown and known ones uncounted.
    """
    pairs = align(one.ref, one.hyp)
    findings = match_phrases(one.ref, one.hyp, pairs, index)
    spoken = {finding.phrase for finding in findings if finding.spoken}
    places = (charged or index).find(one.ref)
    inside = {i for place in places for i in range(place.start, place.end)}
    charged_words = {word for phrase in (charged.phrases if charged else spoken) for word in phrase.split()}
    biased, unbiased = split_errors(
        (one.ref, one.hyp),
        pairs,
        ([i in inside for i in range(len(one.ref))], [word in charged_words for word in one.hyp]),
    )
    unknown, known = _by_vocabulary(one, pairs, vocabulary)
    strangers = [finding.heard for finding in findings if finding.phrase not in spoken and finding.heard]
    seen = {j for i, j in pairs if i in inside}
    return UtterancePhrases(
        id=one.id,
        words=one.edits.words,
        characters=one.edits.characters,
        biased=biased,
        unbiased=unbiased,
        unknown=unknown,
        known=known,
        findings=findings,
        distractors=len(strangers),
        hidden_distractors=sum(seen.isdisjoint(range(heard.start, heard.end)) for heard in strangers),
    )


def _by_vocabulary(
    one: Utterance, pairs: Sequence[Pair], vocabulary: frozenset[str] | None
) -> tuple[ErrorCounts, ErrorCounts]:
    if vocabulary is None:
        return ErrorCounts(), ErrorCounts()
    marked = ([word not in vocabulary for word in one.ref], [word not in vocabulary for word in one.hyp])
    return split_errors((one.ref, one.hyp), pairs, marked)
