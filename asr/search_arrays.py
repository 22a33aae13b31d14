"""The memory of a prefix beam search: flat arrays in named tuples, as the compiled loops take them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.graph import GraphArrays

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

EMPTY = -1  # a free place of a hash table; no key is negative
STAYS = -1  # the `token` of a candidate that adds none
NODES, FULL = 0, 1  # places in Words.counts
LIVE, ROWS, PROPOSED, MISSING, BEGUN = 0, 1, 2, 3, 4  # places in Search.counts
NEVER = -math.inf
FAR = 1 << 30  # place of a token that is not near
FIRST_ROWS = 1 << 11  # prefixes a search has room for at first; doubled when needed


class Tree(NamedTuple):
    """Every prefix that was ever in the beam, one row each; row 0 is the empty prefix."""

    parent: Int32
    token: Int32
    state: Int32  # number of the scorer's state after the prefix; of a scorer of words its context
    letters: Int32  # node of the letters of its unfinished word; 0 with other scorers
    lm: Float64  # nats the scorer added on the way
    node: Int32  # of the phrase graph after the prefix
    slot: Int32  # place in the beam, -1 outside
    keys: Int64  # hash table: (parent, token) to row
    rows: Int32


class Moves(NamedTuple):
    """What the scorer said so far, as a hash table: (state, token) to the next state and nats."""

    keys: Int64
    state: Int32
    nats: Float64


class Lexicon(NamedTuple):
    """Words that are sorted by their letters, in UTF-8; see `lm.beginnings.SortedWords`."""

    letters: NDArray[np.uint8]
    begins: Int64
    scores: Float32


class Rule(NamedTuple):
    """The numbers of `lm.beginnings.Beginnings`."""

    weight: float
    bonus: float
    unknown: float
    anywhere: float
    inside: float
    most: float


class Letters(NamedTuple):
    """Every beginning of a word that was ever tried, one node each; node 0 is no letters."""

    parent: Int32
    token: Int32
    depth: Int32  # letters on the way
    low: Int32  # the known words that begin so are `low` to `high` - 1
    high: Int32
    first: Int32  # the members that do are `first` to `last` - 1
    last: Int32
    paid: Float64  # nats in advance
    keys: Int64  # hash table: (parent, token) to node
    nodes: Int32


class Words(NamedTuple):
    """What is known of the words of a scorer."""

    pieces: Lexicon  # of the tokens, not sorted; their scores are 1 where a word begins
    known: Lexicon
    members: Lexicon
    rule: Rule
    letters: Letters
    finished: Moves  # (context, letters) to the context after the word and its nats, less the advance
    advances: Moves  # (context, letters) to the nats in advance, where the rule does not hold
    special: NDArray[np.bool_]  # (contexts,) where that is
    counts: Int64


class Beam(NamedTuple):
    """The prefixes alive after a frame, best first, with the log-probability of their alignments."""

    row: Int32
    blank: Float64  # of the alignments that end in blank
    label: Float64  # of the alignments that end in the prefix's last token
    pending: Float64  # nats in advance on a phrase that is not over
    locked: Float64  # nats of phrases that are


class Candidates(NamedTuple):
    """What may be in the beam after the frame: its prefixes as they are, then each with one token more."""

    row: Int32  # the prefix that stays or is extended
    token: Int32  # STAYS, or the token added
    state: Int32
    letters: Int32
    lm: Float64
    pending: Float64
    locked: Float64
    blank: Float64
    label: Float64
    total: Float64
    order: Int32  # the best ones, best first


class Settings(NamedTuple):
    """`SearchOptions` as the kernel takes them."""

    blank: int
    beam: int
    token_gap: float
    beam_gap: float
    largest_step: float
    bias_weight: float
    scored: bool
    worded: bool  # whether the scorer is one of words
    boosted: bool  # whether there is a graph that pays anything
    expand: bool


class Frame(NamedTuple):
    """One frame of the input."""

    log_probs: Float32  # (V,)
    best: float  # the largest of them, blank included
    near: int  # how many tokens are tried with every prefix: the first ones of `Search.near`


class Search(NamedTuple):
    """All memory of one search."""

    tree: Tree
    moves: Moves
    words: Words
    beam: Beam
    candidates: Candidates
    graph: GraphArrays  # of one node where nothing is boosted
    near: Int32  # (top_k,) tokens considered in this frame, the most probable one first
    tokens: Int32  # (V,) tokens considered for one prefix
    continues: Int64  # (V,) of each token counts[BEGUN] when it last continued a phrase
    place: Int32  # (V,) of each token in `near`; FAR if it is not there
    taken: NDArray[np.bool_]  # (beam, V) extensions that lead to a prefix which is in the beam itself
    missing: Int64  # keys of Moves to ask the scorer for
    counts: Int64
    settings: Settings


def new_moves(size: int) -> Moves:
    """Make an empty table of `size` places, a power of two."""
    keys = np.full(size, EMPTY, dtype=np.int64)
    return Moves(keys, np.zeros(size, dtype=np.int32), np.zeros(size))


def new_tree(rows: int) -> Tree:
    """Make room for `rows` prefixes and the empty one's row; `rows` is a power of two."""
    columns = np.full((3, rows), -1, dtype=np.int32)
    parent, token, slot = columns
    state, letters, node = np.zeros((3, rows), dtype=np.int32)
    keys, nodes = np.full(2 * rows, EMPTY, dtype=np.int64), np.zeros(2 * rows, dtype=np.int32)
    return Tree(parent, token, state, letters, np.zeros(rows), node, slot, keys, nodes)


