"""What may be in the beam after a frame: the prefixes as they are, and with one token more.

Their bonuses for phrases are known before they are ranked, and every bound allows for them, so that no phrase
is lost to a bound that does not know what it is worth. Blanks and repeats change no bonus.
"""

from __future__ import annotations

import math
from typing import Any

from asr.compiled import part_in_place
from asr.search_arrays import BEGUN, EMPTY, FAR, LIVE, MISSING, NEVER, PROPOSED, STAYS, Frame, Search
from asr.search_tables import find, key_of
from asr.search_words import KNOWN, NO_ROOM, word_step
from biasing.automaton import step

step_part: Any = part_in_place(step)


@part_in_place
def log_add(first: float, second: float) -> float:
    """log(exp(first) + exp(second)), also of minus infinities."""
    if first < second:
        first, second = second, first
    if second == NEVER:
        return first
    return first + math.log1p(math.exp(second - first))


@part_in_place
def extendable(search: Search, slot: int, token: int) -> float:
    """Log-probability of the alignments that `token` can extend: after itself it needs a blank between."""
    row = search.beam.row[slot]
    if row > 0 and search.tree.token[row] == token:
        return float(search.beam.blank[slot])
    return log_add(search.beam.blank[slot], search.beam.label[slot])


@part_in_place
def propose(search: Search, row: int, token: int) -> int:
    """Append a candidate without alignments yet; returns its place."""
    place = search.counts[PROPOSED]
    search.counts[PROPOSED] = place + 1
    search.candidates.row[place] = row
    search.candidates.token[place] = token
    search.candidates.blank[place] = NEVER
    return int(place)


@part_in_place
def propose_stays(frame: Frame, search: Search) -> None:
    """Propose each prefix as it is: one more blank, its last token repeated, and its parent extended to it.

    Marks those extensions in `taken`. No token is too improbable here, so a prefix in the beam loses no
    alignment to the choice of tokens. Of the bonus that it has and the one that the extension has it keeps
    the larger: these differ by the frame that the token is heard in, and a prefix has no frames.
    """
    tree, beam, candidates, graph = search.tree, search.beam, search.candidates, search.graph
    boosted, weight = search.settings.boosted, search.settings.bias_weight
    for slot in range(search.counts[LIVE]):
        row = beam.row[slot]
        place = propose(search, row, STAYS)
        label, pending, locked = NEVER, beam.pending[slot], beam.locked[slot]
        if row > 0:
            token = tree.token[row]
            label = beam.label[slot]
            parent = tree.slot[tree.parent[row]]
            if parent >= 0:
                extended = extendable(search, parent, token)
                label = log_add(label, extended)
                search.taken[parent, token] = True
                if boosted and extended + frame.log_probs[token] > NEVER:
                    node, gap = tree.node[beam.row[parent]], frame.best - frame.log_probs[token]
                    advance, over = 0.0, 0.0
                    if graph.ends[node] != 0 or graph.depth[tree.node[row]] > 1:
                        _, advance, over = step_part(graph, node, beam.pending[parent], token, gap)
                    if advance + beam.locked[parent] + over > pending + locked:
                        pending, locked = advance, beam.locked[parent] + over
            label += frame.log_probs[token]
        blank = extendable(search, slot, STAYS) + frame.log_probs[search.settings.blank]
        candidates.blank[place] = blank
        candidates.label[place] = label
        candidates.lm[place] = tree.lm[row]
        candidates.pending[place] = pending
        candidates.locked[place] = locked
        candidates.total[place] = log_add(blank, label) + (tree.lm[row] + weight * (pending + locked))


@part_in_place
def least_total(frame: Frame, search: Search) -> float:
    """What an extension must reach before the scorer is asked, given the prefixes proposed as they are.

    It may not be `beam_gap` below the best; and where these fill the beam, the scorer's largest step must be
    able to lift it over the worst of them.
    """
    settings, total, beam, graph = search.settings, search.candidates.total, search.beam, search.graph
    live = search.counts[LIVE]
    best, worst = NEVER, math.inf
    for slot in range(live):
        best, worst = max(best, total[slot]), min(worst, total[slot])
    if frame.near > 0:
        token, highest = search.near[0], frame.log_probs[search.near[0]]
        for slot in range(live):
            row, bonus = beam.row[slot], beam.locked[slot]  # at least: what is pending may be lost
            over = graph.entry[graph.ends[search.tree.node[row]]]
            if over >= 0:
                bonus += min(graph.budget[over], 0.0)
            before = extendable(search, slot, token) + (search.tree.lm[row] + settings.bias_weight * bonus)
            best = max(best, before + highest)
    least = best - settings.beam_gap
    if live == settings.beam:
        least = max(least, worst - settings.largest_step)
    return float(least)


