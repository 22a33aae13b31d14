"""The most probable CTC path through words of several pronunciations each: one compiled Viterbi search."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled, compiled_part

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_NEVER = -np.inf
_JUMPS = 3  # steps back: 0 stay, 1 and 2 that many states down, from here on the source of a jump


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
    jump: Int64  # (J,) states reached from elsewhere
    source: Int64  # (J,) and from where


@compiled
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
    states = _states(ways, blank)
    frames, last = len(log_probs), len(states.label) - 1
    path = np.empty(frames, dtype=np.int64)
    if frames == 0:
        return (_NEVER if last else 0.0), path
    score = _first_scores(log_probs[0], states)
    back = np.empty((frames, last + 1), dtype=np.int32)
    for frame in range(1, frames):
        score = _advance(log_probs[frame], states, score, back[frame])
    state = last
    for end in _ends(states):
        if score[end] > score[state]:
            state = end
    total = score[state]
    if total == _NEVER:
        return total, path[:0]
    for frame in range(frames - 1, -1, -1):
        path[frame] = states.place[state]
        if frame > 0:
            step = back[frame, state]
            state = state - step if step < _JUMPS else states.source[step - _JUMPS]
    return total, path


@compiled
def best_total(log_probs: Float32, ways: Ways, blank: int) -> float:
    """The nats of `best_path` alone, in a third of the time."""
    states = _states(ways, blank)
    if len(log_probs) == 0:
        return _NEVER if len(states.label) > 1 else 0.0
    score = _first_scores(log_probs[0], states)
    after = np.empty_like(score)
    label, _, one, two, jump, source = states
    for frame in range(1, len(log_probs)):
        now = log_probs[frame]
        after[0] = score[0]
        if len(score) > 1:
            after[1] = max(score[1], score[0])
        for state in range(2, len(score)):
            below, skip = score[state - 1] + one[state], score[state - 2] + two[state]
            after[state] = max(score[state], max(below, skip))  # noqa: PLW3301 - of two each: vector code
        for index in range(len(jump)):
            after[jump[index]] = max(after[jump[index]], score[source[index]])
        for state in range(len(score)):
            after[state] += now[label[state]]
        score, after = after, score
    best = score[-1]
    for end in _ends(states):
        best = max(best, score[end])
    return float(best)


@compiled_part
def _first_scores(frame: Float32, states: _States) -> Float64:
    """A path begins in the first blank, or in the first token of a way of the first word."""
    score = np.full(len(states.label), _NEVER)
    score[0] = frame[states.label[0]]
    for state in range(1, min(3, len(score))):
        if (states.one if state == 1 else states.two)[state] == 0.0:
            score[state] = frame[states.label[state]]
    for index in range(len(states.jump)):
        if states.source[index] == 0:
            score[states.jump[index]] = frame[states.label[states.jump[index]]]
    return score


@compiled_part
def _ends(states: _States) -> list[int]:
    """The ends of the ways of the last word, all that may lead to the last blank."""
    last = len(states.label) - 1
    ends = [states.source[index] for index in range(len(states.jump)) if states.jump[index] == last]
    if last > 0:
        ends.append(last - 1)
    if last > 1 and states.two[last] == 0.0:
        ends.append(last - 2)
    return ends


@compiled_part
def _advance(frame: Float32, states: _States, score: Float64, back: NDArray[np.int32]) -> Float64:
    """The scores after one frame more; `back` notes where each state came from."""
    label, _, one, two, jump, source = states
    said = np.empty(len(score))
    for state in range(len(score)):
        said[state] = frame[label[state]]
    after = score + said
    back[:] = 0
    if len(score) > 1 and score[0] > score[1]:
        after[1], back[1] = score[0] + said[1], 1
    for state in range(2, len(score)):
        stay, below, skip = score[state], score[state - 1] + one[state], score[state - 2] + two[state]
        best = max(stay, below)
        back[state] = 2 if skip > best else (1 if below > stay else 0)
        after[state] = max(best, skip) + said[state]
    for index in range(len(jump)):
        state = jump[index]
        if score[source[index]] + said[state] > after[state]:
            after[state], back[state] = score[source[index]] + said[state], _JUMPS + index
    return after


@compiled_part
def _states(ways: Ways, blank: int) -> _States:
    tokens, lengths, counts = ways
    count = 2 * len(tokens) - len(lengths) + len(counts) + 1
    states = _States(
        np.full(count, blank, dtype=np.int64),
        np.full(count, -1, dtype=np.int64),
        np.full(count, _NEVER),
        np.full(count, _NEVER),
        np.empty(_most_jumps(counts), dtype=np.int64),
        np.empty(_most_jumps(counts), dtype=np.int64),
    )
    ends = np.empty(len(lengths), dtype=np.int64)
    state, token, way, before, jumps = 0, 0, 0, 0, 0
    for word in range(len(counts) + 1):
        between, first = state, way
        for end in ends[before:first]:
            jumps = _link(states, state, end, jumps)
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
                    for end in ends[before:first]:
                        if states.label[end] != tokens[token]:
                            jumps = _link(states, state, end, jumps)
                token, state = token + 1, state + 1
            ends[way] = state - 1
            way += 1
        before = first
    label, place, one, two, jump, source = states
    return _States(label, place, one, two, jump[:jumps], source[:jumps])


@compiled_part
def _most_jumps(counts: Int64) -> int:
    most = 0
    for word in range(len(counts)):
        most += counts[word] * (1 + (counts[word - 1] if word > 0 else 0)) + counts[word]
    return most


@compiled_part
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
