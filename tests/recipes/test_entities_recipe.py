"""Comparing with others: the word spotter equals a search over all paths."""

import itertools

import numpy as np
import pytest

from asr.align import TimedWord
from biasing.phrases import make_phrases
from recipes.entities.spotter import Recognized, Spotted, Spotter, SpotterOptions, merge, without_conflicts

TOKENS = {"a": 1, "b": 2, "c": 3}
LOOSE = SpotterOptions(
    token_bonus=1.0, beam=1e9, blank_threshold=1.0, first_token=1e-300, least_score=-1e9, least_letters=1
)


def encode(text):
    return [TOKENS[letter] for letter in text]


def random_log_probs(seed, frames=5):
    logits = np.random.default_rng(seed).normal(0, 2, (frames, 4))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def every_path(log_probs, tokens, bonus):
    """{end: (score, start)} of the best stretch of frames that spells the tokens, no blank at its ends."""
    best = {}
    for start, end in itertools.combinations(range(len(log_probs) + 1), 2):
        for path in itertools.product(range(4), repeat=end - start):
            collapsed = [one for at, one in enumerate(path) if at == 0 or one != path[at - 1]]
            if [one for one in collapsed if one] == tokens and path[0] and path[-1]:
                score = sum(
                    float(log_probs[start + at, one]) + (bonus if one else 0) for at, one in enumerate(path)
                )
                best[end] = max(best.get(end, (-np.inf, 0)), (score, start))
    return best


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("text", ["a", "ab", "aa", "aba"])
def test_the_spotter_finds_the_best_of_all_paths(seed, text):
    log_probs = random_log_probs(seed)
    expected = every_path(log_probs, encode(text), 1.0)
    found = Spotter(make_phrases([text]), encode, LOOSE).find(log_probs)
    score, end = max((score, -end) for end, (score, _) in expected.items())
    assert max(one.score for one in found) == pytest.approx(score, abs=1e-4)
    assert max(found, key=lambda one: one.score).end == -end


def test_several_phrases_are_found_as_each_alone():
    log_probs = random_log_probs(9, 40)
    texts = ["ab", "abc", "ca", "b"]
    alone = [one for text in texts for one in Spotter(make_phrases([text]), encode, LOOSE).find(log_probs)]
    together = Spotter(make_phrases(texts), encode, LOOSE).find(log_probs)
    best = max(alone, key=lambda one: one.score)
    assert max(together, key=lambda one: one.score) == best
    for one, other in itertools.combinations(together, 2):
        shorter = min(one.end - one.start, other.end - other.start)
        assert min(one.end, other.end) - max(one.start, other.start) <= LOOSE.conflict * shorter
    assert Spotter(make_phrases([]), encode, LOOSE).find(log_probs) == []


def test_thresholds_only_take_away():
    log_probs = random_log_probs(3, 60)
    everything = {
        (one.text, one.start, one.end)
        for one in Spotter(make_phrases(["abc"]), encode, LOOSE).find(log_probs)
    }
    assert everything
    assert not Spotter(make_phrases(["abc"]), encode, SpotterOptions(least_score=1e3)).find(log_probs)
    assert not Spotter(make_phrases(["abc"]), encode, SpotterOptions(least_letters=4)).find(log_probs)
    assert not Spotter(make_phrases(["abc"]), encode, SpotterOptions(blank_threshold=1e-9)).find(log_probs)


def recognized(text, start, end, score):
    return Recognized(TimedWord(text, start, end, 0.5, 0, 0), score, start, end)


def test_merging_worked_by_hand():
    words = [recognized("call", 0, 10, -1), recognized("mar", 10, 14, -2), recognized("ya", 14, 20, -2)]
    options = SpotterOptions()

    def merged(*spotted):
        return " ".join(word.text for word in merge(words, list(spotted), options))

    assert merged() == "call mar ya"
    assert merged(Spotted("maria", -4, 10, 20)) == "call maria"
    assert merged(Spotted("maria", -4.1, 10, 20)) == "call mar ya"
    assert merged(Spotted("maria", -4.9, 8, 20)) == "call maria", "two frames of ten are not 30 percent"
    assert merged(Spotted("maria", -4.9, 6, 20)) == "maria"
    assert merged(Spotted("amen", 0, 25, 30)) == "call mar ya amen"
    better = Spotted("maria", 3.0, 10, 20)
    assert without_conflicts([Spotted("mary", 1.0, 12, 22), better], 0.1) == [better]
    apart = Spotted("mary", 1.0, 19, 30)
    assert without_conflicts([apart, better], 0.1) == [better, apart]
