"""Reference and hypothesis side by side: which words belong together, and how many are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
from numpy.typing import NDArray

GAP_COST = 3
SUBSTITUTION_COST = 4
NAMED_IN_ERRORS = 3
_STRAIGHT, _INSERT, _DELETE = 0, 1, 2

Texts = Mapping[str, str] | Sequence[str]
Pair = tuple[int | None, int | None]


class ScoreError(ValueError):
    """References and hypotheses that cannot be compared."""


@dataclass(frozen=True)
class ErrorCounts:
    """Units (words or characters) that were right, replaced, left out and put in."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

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
class Edits:
    """The fewest edits between two texts, and the aligned words, None where one text has none."""

    words: ErrorCounts
    characters: ErrorCounts
    pairs: tuple[tuple[str | None, str | None], ...]


def pair_texts(refs: Texts, hyps: Texts) -> list[tuple[str, str, str]]:
    """Return (id, reference, hypothesis) in the order of the references; lists are numbered "line 1" and on.

    Raises:
        ScoreError: the ids differ; the message names some of them.
    """
    references, hypotheses = _named(refs), _named(hyps)
    missing = [name for name in references if name not in hypotheses]
    extra = [name for name in hypotheses if name not in references]
    if missing or extra:
        raise ScoreError(
            f"not the same utterances: {some(missing)} only in the references, {some(extra)} only in the "
            "hypotheses; give both with the same ids, or as many lines in both"
        )
    return [(name, text, hypotheses[name]) for name, text in references.items()]


def some(names: Sequence[str]) -> str:
    """Return how many names there are, and the first few."""
    shown = ", ".join(repr(name) for name in names[:NAMED_IN_ERRORS])
    more = ", ..." if len(names) > NAMED_IN_ERRORS else ""
    return f"{len(names)} ({shown}{more})" if names else "0"


def count_edits(refs: Sequence[str], hyps: Sequence[str]) -> list[Edits]:
    """Return the fewest edits (each of cost 1) of each pair of texts, spaces counting as characters."""
    if not refs:
        return []
    words = jiwer.process_words(list(refs), list(hyps))
    characters = jiwer.process_characters(list(refs), list(hyps))
    return [
        Edits(_counts(word_chunks), _counts(character_chunks), _pairs(word_chunks, ref, hyp))
        for word_chunks, character_chunks, ref, hyp in zip(
            words.alignments, characters.alignments, words.references, words.hypotheses, strict=True
        )
    ]


def align(ref: Sequence[str], hyp: Sequence[str]) -> tuple[Pair, ...]:
    """Return the pairs (index into `ref`, index into `hyp`) of the cheapest alignment, None for a gap.

    A replaced word costs 4, a missing or an additional one 3, as in NIST sclite and in the scorer that was
    published with Le et al. 2021, "Contextualized streaming end-to-end speech recognition with trie-based
    deep biasing and shallow fusion". Compared with the fewest edits this keeps right words together, at
    times at the price of an edit more. Of equally cheap alignments the one is taken that, read from the
    end, pairs words before it inserts, and inserts before it deletes; the published numbers depend on it.
    """
    numbers: dict[str, int] = {}
    ref_ids = [numbers.setdefault(word, len(numbers)) for word in ref]
    hyp_ids = np.array([numbers.setdefault(word, len(numbers)) for word in hyp], np.int64)
    columns = GAP_COST * np.arange(len(hyp) + 1)
    moves = np.full((len(ref) + 1, len(hyp) + 1), _INSERT, np.uint8)
    moves[1:, 0] = _DELETE
    above = columns
    for row, word in enumerate(ref_ids, start=1):
        straight = above[:-1] + np.where(hyp_ids == word, 0, SUBSTITUTION_COST)
        best = above + GAP_COST
        deleted = best[1:].copy()
        np.minimum(deleted, straight, out=best[1:])
        # Insertions lead from any cell on the left at a fixed price a step: a running minimum.
        above = np.minimum.accumulate(best - columns) + columns
        inserted = above[:-1] + GAP_COST
        gap = np.where(inserted <= deleted, _INSERT, _DELETE)
        moves[row, 1:] = np.where(straight <= np.minimum(inserted, deleted), _STRAIGHT, gap)
    return _walk_back(moves)


def split_errors(
    words: tuple[Sequence[str], Sequence[str]],
    pairs: Iterable[Pair],
    marked: tuple[Sequence[bool], Sequence[bool]],
) -> tuple[ErrorCounts, ErrorCounts]:
    """Return the errors at marked words and at the others, from an alignment of `words` (ref, hyp).

    An error is charged by the mark of its reference word; an insertion, which has none, by that of the
    inserted word.
    """
    counts = ([0, 0, 0, 0], [0, 0, 0, 0])
    for i, j in pairs:
        if i is None:
            assert j is not None
            counts[marked[1][j]][3] += 1
        else:
            kind = 2 if j is None else int(words[0][i] != words[1][j])
            counts[marked[0][i]][kind] += 1
    return ErrorCounts(*counts[True]), ErrorCounts(*counts[False])


def _walk_back(moves: NDArray[np.uint8]) -> tuple[Pair, ...]:
    i, j = moves.shape[0] - 1, moves.shape[1] - 1
    pairs: list[Pair] = []
    while i or j:
        move = moves[i, j]
        i -= move != _INSERT
        j -= move != _DELETE
        pairs.append((None if move == _INSERT else int(i), None if move == _DELETE else int(j)))
    return tuple(reversed(pairs))


def _named(texts: Texts) -> dict[str, str]:
    if isinstance(texts, str):
        raise ScoreError(f"{texts[:40]!r} is one text; give a list of texts, or {{id: text}}")
    if isinstance(texts, Mapping):
        return dict(texts)
    return {f"line {number}": text for number, text in enumerate(texts, start=1)}


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
