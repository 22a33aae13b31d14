"""The most probable CTC path through words of several pronunciations each: one compiled Viterbi search."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled_in_place, part_in_place

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_NEVER = -np.inf


class Ways(NamedTuple):
    """Words in a row as tokens of their pronunciations; plain CTC tokens are one word said in one way."""

    tokens: Int64  # (N,) of all pronunciations, one behind the other
    lengths: Int64  # (M,) tokens of each pronunciation, 1 or more
    counts: Int64  # (W,) pronunciations of each word, 1 or more


def one_way(tokens: Int64) -> Ways:
    """Plain CTC tokens as what may be said; no tokens are no word."""
    words = min(len(tokens), 1)
    return Ways(tokens, np.full(words, len(tokens)), np.ones(words, dtype=np.int64))


class _States(NamedTuple):
    """A blank before, between and after the words; tokens with blanks between them for each way.

    Most states are reached from the one or two below them, which compiles to vector instructions; the links
    from and to further ways of a word are jumps.
    """

    label: Int64  # (S,) what is said in the state
    place: Int64  # (S,) its index into the tokens, -1 for blanks
    one: Float64  # (S,) 0 where the state below leads here, negative infinity elsewhere
    two: Float64  # (S,) likewise of the second state below
    jump: Int64  # (J,) states reached from elsewhere, as many as `_fill` says
    source: Int64  # (J,) and from where
    ends: Int64  # (M,) the last state of each way


def best_path(log_probs: Float32, ways: Ways, blank: int) -> tuple[float, Int64]:
    """Find the best alignment of the words, choosing one pronunciation of each.

    Blanks may be skipped except between equal tokens. O(frames · states) time and memory: the choices of
    pronunciations do not multiply.

    Args:
        log_probs: (T, V), natural logarithms.
        ways: what may be said.
        blank: the id of the blank.

    Returns:
        Nats of the path, and each frame's index into `ways.tokens`, -1 at blanks. Where there is no
        alignment, as with more tokens than frames, negative infinity and an empty path.

    Source: Graves et al. 2006, "Connectionist Temporal Classification", section 4.1, with max for the sum and
    the chain of labels widened to a lattice.
    """
    path = np.empty(len(log_probs), dtype=np.int64)
    if len(log_probs) == 0:
        return (_NEVER if len(ways.counts) else 0.0), path
    states = _room(ways)
    score = np.empty((len(log_probs), len(states.label)))
    total = _find_path(log_probs, ways, blank, states, score, path)
    return total, path[:0] if total == _NEVER else path


def best_total(log_probs: Float32, ways: Ways, blank: int) -> float:
    """The nats of `best_path` alone, in less time and memory."""
    if len(log_probs) == 0:
        return _NEVER if len(ways.counts) else 0.0
    states = _room(ways)
    total: float = _find_total(log_probs, ways, blank, states, np.empty((2, len(states.label))))
    return total


def _room(ways: Ways) -> _States:
    """Memory for the states of some words, not filled in."""
    counts = ways.counts.tolist()
    jumps = sum(count * (2 + before) for count, before in zip(counts, [0, *counts], strict=False))
    states = 2 * len(ways.tokens) - len(ways.lengths) + len(counts) + 1
    label, place = np.empty((2, states), dtype=np.int64)
    one, two = np.empty((2, states))
    jump, source = np.empty((2, jumps), dtype=np.int64)
    return _States(label, place, one, two, jump, source, np.empty_like(ways.lengths))


@compiled_in_place
def _find_total(log_probs: Float32, ways: Ways, blank: int, states: _States, score: Float64) -> float:
    """`best_total` of one frame or more; `score` (2, S) is room for the scores of two frames."""
    jumps = _fill(states, ways, blank)
    last = score[_forward(log_probs, states, jumps, score)]
    return float(last[_best_end(last, states, jumps)])


@compiled_in_place
def _find_path(
    log_probs: Float32, ways: Ways, blank: int, states: _States, score: Float64, path: Int64
) -> float:
    """`best_path` of one frame or more, written to `path`; `score` (T, S) is room for all scores."""
    jumps = _fill(states, ways, blank)
    last = score[_forward(log_probs, states, jumps, score)]
    state = _best_end(last, states, jumps)
    total = float(last[state])
    if total == _NEVER:
        return total
    for frame in range(len(log_probs) - 1, -1, -1):
        path[frame] = states.place[state]
        if frame > 0:
            said = log_probs[frame, states.label[state]]
            state = _came_from(score[frame - 1], states, jumps, state, said)
    return total


@part_in_place
def _forward(log_probs: Float32, states: _States, jumps: int, score: Float64) -> int:
    """Write the scores of each frame to a row, beginning anew behind the last one; returns the last row."""
    _begin(log_probs[0], states, jumps, score[0])
    label, one, two, jump, source = states.label, states.one, states.two, states.jump, states.source
    row = 0
    for frame in range(1, len(log_probs)):
        before = score[row]
        row = row + 1 if row + 1 < len(score) else 0
        after, now = score[row], log_probs[frame]
        after[0] = before[0]
        if len(after) > 1:
            after[1] = max(before[1], before[0])
        for state in range(2, len(after)):
            below, skip = before[state - 1] + one[state], before[state - 2] + two[state]
            after[state] = max(before[state], max(below, skip))  # noqa: PLW3301 - of two each: vector code
        for index in range(jumps):
            after[jump[index]] = max(after[jump[index]], before[source[index]])
        for state in range(len(after)):
            after[state] += now[label[state]]
    return row


@part_in_place
def _came_from(before: Float64, states: _States, jumps: int, state: int, said: float) -> int:
    """The state of the frame before from which the best path leads into a state."""
    best, origin = before[state], state
    if state > 0 and before[state - 1] + states.one[state] > best:
        best, origin = before[state - 1] + states.one[state], state - 1
    if state > 1 and before[state - 2] + states.two[state] > best:
        best, origin = before[state - 2] + states.two[state], state - 2
    for index in range(jumps):
        source = states.source[index]
        if states.jump[index] == state and before[source] + said > best + said:
            best, origin = before[source], source
    return origin


@part_in_place
def _begin(frame: Float32, states: _States, jumps: int, score: Float64) -> None:
    """The scores of the first frame: a path begins in the first blank, or in a way of the first word."""
    for state in range(len(score)):
        score[state] = _NEVER
    score[0] = frame[states.label[0]]
    if len(score) > 1 and states.one[1] == 0.0:
        score[1] = frame[states.label[1]]
    if len(score) > 2 and states.two[2] == 0.0:
        score[2] = frame[states.label[2]]
    for index in range(jumps):
        if states.source[index] == 0:
            score[states.jump[index]] = frame[states.label[states.jump[index]]]


@part_in_place
def _best_end(score: Float64, states: _States, jumps: int) -> int:
    """The best of the last blank and of the ends of the ways of the last word, which may lead to it."""
    last = len(score) - 1
    best = last
    for index in range(jumps):
        if states.jump[index] == last and score[states.source[index]] > score[best]:
            best = states.source[index]
    if last > 0 and score[last - 1] > score[best]:
        best = last - 1
    if last > 1 and states.two[last] == 0.0 and score[last - 2] > score[best]:
        best = last - 2
    return best


@part_in_place
def _fill(states: _States, ways: Ways, blank: int) -> int:
    """Write the states of the words into the room for them; returns how many jumps there are."""
    tokens, lengths, counts = ways
    for state in range(len(states.label)):
        states.label[state], states.place[state] = blank, -1
        states.one[state], states.two[state] = _NEVER, _NEVER
    ends = states.ends
    state, token, way, before, jumps = 0, 0, 0, 0, 0
    for word in range(len(counts) + 1):
        between, first = state, way
        for earlier in range(before, first):
            jumps = _link(states, state, ends[earlier], jumps)
        state += 1
        for _ in range(counts[word] if word < len(counts) else 0):
            for index in range(lengths[way]):
                if index > 0:
                    states.one[state] = 0.0
                    state += 1
                states.label[state], states.place[state] = tokens[token], token
                if index > 0:
                    states.one[state] = 0.0
                    states.two[state] = 0.0 if tokens[token - 1] != tokens[token] else _NEVER
                else:
                    jumps = _link(states, state, between, jumps)
                    for earlier in range(before, first):
                        if states.label[ends[earlier]] != tokens[token]:
                            jumps = _link(states, state, ends[earlier], jumps)
                token, state = token + 1, state + 1
            ends[way] = state - 1
            way += 1
        before = first
    return jumps


@part_in_place
def _link(states: _States, state: int, source: int, jumps: int) -> int:
    """Let `source` lead to `state`; returns how many jumps there are then."""
    if state - source == 1:
        states.one[state] = 0.0
    elif state - source == 2:
        states.two[state] = 0.0
    else:
        states.jump[jumps], states.source[jumps] = state, source
        jumps += 1
    return jumps
