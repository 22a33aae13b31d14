"""Laws of the phonetic alignment, rescoring and veto."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from phones_said import Letters, random_log_probs, said, silence

from asr.phones import PHONE_IDS
from biasing.alignment import align
from biasing.phone_alignment import PhoneticError, align_words, cost_of, phone_frames, span_cost
from biasing.phone_book import CLASSES, PhoneBook, classes, names, without_repeats
from biasing.phonetic import PhoneticOptions, differences, rescore, restored, veto
from biasing.phrases import Phrase, make_phrases

BOOK = PhoneBook(Letters())
WORDS = ("red", "read", "cran", "ran", "a", "aa", "he", "sir")


def random_words(seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return generator.choice(WORDS, size=int(generator.integers(1, 8))).tolist()


def test_classes_are_those_of_the_phone_head() -> None:
    assert {phone: classes([phone])[0] for phone in PHONE_IDS} == PHONE_IDS
    assert len(PHONE_IDS) + 1 == CLASSES
    assert names(classes(["K", "AE", "T"])) == ("K", "AE", "T")
    assert without_repeats([0, 3, 3, 0, 3, 1, 1, 0]) == (3, 3, 1)


@pytest.mark.parametrize("seed", range(20))
def test_alignment_is_ordered_and_shares_out_all_of_its_cost(seed: int) -> None:
    heard = phone_frames(random_log_probs(seed, 60))
    words = random_words(seed)
    found = align_words(words, heard, BOOK)
    assert [word.text for word in found.words] == words
    assert found.reason == ""
    edges = [edge for word in found.words for edge in (word.start, word.end)]
    assert all(before <= after for before, after in itertools.pairwise([0, *edges, len(heard)]))
    assert all(word.end - word.start >= len(word.phones) for word in found.words)
    assert all(classes(word.phones) in BOOK.ways(word.text) for word in found.words)
    assert found.cuts[0] == 0
    assert found.cuts[-1] == len(heard)
    for word, (start, stop) in zip(found.words, itertools.pairwise(found.cuts), strict=True):
        assert start <= word.start
        assert word.end <= stop
        assert word.cost >= 0.0
    assert sum(word.cost for word in found.words) == pytest.approx(found.cost, abs=1e-4)
    assert cost_of(words, heard, BOOK) == pytest.approx(found.cost, abs=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_the_cost_is_that_of_the_best_choice_of_pronunciations(seed: int) -> None:
    heard = phone_frames(random_log_probs(seed, 40))
    words = ["read", *random_words(seed)[:4], "read"]
    choices = itertools.product(*(BOOK.ways(word) for word in words))
    expected = min(span_cost(sum(ways, ()), heard, 0, 40) for ways in choices)
    assert cost_of(words, heard, BOOK) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_silence_around_moves_the_words_and_costs_nothing(seed: int) -> None:
    log_probs, words = random_log_probs(seed, 50), random_words(seed)
    found = align_words(words, phone_frames(log_probs), BOOK)
    padded = np.concatenate([silence(7), log_probs, silence(4)])
    moved = align_words(words, phone_frames(padded), BOOK)
    assert [(word.start, word.end) for word in moved.words] == [(w.start + 7, w.end + 7) for w in found.words]
    assert moved.cost == pytest.approx(found.cost, abs=1e-4)


def test_what_was_said_costs_nothing_and_the_better_way_is_taken() -> None:
    heard = phone_frames(said("R EH D R AE N R IY D"))
    found = align_words(["read", "ran", "read"], heard, BOOK)
    assert found.cost == pytest.approx(0.0, abs=1e-5)
    assert [" ".join(word.phones) for word in found.words] == ["R EH D", "R AE N", "R IY D"]
    wrong = align_words(["read", "cran", "read"], heard, BOOK)
    assert wrong.words[1].cost_per_phone > 1.0
    assert wrong.words[1].cost == pytest.approx(wrong.cost, abs=1e-4)


def test_phrases_of_the_list_are_also_said_as_their_user_wrote() -> None:
    phrases = make_phrases(
        [Phrase("new york", sounds_like="/N UW Y AO R K/"), Phrase("sir", sounds_like="red")]
    )
    book = PhoneBook(Letters(), phrases)
    assert classes(["N", "UW", "Y", "AO", "R", "K"]) in book.ways("new york")
    assert classes(["R", "EH", "D"]) in book.ways("sir")
    assert set(BOOK.ways("new york")) < set(book.ways("new york"))
    assert book.ways("york") == BOOK.ways("york")
    heard = phone_frames(said("N UW Y AO R K"))
    assert cost_of(["new york"], heard, book) == pytest.approx(0.0, abs=1e-5)
    assert cost_of(["new", "york"], heard, book) > 1.0


def test_ways_of_several_words_are_their_combinations() -> None:
    assert set(BOOK.ways("read a read")) == {
        classes(f"R {one} D AE R {two} D".split()) for one in ("EH", "IY") for two in ("EH", "IY")
    }
    assert len(BOOK.ways("read " * 10)) == 16


def test_what_cannot_be_aligned_has_an_infinite_cost_and_says_why() -> None:
    heard = phone_frames(random_log_probs(0, 5))
    for words, reason in [
        (["red", "ran"], "2 words do not fit into 5 frames"),
        (["q"], "no pronunciation of 'q'"),
        (["a", "x"], "no pronunciation of 'x'"),
    ]:
        found = align_words(words, heard, BOOK)
        assert (found.words, found.cost, found.reason) == ((), math.inf, reason)
        assert cost_of(words, heard, BOOK) == math.inf
    assert align_words([], heard, BOOK).words == ()
    assert align_words([], heard, BOOK).cost == pytest.approx(cost_of([], heard, BOOK))
    assert align_words([""], heard, BOOK).cost == math.inf
    nothing = phone_frames(np.zeros((0, CLASSES)))
    assert align_words([], nothing, BOOK).cost == 0.0
    assert align_words(["a"], nothing, BOOK).cost == math.inf


def test_what_are_no_log_probs_is_refused() -> None:
    good = random_log_probs(0, 5)
    with pytest.raises(PhoneticError, match=r"shape \(5, 39\)"):
        phone_frames(good[:, 1:])
    for bad in (np.where(good == good[2, 3], np.nan, good), good + 5.0, np.full_like(good, -np.inf)):
        with pytest.raises(PhoneticError, match="log_softmax"):
            phone_frames(bad)
    for options in (
        {"weight": -1.0},
        {"veto_cost": math.nan},
        {"veto_margin": math.nan},
        {"veto_margin": -1.0},
    ):
        with pytest.raises(PhoneticError):
            PhoneticOptions(**options)


@pytest.mark.parametrize("seed", range(5))
def test_rescoring_adds_weighted_costs(seed: int) -> None:
    heard = phone_frames(random_log_probs(seed, 60))
    hypotheses = [random_words(10 * seed + rank) for rank in range(8)]
    scores = sorted(np.random.default_rng(seed).normal(-20, 10, size=8).tolist(), reverse=True)
    off = rescore(hypotheses, scores, heard, BOOK, PhoneticOptions(weight=0.0))
    assert off.order == tuple(range(8))
    assert off.scores == tuple(scores)
    found = rescore(hypotheses, scores, heard, BOOK, PhoneticOptions(weight=0.7))
    assert found.costs == off.costs
    assert found.scores == tuple(
        s - 0.7 * cost_of(h, heard, BOOK) for s, h in zip(scores, hypotheses, strict=True)
    )
    ranked = [found.scores[rank] for rank in found.order]
    assert ranked == sorted(ranked, reverse=True)
    assert found == rescore(hypotheses, scores, heard, PhoneBook(Letters()), PhoneticOptions(weight=0.7))


def test_hypotheses_that_cannot_be_aligned_come_last_in_their_order() -> None:
    heard = phone_frames(said("R AE N"))
    found = rescore(
        [["q"], ["cran"], ["qq"], ["ran"]], [4.0, 3.0, 2.0, 1.0], heard, BOOK, PhoneticOptions(weight=9.0)
    )
    assert found.order == (3, 1, 0, 2)
    assert rescore([["q"], ["qq"]], [2.0, 1.0], heard, BOOK).order == (0, 1)
    assert rescore([], [], heard, BOOK).order == ()
    with pytest.raises(PhoneticError, match="one each"):
        rescore([["a"]], [], heard, BOOK)


def test_the_veto_keeps_ran_from_becoming_cran() -> None:
    words, unbiased = ["he", "cran", "a"], ["he", "ran", "a"]
    one = veto(words, [(1, 2)], unbiased, phone_frames(said("HH EH R AE N AE")), BOOK)[0]
    assert one.vetoed
    assert (one.replaces, one.instead, one.other) == ((1, 2), ("ran",), (1, 2))
    assert one.cost_per_phone == pytest.approx(one.cost / 4)
    assert one.margin == pytest.approx(one.cost, abs=1e-4)
    assert restored(words, unbiased, [one.place]) == unbiased
    kept = veto(words, [(1, 2)], unbiased, phone_frames(said("HH EH K R AE N AE")), BOOK)[0]
    assert not kept.vetoed
    assert kept.cost == pytest.approx(0.0, abs=1e-5)
    assert kept.margin < -1.0


@pytest.mark.parametrize("seed", range(10))
def test_the_margin_is_the_difference_of_two_whole_alignments(seed: int) -> None:
    heard = phone_frames(random_log_probs(seed, 80))
    left, right = random_words(seed), random_words(seed + 100)
    words, unbiased = [*left, "cran", "sir", *right], [*left, "he", *right]
    phrase = (len(left), len(left) + 2)
    one = veto(words, [phrase], unbiased, heard, BOOK)[0]
    expected = cost_of(words, heard, BOOK) - cost_of(unbiased, heard, BOOK)
    assert one.margin == pytest.approx(expected, abs=1e-3)
    assert restored(words, unbiased, [one.place]) == unbiased
    options = PhoneticOptions(veto_cost=0.0, veto_margin=max(one.margin, 0.0))
    assert not veto(words, [phrase], unbiased, heard, BOOK, options)[0].vetoed


def test_a_veto_takes_back_all_that_differs_around_the_phrase() -> None:
    heard = phone_frames(said("HH EH R AE N AE"))
    words, unbiased = ["he", "cran", "red", "a"], ["he", "ran", "a"]
    one = veto(words, [(1, 2)], unbiased, heard, BOOK)[0]
    assert (one.replaces, one.instead, one.vetoed) == ((1, 3), ("ran",), True)
    assert restored(words, unbiased, [one.place]) == unbiased
    both = veto(["cran", "a", "cran"], [(0, 1), (2, 3)], ["ran", "a"], phone_frames(said("R AE N AE")), BOOK)
    assert [verdict.instead for verdict in both] == [("ran",), ()]
    assert restored(["cran", "a", "cran"], ["ran", "a"], [one.place for one in both]) == ["ran", "a"]


@pytest.mark.parametrize("seed", range(40))
def test_places_that_overlap_are_restored_word_for_word(seed: int) -> None:
    """However they lie in each other: each pair of the alignment is the one's or the other's."""
    generator = np.random.default_rng(seed)
    words, unbiased = random_words(seed), random_words(seed + 100)
    pairs = align(words, unbiased)
    spans = [sorted(generator.integers(0, len(pairs) + 1, 2).tolist()) for _ in range(4)]

    def count(side: int, end: int) -> int:
        return sum(pair[side] is not None for pair in pairs[:end])

    places = [tuple((count(side, low), count(side, high)) for side in (0, 1)) for low, high in spans]
    given = [any(low <= number < high for low, high in spans) for number in range(len(pairs))]
    taken = [
        (unbiased, pair[1]) if back else (words, pair[0]) for pair, back in zip(pairs, given, strict=True)
    ]
    assert restored(words, unbiased, places) == [texts[at] for texts, at in taken if at is not None]


def test_phrases_that_both_heard_stay_whatever_they_cost() -> None:
    heard = phone_frames(said("HH EH R AE N"))
    options = PhoneticOptions(veto_cost=0.0, veto_margin=0.0)
    one = veto(["he", "cran"], [(1, 2)], ["he", "cran"], heard, BOOK, options)[0]
    assert (one.margin, one.vetoed, one.instead) == (0.0, False, ("cran",))


def test_a_veto_without_alignment() -> None:
    """What cannot be said there is vetoed if the other can; where neither can, there is no evidence."""
    heard = phone_frames(said("R AE N"))
    assert veto(["q"], [(0, 1)], ["ran"], heard, BOOK)[0].vetoed
    neither = veto(["q"], [(0, 1)], ["qq"], heard, BOOK)[0]
    assert (neither.margin, neither.vetoed, neither.cost) == (0.0, False, math.inf)
    assert not veto(["ran"], [(0, 1)], ["q"], heard, BOOK)[0].vetoed
    for phrases in ([(0, 2)], [(0, 0)], [(-1, 1)], [(0, 1), (0, 1)]):
        with pytest.raises(PhoneticError, match="from left to right"):
            veto(["ran"], phrases, ["ran"], heard, BOOK)


@pytest.mark.parametrize("seed", range(30))
def test_differences_are_whole_apart_and_all_there_is(seed: int) -> None:
    words, unbiased = random_words(seed), random_words(seed + 1000)
    places = differences(words, unbiased)
    assert restored(words, unbiased, places) == unbiased
    for ((_, end), (_, other)), ((first, _), (second, _)) in itertools.pairwise(places):
        assert words[end:first] == unbiased[other:second] != []
    assert not differences(words, words)
