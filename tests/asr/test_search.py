"""Laws of the decoder: it equals brute force, its scores recompose, and nothing depends on how it is fed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Hashable

import numpy as np
import pytest

from asr.search import (
    BeamSearch,
    Hypothesis,
    LogProbsError,
    ScorerError,
    SearchOptions,
    SearchOptionsError,
    beam_search,
    greedy,
)

EVERYTHING = SearchOptions(
    beam=2000, top_k=100, token_gap=math.inf, beam_gap=math.inf, n_best=2000, aligned=0
)  # prunes nothing of the small inputs below


class ToyScorer:
    """Random but fixed scores that depend on the last `memory` tokens, some positive, and on the end."""

    def __init__(self, seed: int, memory: int = 2, spread: float = 1.5) -> None:
        self.seed, self.memory, self.spread, self.asked = seed, memory, spread, 0

    def start(self) -> tuple[int, ...]:
        return ()

    def step(self, state: Hashable, token: int) -> tuple[tuple[int, ...], float]:
        assert isinstance(state, tuple)
        self.asked += 1
        return (*state, token)[-self.memory :], self._draw("step", state, token)

    def finish(self, state: Hashable) -> float:
        return self._draw("finish", state)

    def _draw(self, *what: object) -> float:
        return random.Random(repr((self.seed, what))).gauss(0.0, self.spread)


class PlainScorer:
    """Scores that depend on the token alone."""

    def __init__(self, nats: dict[int, float]) -> None:
        self.nats = nats

    def start(self) -> int:
        return 0

    def step(self, state: Hashable, token: int) -> tuple[Hashable, float]:
        return state, self.nats[token]

    def finish(self, _state: Hashable) -> float:
        return 0.0


def scored(scorer: ToyScorer | None, tokens: tuple[int, ...]) -> float:
    """What the scorer adds to a whole token sequence."""
    if scorer is None:
        return 0.0
    state, total = scorer.start(), 0.0
    for token in tokens:
        state, nats = scorer.step(state, token)
        total += nats
    return total + scorer.finish(state)


def normalised(logits: np.ndarray) -> np.ndarray:
    top = logits.max(axis=1, keepdims=True)
    return (logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))).astype(np.float32)


def random_log_probs(seed: int, frames: int, vocabulary: int, sharpness: float = 2.0) -> np.ndarray:
    return normalised(sharpness * np.random.default_rng(seed).normal(size=(frames, vocabulary)))


def peaky_log_probs(
    seed: int, tokens: list[int], vocabulary: int, noise: float = 2.0, hardness: float = 1.0
) -> np.ndarray:
    """As a trained model gives them: blank nearly everywhere, a token a spike of one or two frames.

    `hardness` sets how close the rivals of a token come to it.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for token in tokens:
        for _ in range(int(generator.integers(1, 5))):
            rows.append(noise * generator.normal(size=vocabulary))
            rows[-1][0] += 14.0
        for _ in range(int(generator.integers(1, 3))):
            rows.append(noise * generator.normal(size=vocabulary))
            rows[-1][token] += 14.0
            rivals = generator.integers(1, vocabulary, size=2)
            rows[-1][rivals] += 14.0 - generator.exponential(4.0 / hardness, size=2)
            rows[-1][0] += 10.0
    rows.append(noise * generator.normal(size=vocabulary))
    rows[-1][0] += 14.0
    return normalised(np.array(rows))


def collapse(path: tuple[int, ...], blank: int = 0) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != blank)


def brute_force(log_probs: np.ndarray, blank: int = 0) -> dict[tuple[int, ...], float]:
    """The log-probability of every text: the sum over all V^T paths that collapse to it."""
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        total = sum(float(log_probs[frame, token]) for frame, token in enumerate(path))
        text = collapse(path, blank)
        sums[text] = np.logaddexp(sums.get(text, -math.inf), total)
    return sums


def texts(hypotheses: list[Hypothesis]) -> list[tuple[int, ...]]:
    return [hypothesis.tokens for hypothesis in hypotheses]


@pytest.mark.parametrize("with_scorer", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_wide_beam_equals_all_paths(seed: int, with_scorer: bool) -> None:
    frames, vocabulary, blank = 1 + seed % 6, 2 + seed % 3, seed % 2
    log_probs = random_log_probs(seed, frames, vocabulary)
    scorer = ToyScorer(seed) if with_scorer else None
    expected = brute_force(log_probs, blank)
    options = SearchOptions(**{**vars(EVERYTHING), "blank": blank})
    found = beam_search(log_probs, scorer, options)
    assert len(found) == len(expected)
    for hypothesis in found:
        assert hypothesis.acoustic == pytest.approx(expected[hypothesis.tokens], abs=1e-9)
        assert hypothesis.lm == pytest.approx(scored(scorer, hypothesis.tokens), abs=1e-9)
    best = max(expected, key=lambda text: expected[text] + scored(scorer, text))
    assert found[0].tokens == best
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_impossible_tokens_equal_all_paths() -> None:
    """Zero probabilities: a frame of certain blank, a token that never comes, a token that must come."""
    log_probs = random_log_probs(5, 5, 4)
    log_probs[:, 2] = -np.inf
    log_probs[1, 1:] = -np.inf
    log_probs[3, [0, 1]] = -np.inf
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.exp(log_probs) / np.exp(log_probs).sum(axis=1, keepdims=True))
    expected = {text: nats for text, nats in brute_force(log_probs).items() if nats > -math.inf}
    found = beam_search(log_probs, None, EVERYTHING)
    assert {one.tokens for one in found} == set(expected)
    for hypothesis in found:
        assert hypothesis.acoustic == pytest.approx(expected[hypothesis.tokens], abs=1e-6)


