"""Aligns the letters of words with their phones: expectation maximisation over chunks of both.

A word and its pronunciation are cut into pairs of a letter chunk and a phone chunk ("graphones"), of the
sizes in `SHAPES`. The probability of a cut is the product of its pairs' probabilities, which are what the
algorithm finds (Bisani & Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion", section 3,
with n = 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled, compiled_part
from biasing.graphones import LETTERS
from biasing.phone_set import PHONES

SHAPES = ((1, 0), (1, 1), (1, 2), (2, 1))
"""Letters and phones of a pair: h of "hour" is silent, x says two phones, sh one."""

_LETTER = {letter: number for number, letter in enumerate(LETTERS)}
_PHONE = {phone: number for number, phone in enumerate(PHONES)}
_NL, _NP = len(LETTERS), len(PHONES)
_ROWS = _NL + _NL * _NL
_COLUMNS = 1 + _NP + _NP * _NP

Floats = NDArray[np.float64]
Int16 = NDArray[np.int16]
Pair = tuple[str, tuple[str, ...]]


class Words(NamedTuple):
    """Words and pronunciations as numbers, one behind the other; word i has letters[at[i]:at[i + 1]]."""

    letters: Int16
    letters_at: NDArray[np.int64]
    phones: Int16
    phones_at: NDArray[np.int64]


def encode(pairs: Sequence[Pair]) -> Words:
    """Number the letters and phones of (word, phones) pairs; words are of a-z and apostrophe."""
    letters = [[_LETTER[letter] for letter in word] for word, _ in pairs]
    phones = [[_PHONE[phone] for phone in said] for _, said in pairs]
    return Words(*_joined(letters), *_joined(phones))


def _joined(rows: Sequence[Sequence[int]]) -> tuple[Int16, NDArray[np.int64]]:
    at = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return np.array([number for row in rows for number in row], np.int16), at


def learn(
    words: Words, rounds: int, shapes: Sequence[tuple[int, int]] = SHAPES
) -> tuple[Floats, list[float]]:
    """Probabilities (letter chunks, phone chunks) of the pairs, and the mean ln P of a word in each round."""
    allowed = np.array(shapes, np.int64)
    share = _even(allowed)
    history = []
    for _ in range(rounds):
        counts = np.zeros_like(share)
        total, aligned = _expect(words, share, allowed, counts)
        history.append(total / max(aligned, 1))
        share = counts / counts.sum()
    return share, history


def _even(allowed: NDArray[np.int64]) -> Floats:
    """The same probability for every pair of chunks of an allowed size."""
    share = np.zeros((_ROWS, _COLUMNS))
    rows = {1: slice(0, _NL), 2: slice(_NL, None)}
    columns = {0: slice(0, 1), 1: slice(1, 1 + _NP), 2: slice(1 + _NP, None)}
    for letters, phones in allowed.tolist():
        share[rows[letters], columns[phones]] = 1.0
    share /= share.sum()
    return share


def best_cuts(
    words: Words, share: Floats, shapes: Sequence[tuple[int, int]] = SHAPES
) -> list[list[Pair] | None]:
    """The most probable cut of every word; None where no cut into pairs of `shapes` exists."""
    allowed = np.array(shapes, np.int64)
    cuts: list[list[Pair] | None] = []
    for number in range(len(words.letters_at) - 1):
        letters = words.letters[words.letters_at[number] : words.letters_at[number + 1]]
        phones = words.phones[words.phones_at[number] : words.phones_at[number + 1]]
        steps = _best(letters, phones, share, allowed)
        cuts.append(_spelled(letters, phones, steps) if len(steps) else None)
    return cuts


def _spelled(letters: Int16, phones: Int16, steps: NDArray[np.int64]) -> list[Pair]:
    cut, i, j = [], 0, 0
    for taken, said in steps.tolist():
        chunk = "".join(LETTERS[number] for number in letters[i : i + taken])
        cut.append((chunk, tuple(PHONES[number] for number in phones[j : j + said])))
        i, j = i + taken, j + said
    return cut


@compiled_part
def _row(letters: Int16, i: int, taken: int) -> int:
    """Row of the chunk of `taken` letters that ends before `i`."""
    return int(letters[i - 1] if taken == 1 else _NL + letters[i - 2] * _NL + letters[i - 1])


@compiled_part
def _column(phones: Int16, j: int, said: int) -> int:
    """Column of the chunk of `said` phones that ends before `j`."""
    if said == 0:
        return 0
    return int(1 + phones[j - 1] if said == 1 else 1 + _NP + phones[j - 2] * _NP + phones[j - 1])


@compiled
def _expect(words: Words, share: Floats, allowed: NDArray[np.int64], counts: Floats) -> tuple[float, int]:
    """Add the expected count of every pair to `counts`; the sum of ln P, and the words with any cut."""
    total, aligned = 0.0, 0
    for number in range(len(words.letters_at) - 1):
        letters = words.letters[words.letters_at[number] : words.letters_at[number + 1]]
        phones = words.phones[words.phones_at[number] : words.phones_at[number + 1]]
        n, m = len(letters), len(phones)
        ahead = np.zeros((n + 1, m + 1))
        behind = np.zeros((n + 1, m + 1))
        ahead[0, 0] = behind[n, m] = 1.0
        for i in range(n + 1):
            for j in range(m + 1):
                for taken, said in allowed:
                    if i >= taken and j >= said:
                        pair = share[_row(letters, i, taken), _column(phones, j, said)]
                        ahead[i, j] += ahead[i - taken, j - said] * pair
        if ahead[n, m] <= 0.0:
            continue
        total += np.log(ahead[n, m])
        aligned += 1
        for i in range(n, -1, -1):
            for j in range(m, -1, -1):
                for taken, said in allowed:
                    if i >= taken and j >= said:
                        row, column = _row(letters, i, taken), _column(phones, j, said)
                        passed = behind[i, j] * share[row, column]
                        behind[i - taken, j - said] += passed
                        counts[row, column] += ahead[i - taken, j - said] * passed / ahead[n, m]
    return total, aligned


@compiled
def _best(letters: Int16, phones: Int16, share: Floats, allowed: NDArray[np.int64]) -> NDArray[np.int64]:
    """(pairs, 2) letters and phones of each pair of the most probable cut; (0, 2) if there is none."""
    n, m = len(letters), len(phones)
    score = np.full((n + 1, m + 1), -np.inf)
    came = np.full((n + 1, m + 1), -1)
    score[0, 0] = 0.0
    for i in range(n + 1):
        for j in range(m + 1):
            for shape in range(len(allowed)):
                taken, said = allowed[shape]
                if i >= taken and j >= said:
                    pair = share[_row(letters, i, taken), _column(phones, j, said)]
                    through = score[i - taken, j - said] + np.log(pair) if pair > 0 else -np.inf
                    if through > score[i, j]:
                        score[i, j], came[i, j] = through, shape
    length = 0
    steps = np.zeros((n + 1 + m, 2), np.int64)
    i, j = n, m
    while came[i, j] >= 0 and (i > 0 or j > 0):
        steps[length] = allowed[came[i, j]]
        i, j = i - steps[length, 0], j - steps[length, 1]
        length += 1
    return steps[:length][::-1] if i == 0 and j == 0 else steps[:0]
