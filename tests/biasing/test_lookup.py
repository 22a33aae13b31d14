"""Laws of the pronunciation lookup."""

from __future__ import annotations

import numpy as np
import pytest
from phones_said import Letters, random_log_probs, said

from biasing.lookup import EXACT, NEAR, LookupIndex, LookupOptions, look_up, replaced
from biasing.phone_alignment import PhoneticError, align_words, phone_frames
from biasing.phone_book import PhoneBook, WordWays, classes
from biasing.phrases import Phrase, make_phrases


def found_in(phones, words, phrases, options=None, common=frozenset()):
    """Words after the lookup, and the replacements."""
    listed = make_phrases(phrases)
    book = PhoneBook(Letters(), listed)
    heard = phone_frames(phones if isinstance(phones, np.ndarray) else said(phones))
    alignment = align_words(words, heard, book)
    found = look_up(alignment, heard, LookupIndex(listed, book, options), common)
    assert found == look_up(alignment, heard, LookupIndex(listed, book, options), common)
    return replaced(words, found), found


def test_words_that_sound_like_a_phrase_become_it():
    words, found = found_in("HH EH B EH T AE N AE", ["he", "bit", "an", "a"], ["Betan", "zebra"])
    assert words == ["he", "Betan", "a"]
    (one,) = found
    assert (one.first, one.end, one.entry, one.text, one.reason) == (1, 3, 0, "Betan", EXACT)
    assert one.phones == ("B", "EH", "T", "AE", "N")
    assert one.gain > 0.0


@pytest.mark.parametrize("seed", range(5))
def test_an_empty_list_and_nothing_heard_find_nothing(seed):
    words = ["he", "ran", "sir"]
    assert found_in(random_log_probs(seed, 40), words, []) == (words, ())
    assert found_in(random_log_probs(seed, 2), words, ["ran"]) == (words, ())
    assert found_in(random_log_probs(seed, 40), [], ["ran"]) == ([], ())
    assert found_in(random_log_probs(seed, 40), words, ["quq"]) == (words, ())


def test_a_phrase_is_never_replaced():
    """Neither by itself, nor by another one that sounds like it, nor in part."""
    phones = "N EH W B AA P"
    assert found_in(phones, ["new", "bop"], ["new bop", Phrase("bap", sounds_like="bop")])[1] == ()
    assert found_in(phones, ["new", "bop"], [Phrase("bap", sounds_like="bop")])[0] == ["new", "bap"]
    assert found_in(phones, ["new bop"], ["new bop", Phrase("z", sounds_like="new bop")])[1] == ()


def test_words_are_displayed_as_their_user_wrote():
    phrases = [Phrase("bop", sounds_like="/N EH W/", display="B.O.P. Inc"), "zzz"]
    assert found_in("N EH W", ["now"], phrases)[0] == ["B.O.P. Inc"]


def test_longer_runs_win_and_nothing_overlaps():
    phones = "B EH T AE N AE"
    assert found_in(phones, ["bit", "an", "a"], ["bet", "zan"])[0] == ["bet", "an", "a"]
    phrases = ["bet", Phrase("all", sounds_like="/B EH T AE N AE/")]
    words, found = found_in(phones, ["bit", "an", "a"], phrases)
    assert words == ["all"]
    two = LookupOptions(longest=2)
    assert found_in(phones, ["bit", "an", "a"], phrases, two)[0] == ["bet", "an", "a"]
    assert [(one.first, one.end) for one in found] == [(0, 3)]


def test_common_words_stay_unless_they_fit_badly():
    common = frozenset({"bet", "bit"})
    phrases = [Phrase("Beth", sounds_like="bet")]
    assert found_in("B EH T", ["bet"], phrases)[0] == ["Beth"]
    assert found_in("B EH T", ["bet"], phrases, common=common)[0] == ["bet"]
    assert found_in("B EH T", ["bit"], phrases, common=common)[0] == ["Beth"]
    hard = LookupOptions(margin=1e9)
    assert found_in("B EH T", ["bit"], phrases, hard, common)[0] == ["bit"]