@pytest.mark.parametrize("beam", [1, 2, 4, 16])
def test_scores_recompose(beam: int) -> None:
    """score = acoustic + lm + bias, lm as asked from scratch, acoustic never more than all alignments."""
    scorer = ToyScorer(3)
    for seed in range(5):
        log_probs = random_log_probs(seed, 6, 4)
        everything = brute_force(log_probs)
        for one in beam_search(log_probs, scorer, SearchOptions(beam=beam)):
            assert one.bias == 0.0
            assert one.lm == pytest.approx(scored(scorer, one.tokens), abs=1e-9)
            assert one.score == pytest.approx(one.acoustic + one.lm + one.bias)
            assert one.acoustic <= everything[one.tokens] + 1e-9


def test_two_scorers_add_up() -> None:
    first, second = ToyScorer(1), ToyScorer(2, memory=1)
    log_probs = random_log_probs(7, 12, 6)
    for one in BeamSearch(SearchOptions(), (first, second)).decode(log_probs):
        assert one.lm == pytest.approx(scored(first, one.tokens) + scored(second, one.tokens), abs=1e-9)


def test_pruning_costs_little_on_peaky_input() -> None:
    """The default options find what a search four times as wide without gaps finds.

    A score may be lower, for alignments of a prefix that was out of the beam for a while, never higher.
    """
    generator = np.random.default_rng(11)
    wide = SearchOptions(beam=64, top_k=40, token_gap=math.inf, beam_gap=math.inf, aligned=0)
    for seed in range(20):
        log_probs = peaky_log_probs(seed, generator.integers(1, 40, size=15).tolist(), 40)
        for scorer in (None, ToyScorer(seed, spread=0.5)):
            found, broad = beam_search(log_probs, scorer)[0], beam_search(log_probs, scorer, wide)[0]
            assert found.tokens == broad.tokens
            assert broad.score - 1.0 < found.score < broad.score + 1e-9


def test_a_wider_beam_equals_greedy_where_nothing_competes() -> None:
    tokens = np.random.default_rng(2).integers(1, 30, size=40).tolist()
    log_probs = peaky_log_probs(2, tokens, 30, noise=0.3, hardness=0.01)
    spoken = greedy(log_probs).tokens
    for beam in (1, 4, 16):
        assert beam_search(log_probs, None, SearchOptions(beam=beam))[0].tokens == spoken


@pytest.mark.parametrize("beam", [1, 2, 3, 16, 100])
@pytest.mark.parametrize("frames", [0, 1, 50])
def test_silence_is_empty(beam: int, frames: int) -> None:
    log_probs = np.full((frames, 8), math.log(0.001 / 7), dtype=np.float32)
    log_probs[:, 0] = math.log(0.999)
    assert greedy(log_probs).tokens == ()
    for one in (None, PlainScorer(dict.fromkeys(range(8), -1.0))):
        assert beam_search(log_probs, one, SearchOptions(beam=beam))[0].tokens == ()


def test_no_frames() -> None:
    scorer = ToyScorer(4)
    nothing = np.empty((0, 5), dtype=np.float32)
    assert greedy(nothing) == Hypothesis((), 0.0)
    assert beam_search(nothing) == [Hypothesis((), 0.0)]
    assert beam_search(nothing, scorer) == [Hypothesis((), 0.0, scorer.finish(()))]
    assert BeamSearch(None, (scorer,)).stream().finish() == beam_search(nothing, scorer)


def test_repeated_letters_need_a_blank_between() -> None:
    def spell(path: list[int]) -> np.ndarray:
        log_probs = np.full((len(path), 4), -12.0)
        log_probs[np.arange(len(path)), path] = 0.0
        return normalised(log_probs)

    for path, text in [([1, 0, 1], (1, 1)), ([1, 1, 1], (1,)), ([2, 0, 2, 2, 0, 0, 2, 3, 3], (2, 2, 2, 3))]:
        assert greedy(spell(path)).tokens == text
        for beam in (1, 2, 16):
            assert beam_search(spell(path), None, SearchOptions(beam=beam))[0].tokens == text


