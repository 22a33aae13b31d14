"""The compiled half of the prefix beam search: prefixes, candidates and pruning, all in flat arrays.

It runs over frames by itself and hands back to Python only for what it cannot know: the scores of steps that
the scorer was never asked for, and larger arrays. A frame changes the beam only when it has all it needs, so
that it can be run again after an interruption.
"""

from __future__ import annotations

from typing import Any

from asr.compiled import compiled_in_place, part_in_place
from asr.search_arrays import (
    FAR,
    FULL,
    LIVE,
    MISSING,
    NEVER,
    PROPOSED,
    ROWS,
    STAYS,
    Candidates,
    Float32,
    Frame,
    Search,
    Settings,
)
from asr.search_propose import least_total, propose_extensions, propose_stays, step_part
from asr.search_tables import child


@part_in_place
def look(log_probs: Float32, search: Search) -> Frame:
    """Choose the tokens by which every prefix may grow in this frame, best first, and note their places.

    They are the `top_k` best ones without blank, less those that are further than `token_gap` below the best
    of the frame.
    """
    settings, near = search.settings, search.near
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
    for place in range(count):
        search.place[near[place]] = place
    return Frame(log_probs, best, count)


@part_in_place
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


@part_in_place
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
            tree.letters[row] = candidates.letters[index]
            tree.lm[row] = candidates.lm[index]
            if search.settings.boosted:
                begun = tree.node[candidates.row[index]]
                tree.node[row] = step_part(search.graph, begun, 0.0, candidates.token[index], 0.0)[0]
        beam.row[slot] = row
        beam.blank[slot] = candidates.blank[index]
        beam.label[slot] = candidates.label[index]
        beam.pending[slot] = candidates.pending[index]
        beam.locked[slot] = candidates.locked[index]
        tree.slot[row] = slot
    search.counts[LIVE] = survivors


@part_in_place
def release(frame: Frame, search: Search) -> None:
    """Take the marks of this frame out of `taken` and `place`."""
    tree = search.tree
    for slot in range(search.counts[LIVE]):
        row = search.beam.row[slot]
        if row > 0 and tree.slot[tree.parent[row]] >= 0:
            search.taken[tree.slot[tree.parent[row]], tree.token[row]] = False
    for place in range(frame.near):
        search.place[search.near[place]] = FAR


@compiled_in_place
def advance(log_probs: Float32, frame: int, search: Any) -> int:
    """Run the frames of `log_probs` (T, V) from `frame` on; returns the first one that was not run.

    Fewer than T means: answer the `missing` steps and give the letters more room if they have none, or if
    neither is the case give the tree more rows.
    """
    settings, counts = search.settings, search.counts
    for now in range(frame, len(log_probs)):
        if counts[LIVE] == 0:
            break
        if counts[ROWS] + settings.beam > len(search.tree.parent):
            return now
        counts[PROPOSED] = 0
        counts[MISSING] = 0
        seen = look(log_probs[now], search)
        propose_stays(seen, search)
        propose_extensions(seen, search, least_total(seen, search))
        release(seen, search)
        if counts[MISSING] > 0 or search.words.counts[FULL]:
            return now
        keep(search, rank(search.candidates, counts[PROPOSED], settings))
    return len(log_probs)
