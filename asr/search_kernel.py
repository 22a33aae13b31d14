"""The compiled half of the prefix beam search: prefixes, candidates and pruning, all in flat arrays.

It runs over frames by itself and hands back to Python only for what it cannot know: the scores of steps that
the scorer was never asked for, and larger arrays. A frame changes the beam only when it has all it needs, so
that it can be run again after an interruption.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from asr.compiled import compiled, compiled_part
from asr.search_arrays import (
    EMPTY,
    LIVE,
    MISSING,
    NEVER,
    PROPOSED,
    ROWS,
    STAYS,
    Candidates,
    Float32,
    Float64,
    Int32,
    Int64,
    Moves,
    Search,
    Settings,
    Tree,
)


@compiled_part
def log_add(first: float, second: float) -> float:
    """log(exp(first) + exp(second)), also of minus infinities."""
    high, low = max(first, second), min(first, second)
    if low == NEVER:
        return high
    return high + math.log1p(math.exp(low - high))


@compiled_part
def key_of(number: int, token: int) -> int:
    """One 64-bit key of a row or state number and a token."""
    return int((np.int64(number) << 32) | np.int64(token))


@compiled_part
def find(keys: Int64, key: int) -> int:
    """The place of `key` in an open-addressing table whose length is a power of two, or of its free place."""
    mask = len(keys) - 1
    place = ((key * -7046029254386353131) >> 24) & mask  # Fibonacci hashing, Knuth vol. 3, 6.4
    while keys[place] != EMPTY and keys[place] != key:
        place = (place + 1) & mask
    return int(place)


@compiled
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


@compiled
def fill_rows(tree: Tree, count: int) -> None:
    """Enter the first `count` rows, which were copied from a smaller tree, into the empty hash table."""
    for row in range(1, count):
        place = find(tree.keys, key_of(tree.parent[row], tree.token[row]))
        tree.keys[place] = key_of(tree.parent[row], tree.token[row])
        tree.rows[place] = row


@compiled_part
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


@compiled_part
def near_tokens(log_probs: Float32, settings: Settings, near: Int32) -> int:
    """Choose the tokens by which prefixes may grow in this frame, best first; returns how many.

    They are the `len(near)` best ones without blank, less those that are further than `token_gap` below the
    best of the frame. Tokens that must be tried whatever their rank are to be added here, per prefix.
    """
    best = NEVER
    for value in log_probs:
        best = max(best, value)
    floor = best - settings.token_gap
    count = 0
    for token in range(len(log_probs)):
        value = log_probs[token]
        if value < floor or value == NEVER or token == settings.blank:
            continue
        if count < len(near):
            count += 1
        elif value <= log_probs[near[count - 1]]:
            continue
        place = count - 1
        while place > 0 and log_probs[near[place - 1]] < value:
            near[place] = near[place - 1]
            place -= 1
        near[place] = token
    return count


@compiled_part
def extendable(search: Search, slot: int, token: int) -> float:
    """Log-probability of the alignments that `token` can extend: after itself it needs a blank between."""
    row = search.beam.row[slot]
    if row > 0 and search.tree.token[row] == token:
        return float(search.beam.blank[slot])
    return log_add(search.beam.blank[slot], search.beam.label[slot])


@compiled_part
def propose(search: Search, row: int, token: int) -> int:
    """Append a candidate without alignments yet; returns its place."""
    place = search.counts[PROPOSED]
    search.counts[PROPOSED] = place + 1
    search.candidates.row[place] = row
    search.candidates.token[place] = token
    search.candidates.blank[place] = NEVER
    return int(place)


@compiled_part
def propose_stays(log_probs: Float32, search: Search) -> None:
    """Propose each prefix as it is: one more blank, its last token repeated, and its parent extended to it.

    Marks those extensions in `taken`. No token is too improbable here, so a prefix in the beam loses no
    alignment to the choice of tokens.
    """
    tree, beam, candidates = search.tree, search.beam, search.candidates
    for slot in range(search.counts[LIVE]):
        row = beam.row[slot]
        place = propose(search, row, STAYS)
        label = NEVER
        if row > 0:
            token = tree.token[row]
            label = beam.label[slot]
            parent_slot = tree.slot[tree.parent[row]]
            if parent_slot >= 0:
                label = log_add(label, extendable(search, parent_slot, token))
                search.taken[parent_slot, token] = True
            label += log_probs[token]
        candidates.blank[place] = extendable(search, slot, STAYS) + log_probs[search.settings.blank]
        candidates.label[place] = label
        candidates.lm[place] = tree.lm[row]
        candidates.bias[place] = beam.bias[slot]
        acoustic = log_add(candidates.blank[place], label)
        candidates.total[place] = acoustic + tree.lm[row] + beam.bias[slot]


@compiled_part
def least_total(log_probs: Float32, search: Search, near: Int32) -> float:
    """What an extension must reach before the scorer is asked, given the prefixes proposed as they are.

    It may not be `beam_gap` below the best; and where these fill the beam, the scorer's largest step must be
    able to lift it over the worst of them.
    """
    settings, total = search.settings, search.candidates.total
    live = search.counts[LIVE]
    best, worst = total[:live].max(), total[:live].min()
    for slot in range(live):
        if len(near) > 0:
            row = search.beam.row[slot]
            before = extendable(search, slot, near[0]) + search.tree.lm[row] + search.beam.bias[slot]
            best = max(best, before + log_probs[near[0]])
    least = best - settings.beam_gap
    if live == settings.beam:
        least = max(least, worst - settings.largest_step)
    return float(least)


@compiled_part
def propose_extensions(log_probs: Float32, search: Search, near: Int32, least: float) -> None:
    """Propose each prefix with each of the tokens `near`, or list the steps to ask about first."""
    tree, beam, candidates, moves = search.tree, search.beam, search.candidates, search.moves
    for slot in range(search.counts[LIVE]):
        row = beam.row[slot]
        last = tree.token[row] if row > 0 else STAYS
        before = tree.lm[row] + beam.bias[slot]
        alignments = log_add(beam.blank[slot], beam.label[slot])
        for token in near:
            if alignments + log_probs[token] + before < least:
                break  # those after it are less probable still
            acoustic = (beam.blank[slot] if token == last else alignments) + log_probs[token]
            total = acoustic + before
            if total < least or total == NEVER or search.taken[slot, token]:
                continue
            state, nats = 0, 0.0
            if search.settings.scored:
                key = key_of(tree.state[row], token)
                move = find(moves.keys, key)
                if moves.keys[move] == EMPTY:
                    search.missing[search.counts[MISSING]] = key
                    search.counts[MISSING] += 1
                    continue
                state, nats = moves.state[move], moves.nats[move]
            place = propose(search, row, token)
            candidates.state[place] = state
            candidates.label[place] = acoustic
            candidates.lm[place] = tree.lm[row] + nats
            candidates.bias[place] = beam.bias[slot]
            candidates.total[place] = total + nats


@compiled_part
def rank(candidates: Candidates, proposed: int, settings: Settings) -> int:
    """Put the best candidates into `order`, earlier ones first among equals; returns how many survive."""
    order, total = candidates.order, candidates.total
    count = 0
    for index in range(proposed):
        if total[index] == NEVER:
            continue
        if count < settings.beam:
            count += 1
        elif total[index] <= total[order[count - 1]]:
            continue
        place = count - 1
        while place > 0 and total[order[place - 1]] < total[index]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = index
    while count > 1 and total[order[count - 1]] < total[order[0]] - settings.beam_gap:
        count -= 1
    return count


@compiled_part
def keep(search: Search, survivors: int) -> None:
    """Make the first `survivors` of the candidates the beam."""
    tree, beam, candidates = search.tree, search.beam, search.candidates
    for slot in range(search.counts[LIVE]):
        tree.slot[beam.row[slot]] = -1
    for slot in range(survivors):
        index = candidates.order[slot]
        row = candidates.row[index]
        if candidates.token[index] != STAYS:
            row = child(tree, search.counts, row, candidates.token[index])
            tree.state[row] = candidates.state[index]
            tree.lm[row] = candidates.lm[index]
        beam.row[slot] = row
        beam.blank[slot] = candidates.blank[index]
        beam.label[slot] = candidates.label[index]
        beam.bias[slot] = candidates.bias[index]
        tree.slot[row] = slot
    search.counts[LIVE] = survivors


@compiled_part
def release(search: Search) -> None:
    """Take the marks of this frame out of `taken`."""
    tree = search.tree
    for slot in range(search.counts[LIVE]):
        row = search.beam.row[slot]
        if row > 0 and tree.slot[tree.parent[row]] >= 0:
            search.taken[tree.slot[tree.parent[row]], tree.token[row]] = False


@compiled
def advance(log_probs: Float32, frame: int, search: Any) -> int:
    """Run the frames of `log_probs` (T, V) from `frame` on; returns the first one that was not run.

    Fewer than T means: answer the `missing` steps, or if there are none give the tree more rows.
    """
    settings, counts = search.settings, search.counts
    for now in range(frame, len(log_probs)):
        if counts[LIVE] == 0:
            break
        if counts[ROWS] + settings.beam > len(search.tree.parent):
            return now
        counts[PROPOSED] = 0
        counts[MISSING] = 0
        count = near_tokens(log_probs[now], settings, search.near)
        near = search.near[:count]
        propose_stays(log_probs[now], search)
        propose_extensions(log_probs[now], search, near, least_total(log_probs[now], search, near))
        release(search)
        if counts[MISSING] > 0:
            return now
        keep(search, rank(search.candidates, counts[PROPOSED], settings))
    return len(log_probs)