@pytest.mark.parametrize("seed", range(4))
def test_streams_interleaved_in_pieces_equal_one_after_the_other(seed: int) -> None:
    """Any cuts, any order of two streams, fresh or used memory: the same hypotheses to the last bit."""
    generator = random.Random(seed)
    scorer = ToyScorer(seed)
    inputs = [random_log_probs(10 * seed + one, 40, 12, sharpness=3.0) for one in range(2)]
    expected = [beam_search(values, scorer) for values in inputs]
    search = BeamSearch(None, (scorer,))
    streams = [search.stream(), search.stream()]
    places = [0, 0]
    while places != [40, 40]:
        which = generator.choice([one for one in range(2) if places[one] < 40])
        cut = min(40, places[which] + generator.randint(0, 7))
        streams[which].push(inputs[which][places[which] : cut])
        places[which] = cut
        assert streams[which].partial().spans == ()
    assert [stream.finish() for stream in streams] == expected
    assert [search.decode(values) for values in inputs] == expected


def test_partial_is_the_best_prefix_without_the_end() -> None:
    log_probs, scorer = random_log_probs(1, 20, 8, sharpness=3.0), ToyScorer(1)
    stream = BeamSearch(None, (scorer,)).stream()
    assert stream.partial() == Hypothesis((), 0.0)
    stream.push(log_probs)
    partial = stream.partial()
    finished = {one.tokens: one for one in BeamSearch(SearchOptions(n_best=16), (scorer,)).decode(log_probs)}
    assert partial.acoustic == finished[partial.tokens].acoustic
    assert partial.lm == pytest.approx(scored(scorer, partial.tokens) - scorer.finish(partial.tokens[-2:]))


def test_long_input_outgrows_the_first_memory() -> None:
    """Thousands of prefixes and answers: tables are enlarged on the way and nothing is lost."""
    scorer = ToyScorer(9)
    log_probs = random_log_probs(9, 1500, 30)
    whole = BeamSearch(None, (scorer,)).decode(log_probs)[0]
    assert whole.lm == pytest.approx(scored(scorer, whole.tokens), abs=1e-6)
    assert len(whole.tokens) > 500


def test_answers_are_remembered() -> None:
    scorer = ToyScorer(6)
    search = BeamSearch(None, (scorer,))
    log_probs = random_log_probs(6, 30, 10)
    first = search.decode(log_probs)
    asked = scorer.asked
    assert asked > 0
    assert search.decode(log_probs) == first
    assert scorer.asked == asked


@pytest.mark.parametrize("decode", [greedy, beam_search])
def test_unusable_input_is_refused(decode: object) -> None:
    assert callable(decode)
    good = random_log_probs(0, 5, 4)
    broken = good.copy()
    broken[3, 2] = np.nan
    infinite = good.copy()
    infinite[3, 2] = np.inf
    for bad in (broken, infinite, good + 1.0, np.exp(good), good[0], good[None], good[:, :1], good[:, :0]):
        with pytest.raises(LogProbsError):
            decode(bad)
    with pytest.raises(ValueError, match="frame 3 sum to nan"):
        decode(broken)


def test_unusable_options_and_scorers_are_refused() -> None:
    for name in ("beam", "top_k", "n_best"):
        with pytest.raises(SearchOptionsError, match=f"{name} is 0"):
            SearchOptions(**{name: 0})
    with pytest.raises(SearchOptionsError, match="token_gap is nan"):
        SearchOptions(token_gap=math.nan)
    with pytest.raises(LogProbsError, match="blank is token 4 of 4"):
        beam_search(random_log_probs(0, 5, 4), None, SearchOptions(blank=4))
    for nats in (math.nan, math.inf):
        with pytest.raises(ScorerError, match="nats below infinity"):
            beam_search(random_log_probs(0, 5, 4), PlainScorer(dict.fromkeys(range(4), nats)))
    stream = BeamSearch().stream()
    stream.push(random_log_probs(0, 5, 4))
    with pytest.raises(LogProbsError, match="5 tokens and those before 4"):
        stream.push(random_log_probs(0, 5, 5))


@pytest.mark.parametrize("seed", range(3))
def test_asking_less_changes_nothing(seed: int) -> None:
    """What is not asked about for `largest_step` would not have been in the beam, if no step pays more."""
    log_probs = random_log_probs(seed, 60, 20, sharpness=3.0)
    frugal, asking = ToyScorer(seed), ToyScorer(seed)
    found = beam_search(log_probs, frugal, SearchOptions(largest_step=8.0))
    assert found == beam_search(log_probs, asking, SearchOptions(largest_step=math.inf))
    assert frugal.asked <= asking.asked


def test_a_scorer_may_forbid() -> None:
    """Negative infinity takes a token out, everywhere."""
    log_probs = random_log_probs(3, 6, 4)
    found = beam_search(log_probs, PlainScorer({1: 0.0, 2: -math.inf, 3: 0.0}), EVERYTHING)
    expected = {text for text in brute_force(log_probs) if 2 not in text}
    assert set(texts(found)) == expected
