"""Tries and their failure links, a level at a time in numpy: what `biasing.graph` is built of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROOT = 0
NONE = -1


class Trie(NamedTuple):
    """N nodes numbered by depth, then by parent, then by token; node 0 is the root.

    The children of a node have numbers that follow each other, and are sorted by token.
    """

    parent: Ints  # (N,)
    token: Ints  # (N,) the token that leads into a node
    level: Ints  # (depths + 1,) the nodes of depth d are level[d] to level[d + 1] - 1
    last: Ints  # (sequences,) the node of each whole sequence

    @property
    def first(self) -> Ints:
        """(N + 1,) the first child of every node; the next one's entry ends its children."""
        return np.searchsorted(self.parent[1:], np.arange(len(self.parent) + 1)) + 1

    @property
    def depth(self) -> Ints:
        """(N,) tokens from the root."""
        return np.repeat(np.arange(len(self.level) - 1), np.diff(self.level))

    def nodes(self, depth: int) -> slice:
        """The nodes of a depth."""
        return slice(int(self.level[depth]), int(self.level[depth + 1]))


def make_trie(tokens: Ints, lengths: Ints, vocabulary: int) -> Trie:
    """Build the trie of sequences that lie one behind the other in `tokens`."""
    begins = np.cumsum(lengths) - lengths
    node = np.zeros(len(lengths), dtype=np.int64)
    parents, entered, level = [np.array([NONE])], [np.array([NONE])], [0, 1]
    active = np.flatnonzero(lengths > 0)
    while len(active):
        depth = len(level) - 2
        keys = node[active] * vocabulary + tokens[begins[active] + depth]
        distinct, which = np.unique(keys, return_inverse=True)
        node[active] = level[-1] + which
        parents.append(distinct // vocabulary)
        entered.append(distinct % vocabulary)
        level.append(level[-1] + len(distinct))
        active = active[lengths[active] > depth + 1]
    return Trie(np.concatenate(parents), np.concatenate(entered), np.array(level), node)


def failure_links(trie: Trie, vocabulary: int) -> Ints:
    """(N,) the node of the longest proper suffix of each node's tokens that is in the trie.

    Source: Aho and Corasick 1975, "Efficient string matching", algorithm 3.
    """
    keys = trie.parent[1:] * vocabulary + trie.token[1:]
    fail = np.zeros(len(trie.token), dtype=np.int64)
    for depth in range(2, len(trie.level) - 1):
        nodes = np.arange(trie.level[depth], trie.level[depth + 1])
        behind = fail[trie.parent[nodes]]
        while len(nodes):
            wanted = behind * vocabulary + trie.token[nodes]
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            found = keys[place] == wanted
            fail[nodes[found]] = place[found] + 1
            again = ~found & (behind != ROOT)
            nodes, behind = nodes[again], fail[behind[again]]
    return fail


def longest_ends(trie: Trie, fail: Ints, entry: Ints) -> Ints:
    """(N,) the node of the longest suffix of each node's tokens, itself included, that has an entry."""
    ends = np.where(entry == NONE, ROOT, np.arange(len(entry)))
    for depth in range(1, len(trie.level) - 1):
        nodes = trie.nodes(depth)
        ends[nodes] = np.where(ends[nodes] == ROOT, ends[fail[nodes]], ends[nodes])
    return ends


def largest_below(trie: Trie, worth: Floats) -> Floats:
    """(N,) the largest of `worth` (N,) at each node and below it."""
    largest = worth.copy()
    for depth in range(len(trie.level) - 2, 0, -1):
        nodes = trie.nodes(depth)
        np.maximum.at(largest, trie.parent[nodes], largest[nodes])
    return largest


def paid_in_advance(trie: Trie, each: float, settled: Floats, cap: Floats) -> Floats:
    """(N,) what is pending at each node when every token after the first brings `each` nats.

    `settled` (N,) is what is taken out of the pending nats on the way into a node, as a phrase was over
    there; `cap` (N,) is the most that may be pending.
    """
    pending = np.zeros(len(trie.token))
    for depth in range(2, len(trie.level) - 1):
        nodes = trie.nodes(depth)
        left = np.maximum(pending[trie.parent[nodes]] - settled[nodes], 0.0)
        pending[nodes] = np.minimum(left + each, cap[nodes])
    return pending
