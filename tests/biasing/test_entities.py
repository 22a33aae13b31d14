"""Phrases found and matched: hand-worked cases, and laws with random texts."""

import random

import pytest

from biasing.alignment import ScoreError, align
from biasing.entities import PhraseCounts, PhraseIndex, match_phrases


def counts(ref: str, hyp: str, *phrases: str) -> dict[str, tuple[int, int, int]]:
    """Return {phrase: (hits, misses, false accepts)}."""
    found = findings(ref, hyp, phrases)
    names = {one.phrase for one in found}
    sums = {name: sum((one.counts for one in found if one.phrase == name), PhraseCounts()) for name in names}
    return {name: (one.hits, one.misses, one.false_accepts) for name, one in sums.items()}


def findings(ref: str, hyp: str, phrases):
    left, right = ref.split(), hyp.split()
    return match_phrases(left, right, align(left, right), PhraseIndex.of(phrases))


CASES = {
    "heard": ("call priya sharma now", "call priya sharma now", (1, 0, 0)),
    "split by an additional word": ("call priya sharma now", "call priya a sharma now", (0, 1, 0)),
    "one word wrong": ("call priya sharma now", "call priya shah now", (0, 1, 0)),
    "one word missing": ("call priya sharma now", "call sharma now", (0, 1, 0)),
    "half of it said twice": ("call priya sharma now", "call priya sharma sharma now", (1, 0, 0)),
    "its beginning said twice": ("call priya sharma now", "call priya priya sharma now", (1, 0, 0)),
    "errors around it": ("call priya sharma now", "tall priya sharma never ever", (1, 0, 0)),
    "not spoken": ("call her now", "call priya sharma now", (0, 0, 1)),
    "instead of other words": ("call prayer shame now", "call priya sharma now", (0, 0, 1)),
    "heard once more": ("call priya sharma now", "priya sharma call priya sharma now", (1, 0, 1)),
    "spoken twice, heard twice": ("priya sharma priya sharma", "priya sharma priya sharma", (2, 0, 0)),
    "spoken twice, heard once": ("priya sharma or priya sharma", "or priya sharma", (1, 1, 0)),
    "spoken at the end, heard at the beginning": (
        "we did not see this time or ever priya sharma",
        "priya sharma we did not see this time or ever",
        (0, 1, 1),
    ),
    "words in another order": ("sharma priya", "priya sharma", (0, 0, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_cases_worked_by_hand(name):
    ref, hyp, expected = CASES[name]
    assert counts(ref, hyp, "priya sharma") == {"priya sharma": expected}


def test_a_phrase_inside_a_word_is_no_phrase():
    assert counts("the category", "the category", "cat") == {}


def test_of_nested_phrases_the_longest_counts():
    both = ("new york", "new york city")
    city, state = "in new york city", "in new york then"
    assert counts(city, city, *both) == {"new york city": (1, 0, 0)}
    assert counts(state, state, *both) == {"new york": (1, 0, 0)}
    assert counts(city, "in new york", *both) == {"new york city": (0, 1, 0), "new york": (0, 0, 1)}
    assert counts(state, city, *both) == {"new york": (0, 1, 0), "new york city": (0, 0, 1)}
    assert counts("new york city new york", "new york city new york", *both) == {
        "new york city": (1, 0, 0),
        "new york": (1, 0, 0),
    }


def test_the_longest_is_placed_first_and_words_are_not_shared():
    index = PhraseIndex.of(["a b", "b c d", "d"])
    assert [(one.phrase, one.start, one.end) for one in index.find(["a", "b", "c", "d", "a", "b", "d"])] == [
        ("b c d", 1, 4),
        ("a b", 4, 6),
        ("d", 6, 7),
    ]
    assert [one.start for one in PhraseIndex.of(["a a"]).find(["a", "a", "a", "a", "a"])] == [0, 2]


def test_phrases_given_twice_or_with_more_spaces_are_one_and_empty_ones_are_named():
    assert PhraseIndex.of(["a  b", "a b", "c"]).phrases == ("a b", "c")
    assert PhraseIndex.of([]).find(["a"]) == ()
    with pytest.raises(ScoreError, match="phrase 2 is empty"):
        PhraseIndex.of(["a", " "])


@pytest.mark.parametrize("seed", range(100))
def test_laws_of_matching(seed):
    rng = random.Random(seed)
    phrases = ["a", "a b", "b c a", "d d"]
    ref = " ".join(rng.choices("abcde", k=rng.randint(0, 14)))
    hyp = " ".join(word for word in ref.split() if rng.random() > 0.2) + " " + rng.choice("abcde")
    found, index = findings(ref, hyp, phrases), PhraseIndex.of(phrases)
    spoken = [one.spoken for one in found if one.spoken]
    heard = [one.heard for one in found if one.heard]
    assert sorted(spoken, key=lambda one: one.start) == list(index.find(ref.split()))
    assert sorted(heard, key=lambda one: one.start) == list(index.find(hyp.split()))
    for one in found:
        assert {one.phrase} == {place.phrase for place in (one.spoken, one.heard) if place}
    assert all(one.counts == PhraseCounts(hits=1) for one in findings(ref, ref, phrases))
    assert {one.counts for one in findings("", ref, phrases)} <= {PhraseCounts(false_accepts=1)}
