"""The hash tables of the compiled search: what the scorer said, and the tree of prefixes."""

from __future__ import annotations

import numpy as np

from asr.compiled import compiled_in_place, part_in_place
from asr.search_arrays import EMPTY, ROWS, Float64, Int32, Int64, Moves, Tree, new_tree


@part_in_place
def key_of(number: int, token: int) -> int:
    """One 64-bit key of a row or state number and a token."""
    return int((np.int64(number) << 32) | np.int64(token))


@part_in_place
def find(keys: Int64, key: int) -> int:
    """The place of `key` in an open-addressing table whose length is a power of two, or of its free place."""
    mask = len(keys) - 1
    place = ((key * -7046029254386353131) >> 24) & mask  # Fibonacci hashing, Knuth vol. 3, 6.4
    while keys[place] != EMPTY and keys[place] != key:
        place = (place + 1) & mask
    return int(place)


@compiled_in_place
def fill_moves(moves: Moves, keys: Int64, states: Int32, nats: Float64) -> int:
    """Write the scorer's answers into the table; returns how many were new."""
    new = 0
    for index in range(len(keys)):
        place = find(moves.keys, keys[index])
        if moves.keys[place] == EMPTY:
            moves.keys[place] = keys[index]
            new += 1
        moves.state[place] = states[index]
        moves.nats[place] = nats[index]
    return new


@compiled_in_place
def fill_rows(tree: Tree, count: int) -> None:
    """Enter the first `count` rows, which were copied from a smaller tree, into the empty hash table."""
    for row in range(1, count):
        place = find(tree.keys, key_of(tree.parent[row], tree.token[row]))
        tree.keys[place] = key_of(tree.parent[row], tree.token[row])
        tree.rows[place] = row


def larger(tree: Tree, count: int) -> Tree:
    """Copy a tree of `count` rows into one of twice the room."""
    copied = new_tree(2 * len(tree.parent))
    for name in ("parent", "token", "state", "letters", "lm", "node", "slot"):
        getattr(copied, name)[:count] = getattr(tree, name)[:count]
    fill_rows(copied, count)
    return copied


@part_in_place
def child(tree: Tree, counts: Int64, parent: int, token: int) -> int:
    """The row of the prefix `parent` + `token`, made if it is new."""
    key = key_of(parent, token)
    place = find(tree.keys, key)
    if tree.keys[place] == EMPTY:
        row = counts[ROWS]
        counts[ROWS] = row + 1
        tree.keys[place] = key
        tree.rows[place] = row
        tree.parent[row] = parent
        tree.token[row] = token
        tree.slot[row] = -1
    return int(tree.rows[place])
