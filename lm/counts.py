"""Counting n-grams with sorted integer codes: which word sequences occur, how often, and how they nest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNK, BOS, EOS = 0, 1, 2
SPECIAL_WORDS = ("<unk>", "<s>", "</s>")

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """A text as word numbers.

    Attributes:
        words: the word of each number; the first three are `SPECIAL_WORDS`.
        tokens: (N,) int32, every sentence as <s> w1 ... wn </s>, one behind the other.
        weights: (N,) int32, how often the sentence of that token counts.
    """

    words: list[str]
    tokens: NDArray[np.int32]
    weights: NDArray[np.int32]


@dataclass(frozen=True)
class NGramTable:
    """The n-grams of one order, sorted by (context, last word). All arrays are (number of n-grams,).

    Attributes:
        context: row of the first n - 1 words in the table one order lower; 0 for unigrams.
        suffix: row of the last n - 1 words in the table one order lower; 0 for unigrams.
        word: number of the last word.
        count: how often the n-gram occurs.
        adjusted: what Kneser-Ney smoothing counts: the number of different words seen before the n-gram; the
            plain count where nothing can come before it (<s> first) and for the highest order.
    """

    context: Ints
    suffix: Ints
    word: Ints
    count: Ints
    adjusted: Ints


class _Numbers(dict[str, int]):
    """Gives each new word the next number."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def encode(texts: Iterable[tuple[Iterable[str], int]], batch_lines: int = 50_000) -> Corpus:
    """Number the words of (sentences, weight) pairs; a sentence is words separated by spaces.

    Words that are themselves one of `SPECIAL_WORDS` are dropped, because a text cannot predict them.
    """
    numbers = _Numbers({word: number for number, word in enumerate(SPECIAL_WORDS)})
    tokens, weights = [], []
    for sentences, weight in texts:
        for batch in _batches(sentences, batch_lines):
            codes = np.fromiter((code for line in batch for code in _numbered(line, numbers)), np.int32)
            tokens.append(codes)
            weights.append(np.full(len(codes), weight, np.int32))
    empty = [np.zeros(0, np.int32)]
    return Corpus(list(numbers), np.concatenate(tokens or empty), np.concatenate(weights or empty))


def _batches(sentences: Iterable[str], size: int) -> Iterator[list[str]]:
    stream = iter(sentences)
    while batch := list(islice(stream, size)):
        yield batch


def _numbered(line: str, numbers: _Numbers) -> list[int]:
    inner = [number for number in map(numbers.__getitem__, line.split()) if number > EOS]
    return [BOS, *inner, EOS]


def count_ngrams(corpus: Corpus, order: int) -> list[NGramTable]:
    """Count the n-grams of every order up to `order` within sentences.

    <s> occurs only as a first word, and is never itself an outcome: its own count is 0, and so is <unk>'s.
    """
    tokens = corpus.tokens
    starts = np.flatnonzero(tokens == BOS)
    lengths = np.diff(np.append(starts, len(tokens)))
    place = np.arange(len(tokens)) - np.repeat(starts, lengths)  # (N,) words since the sentence began
    unigrams, rows = _unigrams(corpus)
    tables = [unigrams]
    for n in range(2, order + 1):
        ends = np.flatnonzero(place >= n - 1)
        table, rows = _longer(corpus, rows, ends)
        tables[-1] = _adjust(tables[-1], table)
        tables.append(table)
    return tables


def _unigrams(corpus: Corpus) -> tuple[NGramTable, NDArray[np.int32]]:
    outcome = np.where(corpus.tokens == BOS, 0, corpus.weights)
    count = _tally(corpus.tokens, len(corpus.words), outcome)
    word = np.arange(len(corpus.words))
    none = np.zeros_like(word)
    return NGramTable(none, none, word, count, count), corpus.tokens


def _longer(corpus: Corpus, rows: NDArray[np.int32], ends: Ints) -> tuple[NGramTable, NDArray[np.int32]]:
    """The n-grams that end at `ends`, given `rows` (N,), the (n-1)-gram that ends at every place."""
    words = len(corpus.words)
    keys = rows[ends - 1].astype(np.int64) * words + corpus.tokens[ends]
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    context, word = np.divmod(unique, words)
    count = _tally(inverse, len(unique), corpus.weights[ends])
    longer = np.full(len(rows), -1, np.int32)
    longer[ends] = inverse
    suffix = rows[ends[first]].astype(np.int64)
    return NGramTable(context, suffix, word, count, count), longer


def _adjust(lower: NGramTable, higher: NGramTable) -> NGramTable:
    """`lower` with its adjusted counts, now that the n-grams one word longer are known."""
    before = np.bincount(higher.suffix, minlength=len(lower.word))
    # An n-gram that nothing precedes begins a sentence; <unk> and <s> themselves have count 0.
    adjusted = np.where(before > 0, before, lower.count)
    return NGramTable(lower.context, lower.suffix, lower.word, lower.count, adjusted)


def _tally(rows: NDArray[np.integer[Any]], size: int, weights: NDArray[np.integer[Any]]) -> Ints:
    return np.rint(np.bincount(rows, weights=weights, minlength=size)).astype(np.int64)
