"""Writing a backoff model as KenLM's own binary trie, which KenLM maps into memory instead of parsing.

The layout is that of KenLM's format version 5 (Heafield 2011, "KenLM: faster and smaller language model
queries", section 3.2): header, sorted hashes of the words, quantisation tables, unigrams, then for each order
bit-packed records sorted by reversed n-gram, with pointers compressed by an offset array (Raj & Whittaker
2003) and probabilities binned as in Federico & Bertoldi 2006.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.counts import Ints
from lm.files import replacing
from lm.kneser_ney import BackoffModel
from lm.murmur import murmur_hash_64a
from lm.quantise import Coded, Field, Singles, quantise, store_floats

_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
_ARRAY_TRIE, _QUANTISED_ARRAY_TRIE = 4, 5
_SEARCH_VERSION, _QUANTISER_VERSION, _POINTER_VERSION = 1, 2, 0
_MAX_POINTER_BITS = 22
_PROBING_MULTIPLIER = 1.5  # unused by tries, but KenLM refuses a header with less than 1
_ROWS_AT_ONCE = 1 << 16  # a multiple of 8, so that every block of records ends on a whole byte


@dataclass(frozen=True)
class BinaryOptions:
    """How the numbers of a binary model are stored.

    Attributes:
        prob_bits: bits of a quantised log probability, 2 to 16; 0 stores floats, without loss.
        backoff_bits: bits of a quantised backoff weight, 2 to 16; not used when `prob_bits` is 0.
    """

    prob_bits: int = 7
    backoff_bits: int = 6

    def __post_init__(self) -> None:
        if self.prob_bits and not (2 <= self.prob_bits <= 16 and 2 <= self.backoff_bits <= 16):
            raise ValueError(
                f"{self.prob_bits} and {self.backoff_bits} bits: give 2 to 16 each, or 0 bits of "
                "probability to store floats"
            )


@dataclass(frozen=True)
class _Level:
    """One order in the order of the trie; arrays are (n-grams,).

    Attributes:
        parent: row of the n-gram without its first word, one order lower in the trie; not decreasing.
        first: the n-gram's first word, increasing within a parent.
        prob: log10 probability.
        backoff: log10 backoff weight; -0.0 where no n-gram extends this one to the right, as KenLM wants it.
    """

    parent: Ints
    first: Ints
    prob: Singles
    backoff: Singles


def write_binary(model: BackoffModel, path: Path, options: BinaryOptions | None = None) -> None:
    """Write `model` so that KenLM loads it.

    Raises:
        OSError: the file cannot be written.
    """
    options = options or BinaryOptions()
    hashes, number = _vocabulary(model.words)
    levels = _trie_levels(model, number)
    coded = [_coded(level, options, last=level is levels[-1]) for level in levels[1:]]
    parts = [_header(model.counts, options), struct.pack("<Q", len(hashes)), hashes.tobytes(), bytes(8)]
    if options.prob_bits:
        parts.append(struct.pack("<BBB5x", _QUANTISER_VERSION, options.prob_bits, options.backoff_bits))
        parts += [numbers.table for numbers in coded]
    parts.append(_unigrams(levels))
    word_bits = len(number).bit_length()
    for level, numbers, longer in zip(levels[1:-1], coded, levels[2:], strict=False):
        pointers, low = _pointers(longer.parent, len(level.first), sum(map(len, parts)))
        parts += [pointers, _pack([(level.first, word_bits), *numbers.fields, low], extra=1)]
    parts.append(_pack([(levels[-1].first, word_bits), *coded[-1].fields], extra=1))
    parts += [word.encode() + b"\0" for word in np.array(model.words)[np.argsort(number)].tolist()]
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.writelines(parts)


def _coded(level: _Level, options: BinaryOptions, last: bool) -> Coded:
    backoffs = None if last else level.backoff
    if options.prob_bits:
        return quantise(level.prob, backoffs, options.prob_bits, options.backoff_bits)
    return store_floats(level.prob, backoffs)


def _header(counts: Sequence[int], options: BinaryOptions) -> bytes:
    kind = _QUANTISED_ARRAY_TRIE if options.prob_bits else _ARRAY_TRIE
    sanity = struct.pack("<56s3f3IQ", _MAGIC, 0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1)
    fixed = struct.pack("<B3xfi?3xI", len(counts), _PROBING_MULTIPLIER, kind, True, _SEARCH_VERSION)
    header = sanity + fixed + struct.pack(f"<{len(counts)}Q", *counts)
    return header + bytes(-len(header) % 8)


def _vocabulary(words: Sequence[str]) -> tuple[NDArray[np.uint64], Ints]:
    """Sorted hashes of all words but <unk>, and (words,) KenLM's number of each word: its rank, from 1."""
    hashes = np.array([murmur_hash_64a(word.encode()) for word in words[1:]], np.uint64)
    ranked = np.argsort(hashes)
    number = np.zeros(len(words), np.int64)
    number[1 + ranked] = np.arange(1, len(words))
    return hashes[ranked], number


