"""The numbers of one order of a binary trie as bit fields: whole floats, or bins that hold equally many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Field = tuple[NDArray[np.integer[Any]], int]

# A weight of 0 stays apart from the bins, with its sign: KenLM reads -0.0 as "no n-gram goes on from here".
_ZEROS = np.array([-0.0, 0.0], np.float32)


@dataclass(frozen=True)
class Coded:
    """Log probabilities and backoff weights of one order, ready to be packed.

    Attributes:
        table: the bin centres as bytes; empty for whole floats.
        fields: (values, bits) of each field of a record, lowest bits first.
    """

    table: bytes
    fields: list[Field]


def store_floats(probs: Singles, backoffs: Singles | None) -> Coded:
    """Every number as it is; a log probability goes without its sign, which is always minus."""
    unsigned = probs.view(np.uint32) & np.uint32(0x7FFFFFFF)
    fields: list[Field] = [(unsigned.astype(np.uint64), 31)]
    if backoffs is not None:
        fields.append((backoffs.view(np.uint32).astype(np.uint64), 32))
    return Coded(b"", fields)


def quantise(probs: Singles, backoffs: Singles | None, prob_bits: int, backoff_bits: int) -> Coded:
    """The number of the nearest bin centre for every number, in `prob_bits` and `backoff_bits` bits."""
    centres = make_bins(probs, 1 << prob_bits)
    coded = (nearest_bin(probs, centres), prob_bits)
    if backoffs is None:
        return Coded(centres.tobytes(), [coded])
    weights = make_bins(backoffs[backoffs != 0], (1 << backoff_bits) - len(_ZEROS))
    zero = np.where(np.signbit(backoffs), 0, 1)
    bins = np.where(backoffs == 0, zero, len(_ZEROS) + nearest_bin(backoffs, weights))
    table = centres.tobytes() + _ZEROS.tobytes() + weights.tobytes()
    return Coded(table, [(bins, backoff_bits), coded])


def make_bins(values: Singles, size: int) -> Singles:
    """(size,) Rising centres of bins that hold equally many of the values (Federico & Bertoldi 2006).

    A bin without a value repeats the one before it; those before the first value are -inf.
    """
    bounds = len(values) * np.arange(size + 1) // size
    filled = np.diff(bounds) > 0
    centres = np.full(size, -np.inf)
    if len(values):
        sums = np.add.reduceat(np.sort(values).astype(np.float64), bounds[:-1][filled])
        centres[filled] = sums / np.diff(bounds)[filled]
    return np.maximum.accumulate(centres).astype(np.float32)


def nearest_bin(values: Singles, centres: Singles) -> NDArray[np.int64]:
    """(values,) The number of the bin whose centre is nearest."""
    above = np.clip(np.searchsorted(centres, values), 1, len(centres) - 1)
    lower_is_nearer = values - centres[above - 1] < centres[above] - values
    return np.asarray(above - lower_is_nearer, np.int64)
