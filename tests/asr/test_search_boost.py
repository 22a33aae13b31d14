"""Laws of boosting in the search: it equals a plain reference and brute force, and is harmless when off."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from test_search import EVERYTHING, ToyScorer, brute_force, peaky_log_probs, random_log_probs, scored

from asr.search import BeamSearch, Hypothesis, LogProbsError, SearchOptions, SearchOptionsError, beam_search
from biasing.graph import END, BoostOptions, ContextGraph, Spelled, build_graph, step

PIECES = ["", "▁a", "▁b", "c", "d", "▁e", "f", "g", "h"]
STARTS = [1, 2, 5]
LETTERS = ["", *"▁abcdefghijklmnopqrstuvwxyz"]


def random_graph(rng: random.Random, vocabulary: int, most: int = 6, **options: float) -> ContextGraph:
    """Phrases of one to four tokens, some of them discouraged, some the beginnings of others."""
    starts = [token for token in STARTS if token < vocabulary]
    phrases = []
    for _ in range(rng.randint(1, most)):
        rest = rng.choices(range(1, vocabulary), k=rng.randint(0, 3))
        phrases.append(Spelled([(rng.choice(starts), *rest)], rng.choice([None, 3.0, 12.0, -2.0])))
    return build_graph(phrases, PIECES[:vocabulary], BoostOptions(**{"full_length": 2, **options}))


def paid(graph: ContextGraph, tokens: tuple[int, ...], gaps: list[float] | None = None) -> float:
    return sum(match.nats for match in graph.walk(tokens, gaps))


def reference(
    log_probs: np.ndarray, graph: ContextGraph, options: SearchOptions, scorer: ToyScorer
) -> list[Hypothesis]:
    """The search in plain Python: every candidate is made, and only then pruned."""
    weight, depth, cap = options.bias_weight, graph.arrays.depth, graph.arrays.cap
    beam = {(): (0.0, -math.inf, 0, 0.0, 0.0)}  # blank, label, node, pending, locked
    lm: dict[tuple[int, ...], float] = {(): 0.0}
    for frame in log_probs.astype(np.float64):
        by_rank = [token for token in np.argsort(-frame, kind="stable").tolist() if token != options.blank]
        near = [t for t in by_rank[: options.top_k] if frame[t] >= frame.max() - options.token_gap]
        made: dict[tuple[int, ...], list[float]] = {}
        for prefix, (blank, label, node, pending, locked) in beam.items():
            repeated = label + frame[prefix[-1]] if prefix else -math.inf
            stays = np.logaddexp(blank, label) + frame[options.blank]
            made[prefix] = [stays, repeated, node, pending, locked]
        for prefix, (blank, label, node, pending, locked) in beam.items():
            for token in by_rank:
                longer, gap = (*prefix, token), frame.max() - frame[token]
                after, advance, over = step(graph.arrays, node, pending, token, gap)
                alive = depth[after] > 1 and cap[after] > 0 and gap <= graph.arrays.rule.max_gap
                if not (token in near or longer in beam or (options.expand and alive)):
                    continue
                heard = blank if prefix[-1:] == (token,) else np.logaddexp(blank, label)
                if heard == -math.inf:
                    continue
                before = made.setdefault(longer, [-math.inf, -math.inf, after, -math.inf, 0.0])
                before[1] = np.logaddexp(before[1], heard + frame[token])
                if advance + locked + over > before[3] + before[4]:
                    before[3:] = [advance, locked + over]
                if longer not in lm:
                    lm[longer] = lm[prefix] + scorer.step(prefix[-scorer.memory :], token)[1]
        total = {
            prefix: np.logaddexp(one[0], one[1]) + lm[prefix] + weight * (one[3] + one[4])
            for prefix, one in made.items()
        }
        best = sorted(total, key=lambda prefix: -total[prefix])[: options.beam]
        beam = {p: tuple(made[p]) for p in best if total[p] >= total[best[0]] - options.beam_gap}
    found = []
    for prefix, (blank, label, node, pending, locked) in beam.items():
        bias = weight * (locked + step(graph.arrays, node, pending, END, 0.0)[2])
        end = scorer.finish(prefix[-scorer.memory :])
        found.append(Hypothesis(prefix, float(np.logaddexp(blank, label)), lm[prefix] + end, bias))
    return sorted(found, key=lambda one: -one.score)


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [one.tokens for one in found] == [one.tokens for one in expected]
    for one, other in zip(found, expected, strict=True):
        for part in ("acoustic", "lm", "bias"):
            assert getattr(one, part) == pytest.approx(getattr(other, part), abs=1e-6)


@pytest.mark.parametrize("seed", range(60))
def test_no_candidate_is_lost_that_a_plain_search_keeps(seed: int) -> None:
    """Cuts before the step or the scorer is asked are exact: narrow beams, few tokens, strong boosts."""
    rng = random.Random(seed)
    rules = {"slope": rng.choice([0.0, 0.7, 1.0]), "max_gap": rng.choice([2.0, 9.0, math.inf])}
    graph = random_graph(rng, len(PIECES), end_share=rng.choice([0.0, 0.5, 1.0]), **rules)
    options = SearchOptions(
        beam=rng.choice([1, 2, 4, 8]),
        top_k=rng.choice([1, 2, 5]),
        token_gap=rng.choice([1.0, 4.0]),
        beam_gap=math.inf if seed % 2 else rng.choice([2.0, 6.0]),
        largest_step=20.0,
        bias_weight=rng.choice([0.5, 1.0, 2.0]),
        expand=rng.random() < 0.7,
        n_best=100,
        aligned=0,
    )
    scorer = ToyScorer(seed, spread=1.0 if seed % 2 else 0.0)
    log_probs = random_log_probs(seed, 14, len(PIECES))
    found = beam_search(log_probs, scorer if seed % 2 else None, options, graph)
    assert_same(found, reference(log_probs, graph, options, scorer))


@pytest.mark.parametrize("seed", range(10))
def test_wide_beam_equals_all_texts(seed: int) -> None:
    """Acoustic scores stay those of all paths, the bonus is that of the phrases, and the best text wins."""
    rng = random.Random(seed)
    graph = random_graph(rng, 4, slope=rng.choice([0.0, 0.7]))
    log_probs, scorer = random_log_probs(seed, 5, 4), ToyScorer(seed)
    expected = brute_force(log_probs)
    found = beam_search(log_probs, scorer, replace(EVERYTHING, bias_weight=0.5), graph)
    assert {one.tokens for one in found} == set(expected)
    for one in found:
        assert one.acoustic == pytest.approx(expected[one.tokens], abs=1e-9)
        assert one.lm == pytest.approx(scored(scorer, one.tokens), abs=1e-9)
        assert one.bias == pytest.approx(0.5 * paid(graph, one.tokens), abs=1e-9)
    best = max(expected, key=lambda text: expected[text] + scored(scorer, text) + 0.5 * paid(graph, text))
    assert found[0].tokens == best


@pytest.mark.parametrize("seed", range(6))
def test_what_depends_on_frames_is_what_some_frames_pay(seed: int) -> None:
    """Without the share at the end the bonus is one that the tokens could get if each chose its frame."""
    rng = random.Random(seed)
    constant = seed % 2 == 0
    rules = {"slope": 0.0, "max_gap": math.inf} if constant else {"slope": 0.7, "max_gap": 2.0}
    graph = random_graph(rng, 4, end_share=0.0, **rules)
    log_probs = random_log_probs(seed, 4, 4)
    gaps = log_probs.max(axis=1, keepdims=True).astype(np.float64) - log_probs
    for one in beam_search(log_probs, None, EVERYTHING, graph):
        choices = itertools.product(*(gaps[:, token] for token in one.tokens))
        possible = [paid(graph, one.tokens, list(choice)) for choice in choices]
        assert min(abs(one.bias - nats) for nats in possible) < 1e-9
        if constant:
            assert one.bias == pytest.approx(paid(graph, one.tokens))


def test_off_is_byte_identical() -> None:
    nothing = [build_graph([], PIECES), build_graph([Spelled([(1, 3)], 0.0), Spelled([])], PIECES)]
    graph = build_graph([Spelled([(1, 3, 4)])], PIECES)
    for seed in range(5):
        log_probs, scorer = random_log_probs(seed, 30, len(PIECES)), ToyScorer(seed)
        plain = beam_search(log_probs, scorer)
        assert all(one.bias == 0.0 for one in plain)
        for empty in nothing:
            assert beam_search(log_probs, scorer, None, empty) == plain
        assert beam_search(log_probs, scorer, SearchOptions(bias_weight=0.0), graph) == plain
        search = BeamSearch(None, (scorer,))
        boosted = search.decode(log_probs, graph)
        assert search.decode(log_probs) == plain
        assert search.decode(log_probs, graph) == boosted


def spoken(pieces: list[str], frames: list[dict[str, float]]) -> np.ndarray:
    """Log-probs of frames that give some pieces ("" is the blank) a probability, the rest share little."""
    log_probs = np.full((len(frames), len(pieces)), -16.0)
    for row, frame in zip(log_probs, frames, strict=True):
        for piece, probability in frame.items():
            row[pieces.index(piece)] = math.log(probability)
    return (log_probs - np.log(np.exp(log_probs).sum(axis=1, keepdims=True))).astype(np.float32)


def by_letters(word: str) -> list[int]:
    return [LETTERS.index(letter) for letter in "▁" + "▁".join(word.split())]


def letters_heard(text: str, graph: ContextGraph | None, rivals: dict[int, dict[str, float]]) -> str:
    """The best text where every letter of `text` is a certain spike but for the frames in `rivals`."""
    frames: list[dict[str, float]] = []
    for place, token in enumerate(by_letters(text)):
        frames += [rivals.get(place, {LETTERS[token]: 1.0}), {"": 1.0}]
    best = beam_search(spoken(LETTERS, frames), None, SearchOptions(aligned=0), graph)[0]
    return "".join(LETTERS[token] for token in best.tokens).replace("▁", " ").strip()


def letter_graph(*phrases: str, **options: float) -> ContextGraph:
    return build_graph([Spelled([by_letters(one)]) for one in phrases], LETTERS, BoostOptions(**options))


def test_a_phrase_is_found_below_top_k_and_token_gap() -> None:
    """Its second token is the last of all in its frame and 8 nats down; only expanding finds it."""
    graph = build_graph([Spelled([(1, 8, 4)])], PIECES, BoostOptions(full_length=2))
    rival = dict.fromkeys(PIECES[1:8], 0.12) | {"c": 0.5, "h": 0.5 * math.exp(-8.0)}
    log_probs = spoken(PIECES, [{"▁a": 1.0}, {"": 1.0}, rival, {"": 1.0}, {"d": 0.9, "f": 0.1}, {"": 1.0}])
    narrow = SearchOptions(beam=8, top_k=3, token_gap=5.0)
    assert beam_search(log_probs, None, narrow)[0].tokens == (1, 3, 4)
    assert beam_search(log_probs, None, replace(narrow, expand=False), graph)[0].tokens == (1, 3, 4)
    best = beam_search(log_probs, None, narrow, graph)[0]
    assert best.tokens == (1, 8, 4)
    assert best.bias == pytest.approx(paid(graph, best.tokens))
    weak = build_graph([Spelled([(1, 8, 4)])], PIECES, BoostOptions(full_length=2, max_gap=7.0))
    assert beam_search(log_probs, None, narrow, weak)[0].tokens == (1, 3, 4)


def test_a_broken_match_gives_everything_back() -> None:
    """While it lasts the match is ahead; where it breaks, and at the end, nothing of it is left."""
    graph = build_graph([Spelled([(1, 3, 4, 6)])], PIECES)
    begun = spoken(PIECES, [{"▁a": 1.0}, {"": 1.0}, {"c": 0.4, "f": 0.6}, {"": 1.0}])
    broken = spoken(PIECES, [{"g": 1.0}, {"": 1.0}])
    stream = BeamSearch().stream(graph)
    stream.push(begun)
    assert stream.partial().tokens == (1, 3)
    assert stream.partial().bias > 0.4
    assert [one.bias for one in stream.finish()] == [0.0] * len(stream.finish())
    assert stream.finish()[0].tokens == (1, 6)
    stream.push(broken)
    assert (stream.partial().tokens, stream.partial().bias) == ((1, 6, 7), 0.0)
    assert stream.finish()[0].tokens == (1, 6, 7)


def test_words_of_the_kind_that_went_wrong_elsewhere() -> None:
    """Phrases inside words, overlapping ones, repeated letters, discouraged ones."""
    near = {"a": 0.3, "o": 0.7}
    assert letters_heard("the cat sat", None, {6: near}) == "the cot sat"
    assert letters_heard("the cat sat", letter_graph("cat", full_length=1), {6: near}) == "the cat sat"
    assert letters_heard("category", letter_graph("cat", full_length=1), {2: near}) == "cotegory"
    unsure = {"s": 0.3, "": 0.7}
    he = letter_graph("he", "she", "hers", full_length=1)
    assert letters_heard("hers", he, {4: unsure}) == "hers"
    assert letters_heard("hers", letter_graph("he", "she", full_length=1), {4: unsure}) == "her"
    assert letters_heard("she he", letter_graph("she", "hers", full_length=1), {1: unsure}) == "she he"
    assert letters_heard("she he", he, {1: unsure}) == "he he"
    keeper = letter_graph("bookkeeper")
    second = {"k": 0.2, "": 0.8}
    assert letters_heard("bookkeeper", None, {5: second}) == "bookeeper"
    assert letters_heard("bookkeeper", keeper, {5: second}) == "bookkeeper"
    assert letters_heard("bokeper", keeper, {}) == "bokeper"
    uhm = build_graph([Spelled([by_letters("uhm")], -3.0)], LETTERS)
    assert letters_heard("uhm so", uhm, {3: {"m": 0.8, "n": 0.2}}) == "uhn so"


def test_the_order_of_the_list_has_no_say() -> None:
    rng = random.Random(4)
    for seed in range(8):
        ways = {(rng.choice(STARTS), *rng.choices(range(1, 9), k=rng.randint(1, 3))) for _ in range(9)}
        phrases = [Spelled([way], rng.choice([2.0, 6.0])) for way in sorted(ways)]
        log_probs = random_log_probs(seed, 30, len(PIECES))
        one, other = (
            build_graph(rng.sample(phrases, len(phrases)), PIECES, BoostOptions(full_length=2))
            for _ in range(2)
        )
        assert beam_search(log_probs, None, None, one) == beam_search(log_probs, None, None, other)


@pytest.mark.parametrize("seed", range(4))
def test_streams_of_different_lists_in_pieces_equal_one_after_the_other(seed: int) -> None:
    rng, scorer = random.Random(seed), ToyScorer(seed)
    shared = random_graph(rng, len(PIECES))
    graphs = [shared, None, random_graph(rng, len(PIECES)), shared]
    inputs = [peaky_log_probs(10 * seed + i, rng.choices(range(1, 9), k=12), 9) for i in range(4)]
    expected = [beam_search(x, scorer, None, graph) for x, graph in zip(inputs, graphs, strict=True)]
    search = BeamSearch(None, (scorer,))
    streams, places = [search.stream(graph) for graph in graphs], [0] * 4
    while any(place < len(x) for place, x in zip(places, inputs, strict=True)):
        which = rng.randrange(4)
        cut = places[which] + rng.randint(0, 7)
        streams[which].push(inputs[which][places[which] : cut])
        places[which] = min(cut, len(inputs[which]))
    assert [stream.finish() for stream in streams] == expected
    assert [search.decode(x, graph) for x, graph in zip(inputs, graphs, strict=True)] == expected


def test_long_input_outgrows_the_first_memory() -> None:
    graph = random_graph(random.Random(1), len(PIECES), most=20)
    whole = beam_search(random_log_probs(9, 1500, len(PIECES)), None, None, graph)[0]
    assert whole.bias == pytest.approx(paid(graph, whole.tokens), abs=1e-6)
    assert len(whole.tokens) > 500


def test_unusable_graphs_and_weights_are_refused() -> None:
    graph = build_graph([Spelled([(1, 3)])], PIECES)
    with pytest.raises(LogProbsError, match="4 tokens and the phrases 9"):
        beam_search(random_log_probs(0, 5, 4), None, None, graph)
    with pytest.raises(SearchOptionsError, match="bias_weight is -1"):
        SearchOptions(bias_weight=-1.0)
