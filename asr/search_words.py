"""The compiled half of scoring words: a tree of the letters of unfinished ones, a table of finished ones.

What the letters of an unfinished word are paid follows from a rule (`lm.beginnings`) and is worked out here.
The scorer is asked only for what a finished word is worth in its context, and for advances in the few
contexts where the rule does not hold.
"""

from __future__ import annotations

import math

from asr.compiled import compiled_in_place, part_in_place
from asr.search_arrays import EMPTY, FULL, NEVER, NODES, Letters, Lexicon, Words
from asr.search_tables import find, key_of

KNOWN, NO_ROOM = -1, -2
"""What a step wants of Python: nothing, or more room for letters; else a key of what it asks for."""


@part_in_place
def first_from(lexicon: Lexicon, low: int, high: int, place: int, letter: int) -> int:
    """Of the words `low` to `high` - 1, equal before `place`, the first whose letter there is no smaller."""
    while low < high:
        middle = (low + high) // 2
        at = lexicon.begins[middle] + place
        own = int(lexicon.letters[at]) if at < lexicon.begins[middle + 1] else -1
        if own < letter:
            low = middle + 1
        else:
            high = middle
    return low


@part_in_place
def advance_on(words: Words, low: int, high: int, first: int, last: int) -> float:
    """What letters are paid that begin these words and these members; see `lm.beginnings.Beginnings`."""
    rule = words.rule
    best, heaviest = NEVER, 0.0
    for word in range(low, high):
        best = max(best, words.known.scores[word])
    for member in range(first, last):
        heaviest = max(heaviest, words.members.scores[member])
    if best == NEVER:
        best = rule.unknown
    paid = rule.weight * best + rule.bonus
    if heaviest > 0.0:
        gain = rule.anywhere - (paid - rule.bonus) + rule.inside * math.log(heaviest)
        paid += max(0.0, min(gain, rule.most * heaviest))
    return float(paid)


@part_in_place
def spelled(words: Words, node: int, token: int) -> int:
    """The node of some letters and those of a token, made if it is new; `NO_ROOM` if there is none for it."""
    pieces, tree, counts = words.pieces, words.letters, words.counts
    if pieces.begins[token] == pieces.begins[token + 1]:
        return node
    key = key_of(node, token)
    place = find(tree.keys, key)
    if tree.keys[place] != EMPTY:
        return int(tree.nodes[place])
    new = counts[NODES]
    if new == len(tree.parent):
        counts[FULL] = 1
        return NO_ROOM
    counts[NODES] = new + 1
    low, high, first, last = tree.low[node], tree.high[node], tree.first[node], tree.last[node]
    depth = tree.depth[node]
    for at in range(pieces.begins[token], pieces.begins[token + 1]):
        letter = int(pieces.letters[at])
        low = first_from(words.known, low, high, depth, letter)
        high = first_from(words.known, low, high, depth, letter + 1)
        first = first_from(words.members, first, last, depth, letter)
        last = first_from(words.members, first, last, depth, letter + 1)
        depth += 1
    tree.keys[place], tree.nodes[place] = key, new
    tree.parent[new], tree.token[new], tree.depth[new] = node, token, depth
    tree.low[new], tree.high[new], tree.first[new], tree.last[new] = low, high, first, last
    tree.paid[new] = advance_on(words, low, high, first, last)
    return int(new)


@part_in_place
def paid_in(words: Words, context: int, node: int) -> float:
    """What letters are paid in a context; NaN where the scorer must be asked."""
    if not words.special[context]:
        return float(words.letters.paid[node])
    place = find(words.advances.keys, key_of(context, node))
    return float(words.advances.nats[place]) if words.advances.keys[place] != EMPTY else math.nan


@part_in_place
def word_step(words: Words, context: int, node: int, token: int) -> tuple[int, int, float, int]:
    """One token further: the context, the letters' node and the nats of the step, and what it wants.

    The counterpart of `lm.ngram.TokenScorer.step`.
    """
    if words.pieces.scores[token] > 0.0 and node != 0:
        key = key_of(context, node)
        place = find(words.finished.keys, key)
        if words.finished.keys[place] == EMPTY:
            return 0, 0, 0.0, key
        context, settled, node = words.finished.state[place], words.finished.nats[place], 0
    else:
        settled = -paid_in(words, context, node)
        if math.isnan(settled):
            return 0, 0, 0.0, asked_for(context, node)
    node = spelled(words, node, token)
    if node == NO_ROOM:
        return 0, 0, 0.0, NO_ROOM
    paid = paid_in(words, context, node)
    if math.isnan(paid):
        return 0, 0, 0.0, asked_for(context, node)
    return int(context), node, settled + paid, KNOWN


@part_in_place
def asked_for(context: int, node: int) -> int:
    """The key of an advance, which is no key of a finished word."""
    return -3 - key_of(context, node)


@compiled_in_place
def fill_letters(letters: Letters, count: int) -> None:
    """Enter the first `count` nodes, which were copied from a smaller tree, into the empty hash table."""
    for node in range(1, count):
        key = key_of(letters.parent[node], letters.token[node])
        place = find(letters.keys, key)
        letters.keys[place], letters.nodes[place] = key, node
