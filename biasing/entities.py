"""Which phrases were spoken, which were heard, and which of these belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from biasing.alignment import Pair, ScoreError


@dataclass(frozen=True)
class PhraseCounts:
    """Phrases that were spoken and heard, spoken and not heard, heard and not spoken."""

    hits: int = 0
    misses: int = 0
    false_accepts: int = 0

    @property
    def spoken(self) -> int:
        """How often a phrase was spoken."""
        return self.hits + self.misses

    def __add__(self, other: PhraseCounts) -> PhraseCounts:
        return PhraseCounts(
            self.hits + other.hits, self.misses + other.misses, self.false_accepts + other.false_accepts
        )


@dataclass(frozen=True)
class Occurrence:
    """A phrase at words `start` to `end` (exclusive) of a text."""

    phrase: str
    start: int
    end: int


@dataclass(frozen=True)
class Finding:
    """A phrase where it was spoken and where it was heard.

    A hit has both, a miss has no `heard`, a false accept no `spoken`.
    """

    phrase: str
    spoken: Occurrence | None
    heard: Occurrence | None

    @property
    def counts(self) -> PhraseCounts:
        """The finding as one hit, one miss or one false accept."""
        if self.spoken and self.heard:
            return PhraseCounts(hits=1)
        return PhraseCounts(misses=1) if self.spoken else PhraseCounts(false_accepts=1)


@dataclass(frozen=True)
class PhraseIndex:
    """Phrases by their words, the longest first."""

    by_length: Mapping[int, Mapping[tuple[str, ...], str]]

    @classmethod
    def of(cls, phrases: Iterable[str]) -> PhraseIndex:
        """Index phrases; words are separated by spaces, and a phrase given twice counts once.

        Raises:
            ScoreError: a phrase has no words.
        """
        by_length: dict[int, dict[tuple[str, ...], str]] = {}
        for number, phrase in enumerate(phrases, start=1):
            words = tuple(phrase.split())
            if not words:
                raise ScoreError(f"phrase {number} is empty; give words, or leave it out")
            by_length.setdefault(len(words), {})[words] = " ".join(words)
        return cls({length: by_length[length] for length in sorted(by_length, reverse=True)})

    @property
    def phrases(self) -> tuple[str, ...]:
        """All phrases."""
        return tuple(phrase for group in self.by_length.values() for phrase in group.values())

    def find(self, words: Sequence[str]) -> tuple[Occurrence, ...]:
        """Return where phrases stand, in order.

        The longest are placed first, those of a length from left to right; a word belongs to one phrase only.
        """
        free = [True] * len(words)
        found = []
        for length, group in self.by_length.items():
            for start in range(len(words) - length + 1):
                phrase = group.get(tuple(words[start : start + length]))
                if phrase is not None and all(free[start : start + length]):
                    free[start : start + length] = [False] * length
                    found.append(Occurrence(phrase, start, start + length))
        return tuple(sorted(found, key=lambda one: one.start))


def match_phrases(
    ref: Sequence[str], hyp: Sequence[str], pairs: Iterable[Pair], index: PhraseIndex
) -> tuple[Finding, ...]:
    """Return the hits, misses and false accepts of an utterance.

    Both texts are cut into phrases by `PhraseIndex.find`. A spoken phrase is hit when the hypothesis has the
    same phrase, whole and in one piece, and the alignment pairs at least one word of the two as equal; each
    can be paired once. So an additional word inside a phrase is a miss, the phrase heard at another place is
    a miss and a false accept, and so is a phrase heard as a part of a longer one or the other way round.
    """
    spoken, heard = index.find(ref), index.find(hyp)
    heard_at = {j: one for one in heard for j in range(one.start, one.end)}
    partners = {i: j for i, j in pairs if i is not None and j is not None and ref[i] == hyp[j]}
    unused = set(heard)
    findings = []
    for one in spoken:
        candidates = (heard_at.get(partners.get(i, -1)) for i in range(one.start, one.end))
        hit = next((other for other in candidates if other in unused and other.phrase == one.phrase), None)
        unused -= {hit}
        findings.append(Finding(one.phrase, one, hit))
    findings += [Finding(one.phrase, None, one) for one in heard if one in unused]
    return tuple(findings)
