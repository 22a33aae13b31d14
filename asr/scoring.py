"""Word and character error rates of recognized texts, with the alignments they are counted from."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from asr.transcripts import load_transcripts
from biasing.alignment import ErrorCounts, ScoreError, Texts, count_edits, pair_texts
from biasing.intervals import Bootstrap, Estimate, estimates, ratio
from biasing.lists import BiasingList, read_lists, read_vocabulary
from biasing.metrics import EntityScore, Lists, evaluate
from biasing.phrases import read_phrases
from biasing.views import error_line

logger = logging.getLogger(__name__)

BOOTSTRAP_ROUNDS = 1000
APOSTROPHES = "'\u2019\u02bc"


@dataclass(frozen=True)
class UtteranceScore:
    """One utterance: its errors, and its aligned words (reference, hypothesis), None where one has none."""

    id: str
    words: ErrorCounts
    characters: ErrorCounts
    pairs: tuple[tuple[str | None, str | None], ...]


@dataclass(frozen=True)
class Score:
    """All utterances; rates are errors per unit of the reference, 0.05 for 5 %, and may pass 1."""

    utterances: tuple[UtteranceScore, ...]
    seed: int = 0

    @cached_property
    def words(self) -> ErrorCounts:
        """The word errors of all utterances."""
        return sum((one.words for one in self.utterances), ErrorCounts(0, 0, 0, 0))

    @cached_property
    def characters(self) -> ErrorCounts:
        """The character errors of all utterances, spaces counting as characters."""
        return sum((one.characters for one in self.utterances), ErrorCounts(0, 0, 0, 0))

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self.words.errors / self.words.reference

    @property
    def cer(self) -> float:
        """Character error rate."""
        return self.characters.errors / self.characters.reference

    @cached_property
    def wer_interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the word error rate."""
        return bootstrap_interval([one.words for one in self.utterances], self.seed)

    @cached_property
    def cer_interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the character error rate."""
        return bootstrap_interval([one.characters for one in self.utterances], self.seed)


def score(refs: Texts, hyps: Texts, seed: int = 0) -> Score:
    """Compare hypotheses with references after `normalize`; both as {id: text}, or both in the same order.

    Raises:
        ScoreError: the utterances are not the same, or the references hold no words.
    """
    texts = [(name, normalize(ref), normalize(hyp)) for name, ref, hyp in pair_texts(refs, hyps)]
    if not any(ref for _, ref, _ in texts):
        raise ScoreError("the references hold no words; there is nothing to count errors against")
    edits = count_edits([ref for _, ref, _ in texts], [hyp for _, _, hyp in texts])
    utterances = tuple(
        UtteranceScore(name, one.words, one.characters, one.pairs)
        for (name, _, _), one in zip(texts, edits, strict=True)
    )
    return Score(utterances, seed)


def score_files(ref: str | Path, hyp: str | Path, seed: int = 0) -> Score:
    """Score a file of hypotheses against one of references; see `load_transcripts` for the formats.

    Raises:
        ScoreError: the two do not hold the same utterances.
        TranscriptError: a file cannot be used.
    """
    try:
        return score(load_transcripts(ref), load_transcripts(hyp), seed)
    except ScoreError as error:
        raise ScoreError(f"{ref} and {hyp}: {error}") from error


def score_phrase_files(
    ref: str | Path, hyp: str | Path, lists: Lists, vocabulary: str | Path | None = None
) -> EntityScore:
    """Score what was recognized with phrases known, those of `load_phrases` or `load_lists`.

    `vocabulary` is a file of known words, a word a line, to tell errors at unknown words apart.

    Raises:
        ScoreError: the two do not hold the same utterances, or one has no list.
        ListsError, TranscriptError: a file cannot be used.
    """
    known = None if vocabulary is None else {normalize(word) for word in read_vocabulary(vocabulary)}
    refs, hyps = (
        {name: normalize(text) for name, text in load_transcripts(path).items()} for path in (ref, hyp)
    )
    try:
        return evaluate(refs, hyps, lists, known)
    except ScoreError as error:
        raise ScoreError(f"{ref} and {hyp}: {error}") from error


def load_phrases(path: str | Path) -> list[str]:
    """Read a phrase file for scoring: the phrases as they are displayed, after `normalize`.

    Raises:
        PhraseError: not readable.
        ScoreError: no phrase in it can be used.
    """
    found = read_phrases(path)
    if found.unusable:
        logger.warning("%s: %d phrases cannot be used and are not scored", path, len(found.unusable))
    phrases = [words for words in (normalize(entry.display) for entry in found) if words]
    if not phrases:
        raise ScoreError(f"{path}: holds no phrase that can be used; give a phrase a line")
    return phrases


def load_lists(path: str | Path, faults: list[str] | None = None) -> dict[str, BiasingList]:
    """Read biasing lists for scoring, see `biasing.lists.read_lists`, their phrases after `normalize`.

    Given `faults`, a line that cannot be used is described there and left out.

    Raises:
        ListsError: not readable, or a line of another form.
    """
    plain = cache(normalize)

    def all_of(phrases: Iterable[str]) -> tuple[str, ...]:
        return tuple(words for words in map(plain, phrases) if words)

    return {
        name: replace(one, phrases=all_of(one.phrases), spoken=all_of(one.spoken or ()))
        for name, one in read_lists(path, faults).items()
    }


def normalize(text: str) -> str:
    """Return lower case words of a-z and apostrophe, with one space between them.

    Accents are taken off and everything else separates words, except that digits, and letters with no plain
    form, stay as they are: to drop them would hide errors.
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    kept = []
    for character in plain:
        if character in APOSTROPHES:
            kept.append("'")
        elif character.isalnum():
            kept.append(character)
        elif not unicodedata.combining(character):
            kept.append(" ")
    return " ".join(word for word in "".join(kept).split() if word.strip("'"))


