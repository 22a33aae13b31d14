"""The automaton that finds phrases in token sequences and says what they are worth: one for many streams.

It is a trie of the tokens of all phrases, with the failure links of Aho and Corasick (1975). Every phrase
begins with a token that starts a word, so no match begins inside a word; and a phrase counts only when the
next token starts a word or the utterance ends, so none ends inside a word: CAT pays nothing in CATEGORY.

What is paid is of two kinds. *Pending* nats are an advance on a phrase that is not over; they are given back
when it is not finished. *Locked* nats stay. They are locked at the end of a word, for the longest phrase that
ends there, and each phrase is worth one budget, however many tokens it has.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]

END = -1  # stands for the token after the last one


class Rule(NamedTuple):
    """The fields of `BoostOptions` that `step` needs."""

    slope: float
    base: float
    most: float
    max_gap: float
    end_share: float
    largest_advance: float  # most nats by which what is pending can grow in one step


class GraphArrays(NamedTuple):
    """The automaton of N nodes, numbered by depth, then by parent, then by token; node 0 is the root.

    The children of node n are the nodes first[n] to first[n + 1] - 1, sorted by token.
    """

    token: Int32  # (N,) the token that leads into a node
    first: Int32  # (N + 1,)
    fail: Int32  # (N,) the node of the longest proper suffix that is the beginning of a phrase
    ends: Int32  # (N,) the node of the longest suffix, the whole included, that is a phrase; ROOT if none
    entry: Int32  # (N,) the phrase that a node spells, or NONE
    depth: Int32  # (N,) tokens from the root
    cap: Float64  # (N,) what may be pending at most: the largest budget of the phrases still possible
    floor: Float64  # (N,) what is pending if every token on the way was the most probable one of its frame
    budget: Float64  # (entries,) what each phrase is worth
    starts_word: NDArray[np.bool_]  # (V,)
    rule: Rule


def step(graph: GraphArrays, node: int, pending: float, token: int, gap: float) -> tuple[int, float, float]:
    """Return the node after `token`, the nats pending there, and the nats that this step locked.

    Plain enough for numba to compile: `numba.njit(step)`. `gap` is how many nats less probable `token` is
    than the best token of its frame, blank included. END in place of the token locks what is over and leaves
    nothing pending. The bonus of a prefix is the sum of what was locked, and what is pending.

    A phrase that fails is followed by the longest one that its last tokens begin; of that, only the constant
    part of the advance is paid afterwards, as its gaps are forgotten.
    """
    locked = 0.0
    if token < 0 or graph.starts_word[token]:
        over = graph.entry[graph.ends[node]]
        if over >= 0:
            due = graph.budget[over]
            paid = max(0.0, min(pending, due))
            pending -= paid
            locked = paid + graph.rule.end_share * (due - paid) if due > 0 else due
    if token < 0:
        return 0, 0.0, float(locked)
    parent = node
    while True:
        low, high = graph.first[parent], graph.first[parent + 1]
        while low < high:
            middle = (low + high) // 2
            if graph.token[middle] < token:
                low = middle + 1
            else:
                high = middle
        if low < graph.first[parent + 1] and graph.token[low] == token:
            break
        if parent == 0:
            return 0, 0.0, float(locked)
        parent = graph.fail[parent]
    if parent != node or parent == 0:
        return int(low), float(graph.floor[low]), float(locked)
    boost = 0.0
    if gap <= graph.rule.max_gap:
        boost = min(graph.rule.slope * gap + graph.rule.base, graph.rule.most)
    return int(low), float(min(pending + boost, graph.cap[low])), float(locked)


def continuations(graph: GraphArrays, node: int, tokens: Int32) -> int:
    """Write the tokens that continue a phrase begun at `node` into `tokens` (V,); returns how many.

    They are to be tried in a search however improbable they are; those that only begin a phrase are not
    among them. For numba, as `step`.
    """
    count = 0
    while node != 0:
        for child in range(graph.first[node], graph.first[node + 1]):
            known = False
            for place in range(count):
                known = known or tokens[place] == graph.token[child]
            if not known:
                tokens[count] = graph.token[child]
                count += 1
        node = graph.fail[node]
    return count
