"""Word and character error rates of recognized texts, with the alignments they are counted from."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr.transcripts import load_transcripts

BOOTSTRAP_ROUNDS = 1000
NAMED_IN_ERRORS = 3
APOSTROPHES = "'\u2019\u02bc"


class ScoreError(ValueError):
    """References and hypotheses that cannot be compared."""


@dataclass(frozen=True)
class ErrorCounts:
    """Units (words or characters) that were right, replaced, left out and put in."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """All that was wrong."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference(self) -> int:
        """Units in the reference."""
        return self.hits + self.substitutions + self.deletions

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


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


def score(
    refs: Mapping[str, str] | Sequence[str], hyps: Mapping[str, str] | Sequence[str], seed: int = 0
) -> Score:
    """Compare hypotheses with references after `normalize`; both as {id: text}, or both in the same order.

    Raises:
        ScoreError: the utterances are not the same, or the references hold no words.
    """
    references, hypotheses = _named(refs), _named(hyps)
    _check_same_ids(references, hypotheses)
    ids = list(references)
    ref_texts = [normalize(references[name]) for name in ids]
    hyp_texts = [normalize(hypotheses[name]) for name in ids]
    if not any(ref_texts):
        raise ScoreError("the references hold no words; there is nothing to count errors against")
    words = jiwer.process_words(ref_texts, hyp_texts)
    characters = jiwer.process_characters(ref_texts, hyp_texts)
    utterances = tuple(
        UtteranceScore(name, _counts(word_chunks), _counts(character_chunks), _pairs(word_chunks, ref, hyp))
        for name, word_chunks, character_chunks, ref, hyp in zip(
            ids, words.alignments, characters.alignments, words.references, words.hypotheses, strict=True
        )
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
    errors = np.array([one.errors for one in counts], np.float64)
    lengths = np.array([one.reference for one in counts], np.float64)
    rng = np.random.default_rng(seed)
    rates: NDArray[np.float64] = np.empty(rounds)
    for index in range(rounds):
        drawn = rng.integers(len(counts), size=len(counts))
        # A draw of nothing but empty references has one unit to divide by.
        rates[index] = errors[drawn].sum() / max(1.0, lengths[drawn].sum())
    low, high = np.quantile(rates, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def format_summary(scored: Score) -> str:
    """Return two lines, of the word and the character error rate, with intervals and counts."""
    rows = [
        ("WER", scored.wer, scored.wer_interval, scored.words, "words"),
        ("CER", scored.cer, scored.cer_interval, scored.characters, "characters"),
    ]
    lines = [
        f"{name} {rate:.2%} (95 % interval {low:.2%} to {high:.2%}): "
        f"{counts.errors} errors in {counts.reference} {unit}, "
        f"{counts.substitutions} substituted, {counts.deletions} deleted, {counts.insertions} inserted"
        for name, rate, (low, high), counts, unit in rows
    ]
    return "\n".join(lines) + "\n"


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


def _named(texts: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    if isinstance(texts, Mapping):
        return dict(texts)
    return {f"line {number}": text for number, text in enumerate(texts, start=1)}


def _check_same_ids(refs: Mapping[str, str], hyps: Mapping[str, str]) -> None:
    missing = [name for name in refs if name not in hyps]
    extra = [name for name in hyps if name not in refs]
    if missing or extra:
        raise ScoreError(
            f"not the same utterances: {_some(missing)} only in the references, {_some(extra)} only in the "
            "hypotheses; give both with the same ids, or as many lines in both"
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NAMED_IN_ERRORS])
    more = ", ..." if len(names) > NAMED_IN_ERRORS else ""
    return f"{len(names)} ({shown}{more})" if names else "0"


def _counts(chunks: Iterable[jiwer.AlignmentChunk]) -> ErrorCounts:
    counts = dict.fromkeys(("equal", "substitute", "delete", "insert"), 0)
    for chunk in chunks:
        counts[chunk.type] += max(
            chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx
        )
    return ErrorCounts(*counts.values())


def _pairs(
    chunks: Iterable[jiwer.AlignmentChunk], ref: Sequence[str], hyp: Sequence[str]
) -> tuple[tuple[str | None, str | None], ...]:
    pairs: list[tuple[str | None, str | None]] = []
    for chunk in chunks:
        ref_words = ref[chunk.ref_start_idx : chunk.ref_end_idx]
        hyp_words = hyp[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if chunk.type == "delete":
            pairs.extend((word, None) for word in ref_words)
        elif chunk.type == "insert":
            pairs.extend((None, word) for word in hyp_words)
        else:
            pairs.extend(zip(ref_words, hyp_words, strict=True))
    return tuple(pairs)