def bootstrap_interval(
    counts: Sequence[ErrorCounts], seed: int = 0, coverage: float = 0.95, rounds: int = BOOTSTRAP_ROUNDS
) -> tuple[float, float]:
    """Return the interval the error rate falls in when utterances are drawn anew, with replacement.

    After Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
    section 2. The same seed gives the same interval.
    """
    rate = ratio([one.errors for one in counts], [one.reference for one in counts])
    found = estimates(rate, len(counts), Bootstrap(rounds, coverage, seed))[0]
    return found.low, found.high


def format_summary(scored: Score) -> str:
    """Return two lines, of the word and the character error rate, with intervals and counts."""
    rows = [
        ("WER", Estimate(scored.wer, *scored.wer_interval), scored.words, "words"),
        ("CER", Estimate(scored.cer, *scored.cer_interval), scored.characters, "characters"),
    ]
    return "".join(f"{error_line(*row)}\n" for row in rows)


def format_alignment(scored: Score, only_errors: bool = False) -> str:
    """Return REF and HYP rows of each utterance, word above word, with S, D or I under each error."""
    blocks = []
    for utterance in scored.utterances:
        if only_errors and not utterance.words.errors:
            continue
        refs, hyps, marks = [], [], []
        for ref, hyp in utterance.pairs:
            width = max(len(ref or ""), len(hyp or ""))
            refs.append((ref or "").ljust(width, " " if ref else "*"))
            hyps.append((hyp or "").ljust(width, " " if hyp else "*"))
            marks.append(_mark(ref, hyp).ljust(width))
        rows = [("REF:", refs), ("HYP:", hyps), ("    ", marks)]
        lines = [" ".join([label, *cells]).rstrip() for label, cells in rows]
        blocks.append("\n".join([utterance.id, *(line for line in lines if line)]) + "\n")
    return "\n".join(blocks)


def _mark(ref: str | None, hyp: str | None) -> str:
    if ref is None:
        return "I"
    if hyp is None:
        return "D"
    return " " if ref == hyp else "S"
