"""The inner loop of spotting, compiled: tokens are passed over a trie of spellings, in the CTC topology."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled_in_place, part_in_place

Int64 = NDArray[np.int64]
NO_SPELLING = -1
TOKEN, BLANK = 0, 1
"""What a path ends in."""
ROWS = 1 << 13
"""Findings there is room for at first."""


class Nodes(NamedTuple):
    """A trie, node 0 its root, the children of a node one behind the other."""

    parent: Int64
    """(N,) the node before."""
    token: Int64
    """(N,) the token that leads into a node."""
    first: Int64
    """(N + 1,) the first child of each node; the next one's entry ends them."""
    spelling: Int64
    """(N,) the spelling that a node ends, `NO_SPELLING` for none."""


class Paths(NamedTuple):
    """The best path into each of N nodes, by the frame's parity and by what it ends in."""

    score: NDArray[np.float64]
    """(2, 2, N) nats, -inf for no path; unwritten where no node was ever looked at."""
    begin: Int64
    """(2, 2, N) the frame it began in."""
    seen: Int64
    """(N,) the frame after the last one in which the node was looked at, 0 for none."""


def spot(log_probs: NDArray[np.float32], nodes: Nodes, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find spellings in log-probs `(T, V)`: rows of spelling, score, first frame, frame after the last.

    Only nodes that a path has reached are looked at, and their children, so the time hardly grows with the
    list. `limits` are the bonus of a token's frame, the beam, the largest log-prob of the blank and the least
    one of a token with which a spelling may begin, and the score beyond which it is found. The blank is 0.
    """
    count, rows = len(nodes.parent), ROWS
    while True:
        room = np.empty((2, 2, count)), np.empty((2, 2, count), np.int64)
        paths = Paths(*room, np.zeros(count, np.int64))
        found = np.empty((rows, 4))
        rows = _pass_tokens(log_probs, nodes, limits, paths, np.empty((2, count), np.int64), found)
        if rows <= len(found):
            return found[:rows]


@compiled_in_place
def _pass_tokens(
    log_probs: NDArray[np.float32],
    nodes: Nodes,
    limits: NDArray[np.float64],
    paths: Paths,
    room: Int64,
    found: NDArray[np.float64],
) -> int:
    """Write what `spot` finds; returns how many rows there are, also those that `found` has no room for."""
    alive, coming = room[0], room[1]
    living, rows = 0, 0
    for frame in range(len(log_probs)):
        now, row = frame % 2, log_probs[frame]
        reached = _reached(frame, row, nodes, paths, alive[:living], coming, limits)
        best = -np.inf
        for place in range(reached):
            best = max(best, _advance(coming[place], frame, row, nodes, paths, limits))
        for place in range(living):
            paths.score[1 - now, TOKEN, alive[place]] = -np.inf
            paths.score[1 - now, BLANK, alive[place]] = -np.inf
        living = 0
        for place in range(reached):
            node = coming[place]
            for ending in (TOKEN, BLANK):
                if paths.score[now, ending, node] < best - limits[1]:
                    paths.score[now, ending, node] = -np.inf
            if max(paths.score[now, TOKEN, node], paths.score[now, BLANK, node]) > -np.inf:
                alive[living] = node
                living += 1
            score = paths.score[now, TOKEN, node]
            if nodes.spelling[node] != NO_SPELLING and score > limits[4]:
                if rows < len(found):
                    found[rows, 0], found[rows, 1] = nodes.spelling[node], score
                    found[rows, 2], found[rows, 3] = paths.begin[now, TOKEN, node], frame + 1
                rows += 1
    return rows


@part_in_place
def _reached(
    frame: int,
    row: NDArray[np.float32],
    nodes: Nodes,
    paths: Paths,
    alive: Int64,
    coming: Int64,
    limits: NDArray[np.float64],
) -> int:
    """Gather the nodes that have paths, their children, and those that a spelling begins with; how many."""
    count = 0
    for node in alive:
        count = _look_at(node, frame, paths, coming, count)
        for child in range(nodes.first[node], nodes.first[node + 1]):
            count = _look_at(child, frame, paths, coming, count)
    if row[0] <= limits[2]:
        for child in range(nodes.first[0], nodes.first[1]):
            if row[nodes.token[child]] >= limits[3]:
                count = _look_at(child, frame, paths, coming, count)
    return count


@part_in_place
def _look_at(node: int, frame: int, paths: Paths, coming: Int64, count: int) -> int:
    """Note a node once a frame, without paths at first; returns how many are noted."""
    if paths.seen[node] == frame + 1:
        return count
    if paths.seen[node] == 0:
        paths.score[:, :, node] = -np.inf
    paths.seen[node], coming[count] = frame + 1, node
    return count + 1


@part_in_place
def _advance(
    node: int,
    frame: int,
    row: NDArray[np.float32],
    nodes: Nodes,
    paths: Paths,
    limits: NDArray[np.float64],
) -> float:
    """Find the best paths into a node in this frame, from those of the frame before; the better score."""
    now, old = frame % 2, 1 - frame % 2
    score, begin = paths.score, paths.begin
    parent, token = nodes.parent[node], nodes.token[node]
    move, move_from = score[old, TOKEN, node], begin[old, TOKEN, node]
    stay, stay_from = score[old, BLANK, node], begin[old, BLANK, node]
    if move > stay:
        stay, stay_from = move, move_from
    if parent > 0 and score[old, BLANK, parent] > move:
        move, move_from = score[old, BLANK, parent], begin[old, BLANK, parent]
    if parent > 0 and nodes.token[parent] != token and score[old, TOKEN, parent] > move:
        move, move_from = score[old, TOKEN, parent], begin[old, TOKEN, parent]
    if parent == 0 and move < 0.0 and row[0] <= limits[2] and row[token] >= limits[3]:
        move, move_from = 0.0, frame
    score[now, TOKEN, node], begin[now, TOKEN, node] = move + row[token] + limits[0], move_from
    score[now, BLANK, node], begin[now, BLANK, node] = stay + row[0], stay_from
    return float(max(score[now, TOKEN, node], score[now, BLANK, node]))
