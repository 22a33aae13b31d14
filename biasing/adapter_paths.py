"""How well a phrase fits through each frame, its sub-words in their order: compiled, for the adapter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled_in_place, part_in_place

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

TOKEN, BLANK = 0, 1
"""What a path is in: a sub-word, or the blanks after it."""
NEVER = np.float32(-1e9)


def phrase_paths(scores: Float32, tokens: Int64, lengths: Int64, faintest: float) -> Float32:
    """The best CTC path of each phrase through each of its rows in each frame: `(T, M)`, sums of scores.

    A phrase has a row for each of its sub-words, and behind them one for the blanks between these, so that
    M = sum(lengths) + P. Its path begins with its first sub-word in any frame and ends with its last one in
    any later one; blanks between may be left out except between equal sub-words. O(T M) time.

    Args:
        scores: (T, V), what each frame costs as each sub-word, at most 0; the blank is 0.
        tokens: (N,), the sub-words of all phrases, one phrase behind the other.
        lengths: (P,), sub-words of each phrase, 1 or more.
        faintest: what a path counts at least.
    """
    found = np.empty((len(scores), len(tokens) + len(lengths)), np.float32)
    longest = int(lengths.max(initial=1))
    to, onward = np.empty((len(scores), 2, longest), np.float32), np.empty((2, longest), np.float32)
    _fill(scores, tokens, lengths, np.float32(faintest), (to, onward, found))
    return found


@compiled_in_place
def _fill(
    scores: Float32, tokens: Int64, lengths: Int64, floor: np.float32, room: tuple[Float32, Float32, Float32]
) -> None:
    """`phrase_paths`, written to the last of `room`; the first is for `_forward`, the second `_backward`."""
    to, onward, found = room
    first, row = 0, 0
    for length in lengths:
        said = tokens[first : first + length]
        _forward(scores, said, to)
        _backward(scores, said, to, onward, found[:, row : row + length + 1], floor)
        first, row = first + length, row + length + 1


@part_in_place
def _forward(scores: Float32, said: Int64, to: Float32) -> None:
    """The best path from the beginning to each state in each frame."""
    for frame in range(len(scores)):
        score, old = scores[frame], to[frame - 1]
        for n in range(len(said)):
            best, after = NEVER, NEVER
            if frame > 0:
                after = max(old[TOKEN, n], old[BLANK, n])
                if n > 0:
                    best = max(old[TOKEN, n], old[BLANK, n - 1])
                    if said[n] != said[n - 1]:
                        best = max(best, old[TOKEN, n - 1])
            if n == 0:
                best = np.float32(0.0)
            to[frame, TOKEN, n] = best + score[said[n]]
            to[frame, BLANK, n] = after + score[0]


@part_in_place
def _backward(
    scores: Float32, said: Int64, to: Float32, onward: Float32, found: Float32, floor: np.float32
) -> None:
    """Join each state's best path to it and from it to the end; `onward` is room for the latter."""
    frames, last = len(scores), len(said) - 1
    for frame in range(frames - 1, -1, -1):
        score, between = scores[frame], floor
        for n in range(last + 1):  # ascending: of n + 1 there is still what was found for the frame after
            best, after = NEVER, NEVER
            if n < last and frame < frames - 1:
                best = max(onward[TOKEN, n], onward[BLANK, n])
                if said[n] != said[n + 1]:
                    best = max(best, onward[TOKEN, n + 1])
                after = max(onward[BLANK, n], onward[TOKEN, n + 1])
            if n == last:
                best = np.float32(0.0)
            found[frame, n] = max(floor, to[frame, TOKEN, n] + best)
            between = max(between, to[frame, BLANK, n] + after)
            onward[TOKEN, n], onward[BLANK, n] = best + score[said[n]], after + score[0]
        found[frame, last + 1] = between
