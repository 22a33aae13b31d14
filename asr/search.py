"""From log-probs to text: greedy search, and prefix beam search with scorers added."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asr.align import (
    AlignmentError,
    LogProbsError,
    TimedWord,
    TokenSpan,
    align_checked,
    check_log_probs,
    join_words,
    spans_of_path,
)
from asr.scorer import Scorer, ScorerError, ScorerMemory, SumOfScorers, Surroundings
from asr.search_arrays import FULL, LIVE, MISSING, ROWS, Search, Settings, Tree, new_search
from asr.search_kernel import advance
from asr.search_tables import larger
from asr.word_memory import WordMemory, memory_of
from biasing.graph import END, ContextGraph, GraphArrays, build_graph, step

__all__ = [
    "BeamSearch",
    "Hypothesis",
    "LogProbsError",
    "Scorer",
    "ScorerError",
    "SearchOptions",
    "SearchOptionsError",
    "SearchStream",
    "beam_search",
    "greedy",
    "words_from_tokens",
]


class SearchOptionsError(ValueError):
    """Options that no search can run with."""


@dataclass(frozen=True)
class SearchOptions:
    """How wide the beam search looks.

    Attributes:
        beam: prefixes kept after each frame.
        top_k: tokens tried in each frame, the most probable ones.
        token_gap: tokens this many nats below the most probable one (or blank) of the frame are not tried.
        beam_gap: prefixes this many nats below the best one are dropped; extensions that are so before the
            scorer was asked are not asked about.
        largest_step: most nats the scorers are expected to pay for one token. Extensions that even so would
            not get into the beam are not asked about, which is exact as long as no scorer pays more.
        bias_weight: factor on all that phrases are worth; 0 leaves them out.
        expand: whether tokens that continue a phrase are tried where `top_k` and `token_gap` leave them out.
        n_best: hypotheses returned at most.
        aligned: how many of these get the times and confidences of their tokens, from the best one down.
        blank: id of the blank token.
    """

    beam: int = 16
    top_k: int = 20
    token_gap: float = 7.0
    beam_gap: float = 12.0
    largest_step: float = 3.0
    bias_weight: float = 1.0
    expand: bool = True
    n_best: int = 10
    aligned: int = 1
    blank: int = 0

    def __post_init__(self) -> None:
        least = {
            "beam": 1,
            "top_k": 1,
            "n_best": 1,
            "aligned": 0,
            "blank": 0,
            "token_gap": 0.0,
            "beam_gap": 0.0,
            "bias_weight": 0.0,
        }
        for name, bound in least.items():
            if not getattr(self, name) >= bound:
                raise SearchOptionsError(f"{name} is {getattr(self, name)}; give {bound} or more")


@dataclass(frozen=True)
class Hypothesis:
    """One reading of an utterance.

    Attributes:
        tokens: token ids without blank.
        acoustic: log-probability in nats, summed over the alignments the beam kept (greedy: of the best one).
        lm: nats added by the scorers, their weights applied.
        bias: nats added for phrases, their weight applied: those of `ContextGraph.walk(tokens)`, to rounding,
            as long as `BoostOptions.end_share` is 1. Before the end of the utterance it also holds what
            phrases not over yet got in advance.
        spans: frames and acoustic confidence of each token; empty unless the hypothesis was aligned.
    """

    tokens: tuple[int, ...]
    acoustic: float
    lm: float = 0.0
    bias: float = 0.0
    spans: tuple[TokenSpan, ...] = ()

    @property
    def score(self) -> float:
        """What the search ranks by: the sum of the three."""
        return self.acoustic + self.lm + self.bias

    @property
    def frames(self) -> tuple[int, ...]:
        """The first frame of each token; empty unless the hypothesis was aligned."""
        return tuple(span.start for span in self.spans)


def greedy(log_probs: ArrayLike, blank: int = 0) -> Hypothesis:
    """Decode `log_probs` (T, V) by the best token of each frame, repeats joined and blanks dropped.

    Raises:
        LogProbsError: see `asr.align.check_log_probs`.
    """
    values = check_log_probs(log_probs, blank)
    best = values.argmax(axis=1)
    acoustic = float(values.max(axis=1).sum(dtype=np.float64)) if len(values) else 0.0
    begins = (best != blank) & (best != np.concatenate([[blank], best[:-1]]))
    tokens = best[begins]
    path = np.where(best == blank, -1, np.cumsum(begins) - 1)
    spans = spans_of_path(values, path, tokens) if len(tokens) else ()
    return Hypothesis(tuple(tokens.tolist()), acoustic, spans=spans)


def words_from_tokens(
    hypothesis: Hypothesis, pieces: Sequence[str], frame_seconds: float
) -> tuple[TimedWord, ...]:
    """Join the tokens of an aligned hypothesis into words with times and confidences; see `join_words`.

    Raises:
        AlignmentError: the hypothesis has tokens without spans.
    """
    if len(hypothesis.spans) != len(hypothesis.tokens):
        raise AlignmentError(
            "the hypothesis has no times; raise SearchOptions.aligned to its rank, or ctc_align it"
        )
    return join_words(hypothesis.spans, pieces, frame_seconds)


def beam_search(
    log_probs: ArrayLike,
    scorer: Scorer | None = None,
    options: SearchOptions | None = None,
    graph: ContextGraph | None = None,
) -> list[Hypothesis]:
    """Decode one utterance; for many of them keep a `BeamSearch`, which remembers what the scorer said."""
    return BeamSearch(options, () if scorer is None else (scorer,)).decode(log_probs, graph)


class BeamSearch:
    """CTC prefix beam search with scores added to the prefixes.

    The alignments of a prefix are summed, those ending in blank apart from those ending in its last token;
    the scorers are asked when a token extends a prefix. What they said is remembered for later utterances, so
    the compiled search calls back only for what is new. One object may run many streams at once, in any
    order, but in one thread.

    Phrases are given as a graph with each utterance. A prefix then has a bonus, part of it in advance on
    phrases that have only begun, and it is ranked and pruned with it. The advance depends on the frames; a
    prefix that several alignments lead to keeps the largest.

    Source: Graves 2012, "Supervised Sequence Labelling", 7.5.3; Hannun et al. 2014, arXiv 1408.2873, alg. 1.
    """

    def __init__(self, options: SearchOptions | None = None, scorers: Sequence[Scorer] = ()) -> None:
        """Prepare a search whose hypotheses get the sum of what all `scorers` say as their `lm` score."""
        self.options = options or SearchOptions()
        self._scorer = scorers[0] if len(scorers) == 1 else SumOfScorers(tuple(scorers)) if scorers else None
        self._memory = memory_of(self._scorer)

    def decode(
        self, log_probs: ArrayLike, graph: ContextGraph | None = None, around: Surroundings | None = None
    ) -> list[Hypothesis]:
        """Decode the whole utterance `log_probs` (T, V); the best hypothesis comes first, and there is one.

        It may be a part of an utterance, if what the scorers know `around` it is given.

        Raises:
            LogProbsError: see `asr.align.check_log_probs`.
            ScorerError: a scorer answered NaN or positive infinity.
        """
        stream = self.stream(graph, around)
        stream.push(log_probs)
        return stream.finish()

    def stream(self, graph: ContextGraph | None = None, around: Surroundings | None = None) -> SearchStream:
        """Begin an utterance, or a part of one, whose log-probs come piece by piece."""
        if self._memory.full:
            self._memory = memory_of(self._scorer)
        return SearchStream(self.options, self._memory, graph, around)


@dataclass
class SearchStream:
    """One utterance on its way through the search; made by `BeamSearch.stream`."""

    options: SearchOptions
    _memory: ScorerMemory | WordMemory
    _graph: ContextGraph | None = None
    _around: Surroundings | None = None
    _search: Search | None = None
    _chunks: list[NDArray[np.float32]] = field(default_factory=list)

    def push(self, log_probs: ArrayLike) -> None:
        """Take the next frames (T, V); the result does not depend on where an utterance is cut.

        Raises:
            LogProbsError: see `asr.align.check_log_probs`.
            ScorerError: a scorer answered NaN or positive infinity.
        """
        values = check_log_probs(log_probs, self.options.blank)
        search = self._search or self._begin(values.shape[1])
        memory = self._memory  # which another stream may have made grow
        search = search._replace(moves=memory.moves, words=memory.words)
        if values.shape[1] != search.taken.shape[1]:
            raise LogProbsError(
                f"these log-probs have {values.shape[1]} tokens and those before {search.taken.shape[1]}; "
                "push one model's log-probs into a stream"
            )
        frame = advance(values, 0, search)
        while frame < len(values):
            missing = int(search.counts[MISSING])
            if missing or search.words.counts[FULL]:
                memory.ask(search.missing[:missing])
                search = search._replace(moves=memory.moves, words=memory.words)
                search.counts[MISSING] = 0
            else:
                search = search._replace(tree=larger(search.tree, int(search.counts[ROWS])))
            frame = advance(values, frame, search)
        self._search = search
        if self.options.aligned:
            self._chunks.append(values)

    def _begin(self, vocabulary: int) -> Search:
        options, scored = self.options, self._memory.scorer is not None
        largest_step = options.largest_step if scored else 0.0
        graph = _paying(self._graph, vocabulary) if options.bias_weight > 0 else None
        settings = Settings(
            blank=options.blank,
            beam=options.beam,
            token_gap=float(options.token_gap),
            beam_gap=float(options.beam_gap),
            largest_step=float(largest_step),
            bias_weight=float(options.bias_weight),
            scored=scored,
            worded=isinstance(self._memory, WordMemory),
            boosted=graph is not None,
            expand=options.expand,
        )
        scores = self._memory.moves, self._memory.words
        search = new_search(settings, options.top_k, vocabulary, scores, graph or _nothing())
        search.tree.state[0], search.tree.letters[0] = self._memory.begin(self._around)
        return search

    def partial(self) -> Hypothesis:
        """Return the best hypothesis so far, neither finished by the scorers nor aligned."""
        return self._hypotheses(1, final=False)[0]

    def finish(self) -> list[Hypothesis]:
        """Return the hypotheses at the end of the utterance, best first, at least one."""
        hypotheses = self._hypotheses(self.options.n_best, final=True)
        if not self._chunks:
            return hypotheses
        values = np.concatenate(self._chunks)
        for rank, found in enumerate(hypotheses[: self.options.aligned]):
            if found.acoustic > -math.inf:
                spans = align_checked(values, found.tokens, self.options.blank)
                hypotheses[rank] = replace(found, spans=spans)
        return hypotheses

    def _hypotheses(self, count: int, final: bool) -> list[Hypothesis]:
        """The best prefixes of the beam, so many at most, sorted by score."""
        if self._search is None or self._search.counts[LIVE] == 0:
            dead = -math.inf if self._search else 0.0
            begin = self._memory.begin(self._around)
            end = self._memory.finish(*begin, self._around) if final else 0.0
            return [Hypothesis((), dead, end)]
        beam, tree = self._search.beam, self._search.tree
        found = []
        for slot in range(self._search.counts[LIVE]):
            row = beam.row[slot]
            acoustic = float(np.logaddexp(beam.blank[slot], beam.label[slot]))
            state = int(tree.state[row]), int(tree.letters[row])
            end = self._memory.finish(*state, self._around) if final else 0.0
            lm = float(tree.lm[row]) + end
            bias = _bias(self._search, slot, final)
            found.append((Hypothesis((), acoustic, lm, bias), int(row)))
        best = sorted(found, key=lambda one: -one[0].score)[:count]
        return [replace(hypothesis, tokens=_tokens(tree, row)) for hypothesis, row in best]


def _bias(search: Search, slot: int, final: bool) -> float:
    """What phrases add to the prefix at a slot; at the end those that are not over lose their advance."""
    pending, locked = float(search.beam.pending[slot]), float(search.beam.locked[slot])
    if final and search.settings.boosted:
        node = int(search.tree.node[search.beam.row[slot]])
        _, pending, last = step(search.graph, node, pending, END, 0.0)
        locked += last
    return search.settings.bias_weight * (pending + locked)


def _paying(graph: ContextGraph | None, vocabulary: int) -> GraphArrays | None:
    """The arrays of a graph, or None if nothing in it is worth anything.

    Raises:
        LogProbsError: the graph is of other tokens.
    """
    if graph is None or not graph.arrays.budget.any():
        return None
    tokens = len(graph.arrays.starts_word)
    if tokens != vocabulary:
        raise LogProbsError(
            f"these log-probs have {vocabulary} tokens and the phrases {tokens}; "
            "build the graph with the tokenizer of the model"
        )
    return graph.arrays


@cache
def _nothing() -> GraphArrays:
    """A graph without phrases."""
    return build_graph([], [""]).arrays


def _tokens(tree: Tree, row: int) -> tuple[int, ...]:
    """Spell the prefix of a row."""
    backwards = []
    while row > 0:
        backwards.append(int(tree.token[row]))
        row = int(tree.parent[row])
    return tuple(reversed(backwards))