def new_letters(nodes: int, words: int, members: int) -> Letters:
    """Make room for `nodes` beginnings of words, a power of two, no letters among them."""
    parent, token, depth, low, high, first, last = np.zeros((7, nodes), dtype=np.int32)
    high[0], last[0] = words, members
    keys, rows = np.full(2 * nodes, EMPTY, dtype=np.int64), np.zeros(2 * nodes, dtype=np.int32)
    return Letters(parent, token, depth, low, high, first, last, np.zeros(nodes), keys, rows)


def new_search(
    settings: Settings, top_k: int, vocabulary: int, scores: tuple[Moves, Words], graph: GraphArrays
) -> Search:
    """Allocate the memory of a search that stands before the first frame with the empty prefix alone."""
    beam, top_k = settings.beam, min(top_k, vocabulary)
    tried = vocabulary if settings.boosted and settings.expand else top_k  # tokens per prefix, at most
    row, token, state, letters = np.zeros((4, beam * (tried + 1)), dtype=np.int32)
    lm, pending, locked, blank, label, total = np.zeros((6, beam * (tried + 1)))
    order = np.zeros(beam, dtype=np.int32)
    tree = new_tree(1 << max(FIRST_ROWS, beam + 1).bit_length())
    tree.slot[0] = 0
    return Search(
        tree=tree,
        moves=scores[0],
        words=scores[1],
        beam=Beam(np.zeros(beam, dtype=np.int32), np.zeros(beam), np.full(beam, NEVER), *np.zeros((2, beam))),
        candidates=Candidates(row, token, state, letters, lm, pending, locked, blank, label, total, order),
        graph=graph,
        near=np.zeros(top_k, dtype=np.int32),
        tokens=np.zeros(vocabulary, dtype=np.int32),
        continues=np.zeros(vocabulary, dtype=np.int64),
        place=np.full(vocabulary, FAR, dtype=np.int32),
        taken=np.zeros((beam, vocabulary), dtype=np.bool_),
        missing=np.zeros(beam * tried, dtype=np.int64),
        counts=np.array([1, 1, 0, 0, 0], dtype=np.int64),
        settings=settings,
    )
