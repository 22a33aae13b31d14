"""Graphs of phrases: the automaton built from a phrase list, walked in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.automaton import END, GraphArrays, Rule, continuations, step
from biasing.phrases import Entry
from biasing.trie import NONE, ROOT, failure_links, largest_below, longest_ends, make_trie, paid_in_advance

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

__all__ = [
    "END",
    "BoostOptions",
    "ContextGraph",
    "GraphArrays",
    "GraphError",
    "Match",
    "Spelled",
    "build_graph",
    "continuations",
    "graph_of",
    "step",
]

WORD_START = "▁"


class GraphError(ValueError):
    """Spellings that no search can find, or options that no search can use."""


@dataclass(frozen=True)
class BoostOptions:
    """What phrases are worth, and when it is paid. All in nats, except `full_length` and the shares.

    Attributes:
        budget: what a whole phrase is worth that has no boost of its own.
        full_length: tokens from which a phrase is worth all of its boost; a shorter one, more easily heard
            by mistake, is worth the square of its share. Phrases that are discouraged are exempt.
        slope: advance on a token per nat that it is less probable than the most probable one of its frame;
            1 levels them, 0 makes the advance constant.
        base: advance on a token that is the most probable one itself.
        most: largest advance on one token.
        max_gap: tokens less probable than this below the best one of the frame get no advance.
        end_share: share of what is left of the budget that is paid when the phrase is over: 1 pays every
            phrase its whole budget, 0 no more than its tokens needed on the way.

    Source: section "adaptive boosting" of Dingliwal et al. 2022, arXiv 2210.09510, for the idea that the
    boost grows with the distance to the best hypothesis; the formula is ours.
    """

    budget: float = 12.0
    full_length: int = 5
    slope: float = 0.7
    base: float = 0.5
    most: float = 6.0
    max_gap: float = 9.0
    end_share: float = 1.0

    def __post_init__(self) -> None:
        nats = (self.budget, self.slope, self.base, self.most)
        if not all(0 <= value < math.inf for value in nats):
            raise GraphError(f"{self}: budget, slope, base and most are 0 or more, and finite")
        if self.full_length < 1 or not 0 <= self.end_share <= 1 or not self.max_gap >= 0:
            raise GraphError(f"{self}: full_length is 1 or more, end_share 0..1, max_gap 0 or more")


class Spelled(NamedTuple):
    """One phrase as tokens. The first spelling decides how long it is, and so its budget.

    The first `own` spellings are its own words; the others, what it sounds like, yield to a phrase whose own
    words they are.
    """

    spellings: Sequence[Sequence[int]]
    boost: float | None = None
    own: int = 1


class Match(NamedTuple):
    """A phrase found: tokens `first` to `end` - 1 spell the entry, and `nats` were locked for it."""

    entry: int
    first: int
    end: int
    nats: float


@dataclass(frozen=True, eq=False)
class ContextGraph:
    """An immutable automaton of phrases; entry i is the i-th phrase it was built of.

    It is also a scorer (start, step, finish) of constant boosting, for searches that know no gaps: each
    token counts as the best of its frame. A state is then nothing but the number of a node.
    """

    arrays: GraphArrays

    def __len__(self) -> int:
        return len(self.arrays.budget)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        return sum(array.nbytes for array in self.arrays if isinstance(array, np.ndarray))

    def start(self) -> int:
        """Return the state before the first token."""
        return ROOT

    def step(self, state: int, token: int) -> tuple[int, float]:
        """Return the state after `token` and the nats by which the bonus changes."""
        before = float(self.arrays.floor[state])
        node, pending, locked = step(self.arrays, state, before, token, 0.0)
        return node, locked + pending - before

    def finish(self, state: int) -> float:
        """Return the nats by which the bonus changes when the utterance ends: what is unfinished is lost."""
        return self.step(state, END)[1]

    def walk(self, tokens: Sequence[int], gaps: Sequence[float] | None = None) -> list[Match]:
        """Find the phrases in the tokens of a whole utterance, and what each was worth.

        Where several end at the same place the longest one is found.
        """
        graph, node, pending, found = self.arrays, ROOT, 0.0, []
        for place, token in enumerate(chain(tokens, [END])):
            ends = graph.ends[node]
            over = token == END or graph.starts_word[token]
            gap = gaps[place] if gaps is not None and token != END else 0.0
            node, pending, locked = step(graph, node, pending, token, gap)
            if over and ends != ROOT:
                found.append(Match(int(graph.entry[ends]), place - int(graph.depth[ends]), place, locked))
        return found


def graph_of(
    phrases: Iterable[Entry],
    segment: Callable[[str], Iterable[Sequence[int]]],
    pieces: Sequence[str],
    options: BoostOptions | None = None,
) -> ContextGraph:
    """Build the graph of a phrase list.

    Args:
        phrases: entry i of the graph is the i-th of them. Those without spellings are never found.
        segment: the ways to cut words into tokens, the most probable one first.
        pieces: the text of every token, SentencePiece fashion.
        options: what phrases are worth.

    Raises:
        GraphError: `segment` gave no tokens, unknown ones, or a first one that starts no word.
    """
    spelled = []
    for entry in phrases:
        ways = [list(segment(words)) for words in entry.spellings]
        spelled.append(Spelled(list(chain.from_iterable(ways)), entry.boost, len(ways[0]) if ways else 0))
    return build_graph(spelled, pieces, options)


def build_graph(
    phrases: Sequence[Spelled], pieces: Sequence[str], options: BoostOptions | None = None
) -> ContextGraph:
    """Build the graph of phrases that are tokens already; see `graph_of`.

    A spelling of several phrases belongs to one whose own words it is, then to the one of larger budget, then
    to the earlier one.

    Raises:
        GraphError: a spelling has no tokens, unknown ones, or a first one that starts no word.
    """
    options = options or BoostOptions()
    starts_word = np.array([piece.startswith(WORD_START) for piece in pieces], dtype=np.bool_)
    flat = _flatten(phrases)
    _check(flat, starts_word)
    trie = make_trie(flat.tokens, flat.lengths, len(pieces))
    budget = _budgets(phrases, flat, options)
    entry = np.full(len(trie.token), NONE, dtype=np.int64)
    best_last = np.lexsort((flat.owner, -budget[flat.owner], flat.borrowed))[::-1]
    entry[trie.last[best_last]] = flat.owner[best_last]  # of equal places numpy keeps the last one
    fail = failure_links(trie, len(pieces))
    ends = longest_ends(trie, fail, entry)
    worth = np.append(np.maximum(budget, 0.0), 0.0)[entry]  # NONE is the place of the 0 behind the last
    cap = largest_below(trie, worth)
    over = starts_word[trie.token] & (trie.parent > ROOT)
    settled = np.where(over, worth[ends[trie.parent]], 0.0)
    floor = paid_in_advance(trie, min(options.base, options.most), settled, cap)
    arrays = GraphArrays(
        token=trie.token.astype(np.int32),
        first=trie.first.astype(np.int32),
        fail=fail.astype(np.int32),
        ends=ends.astype(np.int32),
        entry=entry.astype(np.int32),
        depth=trie.depth.astype(np.int32),
        cap=cap,
        floor=floor,
        budget=budget,
        starts_word=starts_word,
        rule=_rule(options, float(floor.max())),
    )
    for array in arrays[:-1]:
        array.setflags(write=False)
    return ContextGraph(arrays)


def _rule(options: BoostOptions, highest_floor: float) -> Rule:
    """The options as the automaton takes them; all of them floats, or compiled loops would be made anew."""
    steepest = options.slope * options.max_gap if options.slope > 0 else 0.0  # max_gap may be infinite
    advance = max(highest_floor, min(options.most, steepest + options.base))
    fields = (options.slope, options.base, options.most, options.max_gap, options.end_share, advance)
    return Rule(*map(float, fields))


class _Flat(NamedTuple):
    """All spellings (S,) of all phrases, their tokens one behind the other."""

    tokens: Int64
    lengths: Int64  # (S,)
    owner: Int64  # (S,) the phrase of each
    place: Int64  # (S,) its number among the spellings of its phrase
    borrowed: NDArray[np.bool_]  # (S,) whether it is not made of the phrase's own words


def _flatten(phrases: Sequence[Spelled]) -> _Flat:
    counts = np.array([len(phrase.spellings) for phrase in phrases], dtype=np.int64)
    own = np.array([phrase.own for phrase in phrases], dtype=np.int64)
    spellings = list(chain.from_iterable(phrase.spellings for phrase in phrases))
    lengths = np.array([len(tokens) for tokens in spellings], dtype=np.int64)
    tokens = np.fromiter(chain.from_iterable(spellings), dtype=np.int64, count=int(lengths.sum()))
    place = np.arange(len(spellings)) - np.repeat(np.cumsum(counts) - counts, counts)
    return _Flat(
        tokens, lengths, np.repeat(np.arange(len(phrases)), counts), place, place >= np.repeat(own, counts)
    )


def _check(flat: _Flat, starts_word: NDArray[np.bool_]) -> None:
    """Refuse spellings that can never be found."""
    empty = np.flatnonzero(flat.lengths == 0)
    if len(empty):
        raise GraphError(f"phrase {flat.owner[empty[0]]} has a spelling without tokens; leave it out")
    owners = np.repeat(flat.owner, flat.lengths)
    unknown = np.flatnonzero((flat.tokens < 0) | (flat.tokens >= len(starts_word)))
    if len(unknown):
        token, owner = flat.tokens[unknown[0]], owners[unknown[0]]
        raise GraphError(f"phrase {owner} has the token {token}; give 0..{len(starts_word) - 1}")
    heads = flat.tokens[np.cumsum(flat.lengths) - flat.lengths]
    inside = np.flatnonzero(~starts_word[heads])
    if len(inside):
        token, owner = heads[inside[0]], flat.owner[inside[0]]
        raise GraphError(f"phrase {owner} begins with token {token}, which starts no word; give whole words")


def _budgets(phrases: Sequence[Spelled], flat: _Flat, options: BoostOptions) -> Float64:
    """What each phrase is worth, less for the short ones."""
    lengths = np.zeros(len(phrases))
    lengths[flat.owner[flat.place == 0]] = flat.lengths[flat.place == 0]
    boost = np.array(
        [options.budget if one.boost is None else one.boost for one in phrases], dtype=np.float64
    )
    if not np.isfinite(boost).all():
        raise GraphError(f"phrase {np.flatnonzero(~np.isfinite(boost))[0]} has no finite boost; give nats")
    taper = np.minimum(1.0, (lengths / options.full_length) ** 2)
    return np.where(boost > 0, boost * taper, boost)