@part_in_place
def tokens_for(frame: Frame, search: Search, slot: int, least: float) -> int:
    """Write to `tokens` those that can bring the prefix at a slot, which has begun a phrase, to `least`.

    Returns how many they are. Marks those that continue the phrase in `continues`: all others end it, and
    leave nothing pending.

    Those of `near` come first, and then, however improbable they are, those that continue the phrase and get
    an advance. No bound is tighter than what a token can bring: the rest of a phrase that is over to any
    token, the largest advance to those that continue one.
    """
    beam, graph, settings, tokens = search.beam, search.graph, search.settings, search.tokens
    row, pending = beam.row[slot], beam.pending[slot]
    begun = search.tree.node[row]
    search.counts[BEGUN] += 1
    most = log_add(beam.blank[slot], beam.label[slot]) + search.tree.lm[row]
    most += settings.bias_weight * (pending + beam.locked[slot])
    over = graph.entry[graph.ends[begun]]
    if over >= 0:
        rest = max(0.0, graph.budget[over] - pending)
        most += settings.bias_weight * graph.rule.end_share * rest
    count = 0
    while count < frame.near and frame.log_probs[search.near[count]] + most >= least:
        tokens[count] = search.near[count]
        count += 1
    tried = count
    lowest = least - most - settings.bias_weight * graph.rule.largest_advance
    lowest_far = max(lowest, frame.best - graph.rule.max_gap)
    parent = begun
    while parent != 0:
        for node in range(graph.first[parent], graph.first[parent + 1]):
            token = graph.token[node]
            if search.continues[token] == search.counts[BEGUN]:
                continue  # of a longer beginning
            search.continues[token] = search.counts[BEGUN]
            log_prob, place = frame.log_probs[token], search.place[token]
            far = place == FAR
            if log_prob == NEVER or place < tried or log_prob < (lowest_far if far else lowest):
                continue
            if far and not (settings.expand and graph.cap[node] > 0.0):
                continue
            tokens[count] = token
            count += 1
        parent = graph.fail[parent]
    return count


@part_in_place
def scored_step(search: Search, row: int, token: int) -> tuple[int, int, float, bool]:
    """The scorer's state and letters after a token, and its nats, if they are known; else asks for them."""
    tree, moves, counts = search.tree, search.moves, search.counts
    if not search.settings.scored:
        return 0, 0, 0.0, True
    if search.settings.worded:
        state, letters, nats, key = word_step(search.words, tree.state[row], tree.letters[row], token)
        if key in (KNOWN, NO_ROOM):
            return state, letters, nats, key == KNOWN
    else:
        key = key_of(tree.state[row], token)
        move = find(moves.keys, key)
        if moves.keys[move] != EMPTY:
            return int(moves.state[move]), 0, float(moves.nats[move]), True
    search.missing[counts[MISSING]] = key
    counts[MISSING] += 1
    return 0, 0, 0.0, False


@part_in_place
def propose_extensions(frame: Frame, search: Search, least: float) -> None:
    """Propose each prefix with each token that may reach `least`, or list the steps to ask about first."""
    tree, beam, candidates = search.tree, search.beam, search.candidates
    graph, weight = search.graph, search.settings.bias_weight
    for slot in range(search.counts[LIVE]):
        row = beam.row[slot]
        begun = tree.node[row]
        last = tree.token[row] if row > 0 else STAYS
        before = tree.lm[row] + weight * (beam.pending[slot] + beam.locked[slot])
        alignments = log_add(beam.blank[slot], beam.label[slot])
        tokens, count = search.near, frame.near
        if begun != 0:
            tokens, count = search.tokens, tokens_for(frame, search, slot, least)
        for index in range(count):
            token = tokens[index]
            log_prob = frame.log_probs[token]
            if begun == 0 and alignments + log_prob + before < least:
                break  # those after it are less probable still
            acoustic = (beam.blank[slot] if token == last else alignments) + log_prob
            pending, locked, total = 0.0, beam.locked[slot], acoustic + before
            if begun != 0:
                over = 0.0
                if graph.ends[begun] != 0 or search.continues[token] == search.counts[BEGUN]:
                    _, pending, over = step_part(
                        graph, begun, beam.pending[slot], token, frame.best - log_prob
                    )
                locked += over
                total = acoustic + (tree.lm[row] + weight * (pending + locked))
            if total < least or total == NEVER or search.taken[slot, token]:
                continue
            state, letters, nats, known = scored_step(search, row, token)
            if not known:
                continue
            place = propose(search, row, token)
            candidates.state[place] = state
            candidates.letters[place] = letters
            candidates.label[place] = acoustic
            candidates.lm[place] = tree.lm[row] + nats
            candidates.pending[place] = pending
            candidates.locked[place] = locked
            candidates.total[place] = total + nats
