"""Laws of spotting: what is found, against a search through everything, and what the phones let in."""

import math

import numpy as np
import pytest
from phones_said import Letters, said

from biasing.phone_alignment import phone_frames
from biasing.phone_book import PhoneBook
from biasing.phrases import make_phrases
from biasing.spotting import Spotted, Spotter, SpottingError, SpottingOptions, Word, place, without_conflicts

LETTERS = "_abcdefgh"
FREE = SpottingOptions(token_bonus=1.5, beam=1e9, first_token=1e-30, blank_threshold=1.0, least_score=-40.0)


def by_letters(text):
    return [LETTERS.index(letter) for letter in text]


def random_log_probs(rng, frames):
    values = 3 * rng.normal(size=(frames, len(LETTERS)))
    return (values - np.log(np.exp(values).sum(axis=1, keepdims=True))).astype(np.float32)


def random_words(rng, count=6):
    return sorted({"".join(rng.choice(list("abc"), size=rng.integers(3, 6))) for _ in range(count)})


def by_hand(log_probs, tokens, bonus):
    """The best score of a spelling for each frame of its last token, wherever it begins."""
    found, paths = [], {}
    for row in log_probs:
        new = {(0, False): row[tokens[0]] + bonus}

        def offer(state, score, new=new):
            new[state] = max(score, new.get(state, -math.inf))

        for (at, blank), score in paths.items():
            offer((at, True), score + row[0])
            if not blank:
                offer((at, False), score + row[tokens[at]] + bonus)
            if at + 1 < len(tokens) and (blank or tokens[at] != tokens[at + 1]):
                offer((at + 1, False), score + row[tokens[at + 1]] + bonus)
        paths = new
        found.append(paths.get((len(tokens) - 1, False), -math.inf))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_a_search_through_everything(seed):
    rng = np.random.default_rng(seed)
    log_probs, words = random_log_probs(rng, int(rng.integers(1, 15))), random_words(rng)
    found = Spotter(make_phrases(words), by_letters, FREE).rows(log_probs)
    scores = {(one.text, one.end - 1): one.score for one in found}
    for word in words:
        for frame, expected in enumerate(by_hand(log_probs, by_letters(word), 1.5)):
            if expected > FREE.least_score:
                assert scores.pop((word, frame)) == pytest.approx(expected, abs=1e-4)
    assert not scores


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_list_and_what_else_is_in_it_have_no_say(seed):
    rng = np.random.default_rng(seed)
    log_probs, words = random_log_probs(rng, 30), random_words(rng)
    options = SpottingOptions(token_bonus=2.0, beam=1e9)
    seen = {}
    for listed in (words, words[::-1]):
        found = Spotter(make_phrases(listed), by_letters, options).find(log_probs)
        seen[tuple(listed)] = [(one.text, one.start, one.end, one.score) for one in found]
    first, second = seen.values()
    assert first == second
    for word in words:
        alone = Spotter(make_phrases([word]), by_letters, options).rows(log_probs)
        among = Spotter(make_phrases(words), by_letters, options).rows(log_probs)
        assert [(one.start, one.end) for one in alone] == [
            (one.start, one.end) for one in among if one.text == word
        ]


def test_of_overlapping_phrases_the_best_stays():
    found = [Spotted(0, "abc", 5.0, 0, 10), Spotted(1, "bcd", 6.0, 5, 12), Spotted(2, "efg", 1.0, 12, 20)]
    assert [one.text for one in without_conflicts(found, 0.1)] == ["bcd", "efg"]
    assert [one.text for one in without_conflicts(found, 0.9)] == ["abc", "bcd", "efg"]


def test_short_and_discouraged_phrases_are_not_looked_for():
    phrases = make_phrases(["ab", "abc :-3", "bca :0"])
    log_probs = random_log_probs(np.random.default_rng(0), 30)
    assert Spotter(phrases, by_letters, FREE).find(log_probs) == []
    assert Spotter(make_phrases([]), by_letters).find(log_probs) == []


def test_the_phones_let_in_what_was_said_and_nothing_else():
    """ "cran" was said and "ran" recognized: it is put in its place; where "ran" was said it is not."""
    phrases = make_phrases(["cran"])
    book = PhoneBook(Letters(), phrases)
    words = [Word("he", 0, 4), Word("ran", 4, 10), Word("a", 10, 12)]
    spotted = [Spotted(0, "cran", 3.0, 4, 10)]
    right = place(words, spotted, phone_frames(said("HH EH K R AE N AE")), book, 0.0)
    assert [(one.first, one.end, one.spotted.text) for one in right] == [(1, 2, "cran")]
    assert right[0].gain > 0
    assert place(words, spotted, phone_frames(said("HH EH R AE N AE")), book, 0.0) == []
    listed = [words[0], words[1]._replace(listed=True), words[2]]
    assert place(listed, spotted, phone_frames(said("HH EH K R AE N AE")), book, 0.0) == []


def test_a_phrase_between_two_words_is_put_in():
    phrases = make_phrases(["cran"])
    words = [Word("he", 0, 4), Word("a", 12, 14)]
    heard = phone_frames(said("HH EH K R AE N AE"))
    [one] = place(words, [Spotted(0, "cran", 3.0, 4, 12)], heard, PhoneBook(Letters(), phrases), 0.0)
    assert (one.first, one.end) == (1, 1)


def test_less_doubt_is_forgiven_in_longer_lists():
    options = SpottingOptions(doubt=3.0, room=10, crowding=2.0)
    assert options.doubt_among(1) == options.doubt_among(10) == 3.0
    assert options.doubt_among(100) == pytest.approx(3.0 - 2.0 * math.log(10))


@pytest.mark.parametrize(
    "wrong", [{"beam": -1.0}, {"conflict": 1.5}, {"first_token": -0.1}, {"doubt": math.nan}, {"room": 0}]
)
def test_options_that_spot_nothing_are_named(wrong):
    with pytest.raises(SpottingError, match=next(iter(wrong))):
        SpottingOptions(**wrong)
