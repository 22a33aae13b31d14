"""Laws of the gate: doubt against a search through everything, and what it lets through."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from phones_said import Letters, random_log_probs, said

from biasing.gate import Gate, GateError, GateOptions
from biasing.graph import BoostOptions
from biasing.options import BiasOptions, BiasOptionsError
from biasing.phone_alignment import PhoneFrames, WordAlignment, align_words, phone_frames, span_cost
from biasing.phone_book import PhoneBook
from biasing.phrases import make_phrases
from biasing.spotting import Spotter, SpottingOptions

LETTERS = "_abcdenr"
ANYWHERE = {"beam": 1e9, "first_token": 1e-30, "blank_threshold": 1.0, "least_score": -40.0}
FREE = SpottingOptions(token_bonus=5.0, least_letters=1, **ANYWHERE)
WORDS = ["cran", "read", "bad", "cab", "ab", "dean"]


def by_letters(text):
    return [LETTERS.index(letter) for letter in text]


def pieces(seed, frames):
    """Log-probs of sub-words in which anything may be."""
    values = 2 * np.random.default_rng(seed).normal(size=(frames, len(LETTERS)))
    return (values - np.log(np.exp(values).sum(axis=1, keepdims=True))).astype(np.float32)


def gate_of(words, options=None):
    phrases = make_phrases(words)
    book = PhoneBook(Letters(), phrases)
    return Gate(Spotter(phrases, by_letters, FREE), [book.ways_of(one) for one in phrases], options)


def costing(costs):
    """Words that are heard without the list and cost so much in each frame."""
    return WordAlignment((), float(costs.sum()), frame_costs=costs)


def doubt_by_hand(one, way, heard: PhoneFrames, costs, options):
    """By every range of frames around the sub-words; of equally cheap ones the shortest."""
    first, end = max(0, one.start - options.margin), min(len(heard), one.end + options.margin)
    ranges = [(a, b) for a in range(first, end) for b in range(a + 1, end + 1)]
    cost, _, (a, b) = min((span_cost(way, heard, a, b), b - a, (a, b)) for a, b in ranges)
    return cost - costs[a:b].sum() + options.doubt_cost * cost / len(way)


@pytest.mark.parametrize("seed", range(15))
def test_doubts_are_those_of_a_search_through_everything(seed):
    rng = np.random.default_rng(seed)
    frames, word = int(rng.integers(4, 16)), WORDS[seed % len(WORDS)]
    log_probs, heard = pieces(seed, frames), phone_frames(random_log_probs(seed, frames))
    costs = rng.exponential(1.0, frames)
    options = GateOptions(margin=int(rng.integers(0, 4)), doubt_cost=float(rng.uniform(0, 4)))
    ways = PhoneBook(Letters(), make_phrases([word])).ways(word)
    everywhere = gate_of([word], replace(options, doubt=1e9))
    found = everywhere.open(log_probs, heard, costing(costs))
    assert found or frames < len(word)
    for one in found:
        doubt = min(doubt_by_hand(one, way, heard, costs, options) for way in ways)
        if math.isinf(doubt):
            continue
        for limit, there in ((doubt + 1e-3, True), (doubt - 1e-3, False)):
            passed = gate_of([word], replace(options, doubt=limit)).open(log_probs, heard, costing(costs))
            assert (one in passed) == there


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_list_and_what_else_is_in_it_have_no_say(seed):
    log_probs, heard = pieces(seed, 25), phone_frames(random_log_probs(seed, 25))
    costs = np.random.default_rng(seed).exponential(2.0, 25)

    def found(words):
        passed = gate_of(words, GateOptions(doubt=20.0)).open(log_probs, heard, costing(costs))
        return {(one.text, one.start, one.end, one.score) for one in passed}

    assert found(WORDS) == found(WORDS[::-1]) == set().union(*(found([word]) for word in WORDS))


def test_what_was_said_passes_and_what_was_not_does_not():
    """ "cran" was said and "ran" recognized; where "ran" was said, "cran" does not pass."""
    words, gate = ["he", "ran"], gate_of(["cran"], GateOptions(doubt=3.0, margin=30))
    book = PhoneBook(Letters(), make_phrases(["cran"]))
    for phones, there in (("HH EH K R AE N", True), ("HH EH R AE N", False)):
        heard = phone_frames(said(phones))
        log_probs = np.full((len(heard), len(LETTERS)), -9.0, np.float32)
        log_probs[np.arange(4, 8), by_letters("cran")] = -0.5
        passed = gate.open(log_probs, heard, align_words(words, heard, book))
        assert {one.text for one in passed} == ({"cran"} if there else set())


def test_of_one_spelling_the_best_of_ranges_that_overlap_passes():
    log_probs, heard = pieces(3, 30), phone_frames(random_log_probs(3, 30))
    passed = gate_of(["ab"], GateOptions(doubt=1e9)).open(log_probs, heard, costing(np.zeros(30)))
    assert passed
    assert all(one.end <= other.start for one, other in pairwise(passed))
    every = Spotter(make_phrases(["ab"]), by_letters, FREE).rows(log_probs)
    assert max(one.score for one in every) == max(one.score for one in passed)


def test_what_cannot_be_said_is_left_to_the_search():
    log_probs, heard = pieces(1, 20), phone_frames(random_log_probs(1, 20))
    phrases = make_phrases(["cab"])
    unsaid = Gate(Spotter(phrases, by_letters, FREE), [()], GateOptions(doubt=-1e9))
    assert unsaid.open(log_probs, heard, costing(np.zeros(20)))
    assert gate_of(["cab"], GateOptions(doubt=-1e9)).open(log_probs, heard, costing(np.zeros(20))) == []
    assert gate_of([]).open(log_probs, heard, costing(np.zeros(20))) == []
    assert (
        gate_of(["cab"]).open(log_probs[:0], phone_frames(random_log_probs(1, 0)), costing(np.zeros(0))) == []
    )


WRONG = [
    {"doubt": math.nan},
    {"doubt": "x"},
    {"doubt_cost": -1.0},
    {"margin": -1},
    {"margin": 1.5},
    {"margin": 10**30},
    {"words": 0},
    {"words": 2.5},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_options_that_no_gate_can_have_are_named(wrong):
    with pytest.raises(GateError, match=next(iter(wrong))):
        GateOptions(**wrong)


@pytest.mark.parametrize("given", [None, {}, BoostOptions()])
def test_constants_of_another_kind_are_refused(given):
    with pytest.raises(BiasOptionsError, match=r"gating is .*; give GateOptions\(\.\.\.\)"):
        BiasOptions(gating=given)
