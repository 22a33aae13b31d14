"""Alignments: equal to an independent recursion, edits as few as possible, every error charged once."""

import random
from functools import cache

import pytest

from biasing.alignment import ErrorCounts, ScoreError, align, count_edits, pair_texts, split_errors


def random_words(rng: random.Random, longest: int, vocabulary: str = "abcd") -> list[str]:
    return rng.choices(vocabulary, k=rng.randint(0, longest))


def costs(ref, hyp, substitution: int, gap: int):
    """Return the function (i, j) -> price of aligning the first i with the first j words."""

    @cache
    def price(i: int, j: int) -> int:
        if not i or not j:
            return gap * (i + j)
        paired = price(i - 1, j - 1) + (0 if ref[i - 1] == hyp[j - 1] else substitution)
        return min(paired, price(i, j - 1) + gap, price(i - 1, j) + gap)

    return price


def recursive_alignment(ref, hyp):
    """Read the published rule from the end: pair if it is cheapest, else insert, else delete."""
    price = costs(ref, hyp, 4, 3)
    i, j, pairs = len(ref), len(hyp), []
    while i or j:
        same = 0 if i and j and ref[i - 1] == hyp[j - 1] else 4
        if i and j and price(i, j) == price(i - 1, j - 1) + same:
            i, j = i - 1, j - 1
            pairs.insert(0, (i, j))
        elif j and price(i, j) == price(i, j - 1) + 3:
            j -= 1
            pairs.insert(0, (None, j))
        else:
            i -= 1
            pairs.insert(0, (i, None))
    return tuple(pairs)


@pytest.mark.parametrize("seed", range(200))
def test_the_alignment_is_that_of_the_recursion(seed):
    rng = random.Random(seed)
    ref, hyp = random_words(rng, 12), random_words(rng, 12)
    assert align(ref, hyp) == recursive_alignment(ref, hyp)


def test_of_equal_prices_pairing_goes_before_inserting_before_deleting():
    assert align(["a"], ["a", "a"]) == ((None, 0), (0, 1))
    assert align(["a", "a"], ["a"]) == ((0, None), (1, 0))
    assert align(["a", "b", "c"], ["x", "y", "z"]) == ((0, 0), (1, 1), (2, 2))
    assert align(["a", "b"], ["b", "c"]) == ((0, None), (1, 0), (None, 1))
    assert align([], []) == ()


@pytest.mark.parametrize("seed", range(20))
def test_edits_are_as_few_as_possible(seed):
    rng = random.Random(seed)
    texts = [(random_words(rng, 9), random_words(rng, 9)) for _ in range(5)]
    found = count_edits([" ".join(ref) for ref, _ in texts], [" ".join(hyp) for _, hyp in texts])
    for (ref, hyp), edits in zip(texts, found, strict=True):
        assert edits.words.errors == costs(ref, hyp, 1, 1)(len(ref), len(hyp))
        characters = " ".join(ref), " ".join(hyp)
        assert edits.characters.errors == costs(*characters, 1, 1)(*map(len, characters))
        assert edits.words.reference == len(ref)
        assert [word for word, _ in edits.pairs if word] == ref
        assert [word for _, word in edits.pairs if word] == hyp
        aligned, _ = split_errors((ref, hyp), align(ref, hyp), ([True] * len(ref), [True] * len(hyp)))
        assert aligned.errors >= edits.words.errors


@pytest.mark.parametrize("seed", range(50))
def test_each_error_is_charged_once(seed):
    rng = random.Random(seed)
    ref, hyp = random_words(rng, 12), random_words(rng, 12)
    marked_words = set(rng.sample("abcd", 2))
    marks = [word in marked_words for word in ref], [word in marked_words for word in hyp]
    pairs = align(ref, hyp)
    marked, others = split_errors((ref, hyp), pairs, marks)
    everything, nothing = split_errors((ref, hyp), pairs, ([True] * len(ref), [True] * len(hyp)))
    assert nothing == ErrorCounts()
    assert marked + others == everything
    assert marked.reference == sum(marks[0])
    assert everything.hits + everything.substitutions + everything.insertions == len(hyp)


def test_no_texts_have_no_edits():
    assert count_edits([], []) == []


def test_texts_are_paired_by_id_or_by_place():
    assert pair_texts({"a": "x", "b": "y"}, {"b": "v", "a": "u"}) == [("a", "x", "u"), ("b", "y", "v")]
    assert pair_texts(["x"], ["u"]) == [("line 1", "x", "u")]
    with pytest.raises(ScoreError, match=r"1 \('b'\) only in the references, 1 \('c'\) only in the hypo"):
        pair_texts({"a": "", "b": ""}, {"a": "", "c": ""})