def test_of_homophones_the_larger_boost_wins_in_whatever_order():
    one, other = Phrase("ab", 2.0, "/B EH T/"), Phrase("cd", 5.0, "/B EH T/")
    for phrases in ([one, other], [other, one]):
        assert found_in("B EH T", ["bit"], phrases)[0] == ["cd"]


@pytest.mark.parametrize("fuzzy", [False, True])
def test_what_is_discouraged_is_put_nowhere(fuzzy):
    options = LookupOptions(fuzzy=fuzzy)
    for boost, text in ((-5.0, "bit"), (0.0, "cd")):
        assert found_in("B EH T", ["bit"], [Phrase("cd", boost, "/B EH T/")], options)[0] == [text]


def test_short_phrases_are_left_alone():
    assert found_in("HH EH", ["hi"], ["he"])[0] == ["hi"]
    assert found_in("HH EH", ["hi"], ["he"], LookupOptions(least_phones=2))[0] == ["he"]


def test_the_fuzzy_tier_is_off_and_wants_one_phone_in_five_and_no_rival():
    phones, words = "B EH T AE Z", ["bit", "as"]
    fuzzy = LookupOptions(fuzzy=True)
    assert found_in(phones, words, ["betan"])[0] == words
    words_found, found = found_in(phones, words, ["betan"], fuzzy)
    assert words_found == ["betan"]
    assert found[0].reason == NEAR
    assert found_in(phones, words, ["betan", "betas"], fuzzy)[0] == words
    assert found_in("B EH T Z", ["bit"], ["betn"], fuzzy)[0] == ["bit"]
    assert found_in("B EH Z AE S", words, ["betan"], fuzzy)[0] == words


@pytest.mark.parametrize("seed", range(5))
def test_the_fuzzy_index_finds_what_a_search_through_the_list_finds(seed):
    generator = np.random.default_rng(seed)
    texts = sorted(
        {"".join(generator.choice(list("abe"), size=generator.integers(3, 12))) for _ in range(60)}
    )
    listed = make_phrases(texts)
    book = PhoneBook(Letters(), listed)
    index = LookupIndex(listed, book, LookupOptions(fuzzy=True))
    for text in texts:
        heard = list(book.ways(text)[0])
        for _ in range(generator.integers(0, 3)):
            heard[generator.integers(len(heard))] = int(generator.integers(1, 8))
        near = {
            place
            for place, entry in enumerate(listed)
            for way in book.ways_of(entry)
            if slow_distance(tuple(heard), way) <= min(2, len(way) // 5)
        }
        answer = index.near(tuple(heard))
        assert (answer[0] if answer else None) == (near.pop() if len(near) == 1 else None)


def slow_distance(one, other):
    """Edit distance by its definition, with memory."""
    memory = {}

    def between(i, j):
        if not (i and j):
            return i + j
        if (i, j) not in memory:
            same = between(i - 1, j - 1) + (one[i - 1] != other[j - 1])
            memory[i, j] = min(same, between(i - 1, j) + 1, between(i, j - 1) + 1)
        return memory[i, j]

    return between(len(one), len(other))


def test_an_index_answers_by_pronunciation():
    listed = make_phrases(["read", Phrase("cd", sounds_like=("bet", "/AA AA AA/"))])
    index = LookupIndex(listed, PhoneBook(Letters(), listed), LookupOptions())
    for phones, entry in {
        "R EH D": 1,
        "R IY D": 1,
        "B EH T": 0,
        "AA AA AA": 0,
        "K D": None,
        "R": None,
    }.items():
        assert index.exact(classes(phones.split())) == entry
    for options in ({"longest": 0}, {"least_phones": 0}, {"margin": float("nan")}):
        with pytest.raises(PhoneticError):
            LookupOptions(**options)


def test_words_are_asked_for_once_however_many_lists_have_them():
    asked = []

    class Counting(Letters):
        def pronounce(self, word, count):
            asked.append(word)
            return super().pronounce(word, count)

    ways = WordWays(Counting())
    for names in (["abba", "cad"], ["cad", "dab abba"]):
        phrases = make_phrases(names)
        own, fresh = PhoneBook(ways, phrases), PhoneBook(Letters(), phrases)
        assert [own.ways_of(entry) for entry in phrases] == [fresh.ways_of(entry) for entry in phrases]
    assert sorted(asked) == ["abba", "cad", "dab"]