def _trie_levels(model: BackoffModel, number: Ints) -> list[_Level]:
    """Sort every order by reversed n-gram: by the row of its last n - 1 words, then by its first word."""
    levels, first, place = [], number, np.zeros(1, np.int64)
    for n, level in enumerate(model.levels):
        first = number if n == 0 else first[level.context]
        parent = place[level.suffix]
        ranked = np.argsort(parent * len(number) + first)
        place = np.empty_like(ranked)
        place[ranked] = np.arange(len(ranked))
        backoff = level.log10_backoff.astype(np.float32)
        backoff[backoff == 0] = -0.0
        if n + 1 < model.order:
            extended = np.unique(model.levels[n + 1].context)
            backoff[extended] += np.float32(0.0)  # -0.0 + 0.0 is +0.0, other values stay
        prob = level.log10_prob.astype(np.float32)
        levels.append(_Level(parent[ranked], first[ranked], prob[ranked], backoff[ranked]))
    return levels


def _unigrams(levels: Sequence[_Level]) -> bytes:
    """Records of (log10 probability, backoff, start of its bigrams), one to end the last, and a spare."""
    unigrams = levels[0]
    size = len(unigrams.first)
    records = np.zeros(size + 2, np.dtype([("prob", "<f4"), ("backoff", "<f4"), ("next", "<u8")]))
    records["prob"][:size] = unigrams.prob
    records["backoff"][:size] = unigrams.backoff
    records["next"][: size + 1] = _starts(levels[1].parent, size)
    return records.tobytes()


def _starts(parents: Ints, size: int) -> Ints:
    """(size + 1,) Where the children of each parent begin, and where the last ones end."""
    return np.searchsorted(parents, np.arange(size + 1)).astype(np.int64)


def _pointers(parents: Ints, entries: int, offset: int) -> tuple[bytes, Field]:
    """Where the children of each record begin: high bits as an offset array, low bits as a field.

    `parents` is the row of each child's parent, `entries` the number of records, of which one more is written
    to end the last; `offset` is where the array comes to lie in the file.
    """
    starts, largest = _starts(parents, entries), len(parents)
    bits = largest.bit_length() - _chopped_bits(entries + 1, largest)
    offsets = np.searchsorted(starts >> bits, np.arange((largest >> bits) + 1)).astype("<u8")
    before = -offset % 8  # KenLM aligns the array in memory and reserves 7 bytes for that everywhere
    head = struct.pack("<BB", _POINTER_VERSION, _MAX_POINTER_BITS).ljust(before + 8, b"\0")
    low = (starts & ((1 << bits) - 1)).astype(np.uint64)
    return head + offsets.tobytes() + bytes(7 - before), (low, bits)


def _chopped_bits(entries: int, largest: int) -> int:
    """How many high bits of a pointer go into the offset array: what makes array and records smallest."""
    required = largest.bit_length()
    choices = range(min(required, _MAX_POINTER_BITS) + 1)
    return min(choices, key=lambda chop: (largest >> (required - chop)) * 64 - entries * chop)


def _pack(fields: Sequence[Field], extra: int) -> bytes:
    """Bit-packed records of fields, lowest bits first, room for `extra` more, and KenLM's 8 spare bytes."""
    records, width = len(fields[0][0]) + extra, sum(bits for _, bits in fields)
    blocks = []
    for begin in range(0, records, _ROWS_AT_ONCE):
        rows = np.zeros((min(_ROWS_AT_ONCE, records - begin), width), np.uint8)
        column = 0
        for values, bits in fields:
            part = values[begin : begin + _ROWS_AT_ONCE].astype(np.uint64)
            rows[: len(part), column : column + bits] = part[:, None] >> np.arange(bits, dtype=np.uint64) & 1
            column += bits
        blocks.append(np.packbits(rows, bitorder="little").tobytes())
    return b"".join(blocks) + bytes(8)
