"""A class of words: harmless when empty, and otherwise what the formula gives, written out by hand."""

import math
import random
import time
from itertools import pairwise, product

import pytest

from lm.classes import ClassError, ClassMatch, ClassModel, ClassOptions, ClassScorer
from lm.estimate import EstimateOptions, train
from lm.ngram import WORD_START, LMOptions, NGram, WordScorer

PIECES = ["<blk>", "▁", "▁a", "▁b", "a", "b", "'", "▁ab"]
WORDS = ["a", "b", "ab", "ba", "abb", "b'a", "aa", "bb", "aab"]
LM = LMOptions(weight=0.7, word_bonus=0.3, unk_penalty=-4.0)
OPTIONS = ClassOptions(offset=2.0, contrast=0.5)
BOOST_ARPA = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-1.5\t<unk>\t0
-99\t<s>\t-0.3
-0.8\t</s>\t0
-0.6\ta\t-0.2
-0.9\tb\t-0.1
-1.1\t<boost>\t-0.4

\\2-grams:
-0.2\ta <boost>
-0.5\t<boost> b
-1.9\t<boost> a

\\end\\
"""


@pytest.fixture(scope="module", params=["<unk>", "<boost>"])
def ngram(request, tmp_path_factory):
    """A model with unknown words, and one with a word for the class."""
    folder = tmp_path_factory.mktemp("lm")
    if request.param == "<boost>":
        (folder / "lm.arpa").write_text(BOOST_ARPA)
        return NGram(folder / "lm.arpa")
    rng = random.Random(3)
    sentences = (rng.choices(WORDS[:6], [6, 5, 4, 3, 2, 1], k=rng.randint(1, 9)) for _ in range(400))
    (folder / "text.txt").write_text("\n".join(" ".join(words) for words in sentences))
    train(
        [folder / "text.txt"], folder / "lm.bin", EstimateOptions(order=3, min_word_count=1, prune=(0, 0, 1))
    )
    return NGram(folder / "lm.bin")


def texts(count, seed=5):
    rng = random.Random(seed)
    return [[rng.randrange(1, len(PIECES)) for _ in range(rng.randint(0, 14))] for _ in range(count)]


def lists(count, seed=6):
    """Random members of one to three words, with weights; some lists have the same words twice."""
    rng = random.Random(seed)
    for _ in range(count):
        yield [
            (tuple(rng.choices(WORDS, k=rng.randint(1, 3))), rng.choice([0.5, 1.0, 2.0]))
            for _ in range(rng.randint(0, 8))
        ]


def spoken(tokens):
    return "".join(PIECES[token] for token in tokens).replace(WORD_START, " ").split()


def total(scorer, tokens):
    state, nats = scorer.start(), 0.0
    for token in tokens:
        state, added = scorer.step(state, token)
        nats += added
    return nats + scorer.finish(state)


def by_hand(ngram, words, members, options):
    """The best over all ways to read members in a sentence, from nothing but ln P of words."""
    class_word = "<boost>" if "<boost>" in ngram else "<unk>"
    heaviest = {words: max(weight for other, weight in members if other == words) for words, _ in members}
    contexts, plain, heads = [ngram.start()], [], []
    for word in words:
        class_after, head = ngram.score_word(contexts[-1], class_word)
        after, nats = ngram.score_word(contexts[-1], word)
        contexts.append(class_after if (word,) in heaviest and word not in ngram else after)
        plain.append(nats + (LM.unk_penalty if word not in ngram else 0.0))
        heads.append(head + options.offset)
    best = [0.0]
    for end in range(1, len(words) + 1):
        readings = [best[-1]]
        for first in range(end):
            weight = heaviest.get(tuple(words[first:end]))
            if weight:
                inside = heads[first] + options.contrast * math.log(weight)
                gain = LM.weight * (inside - sum(plain[first:end]))
                readings.append(best[first] + min(gain, options.most * weight))
        best.append(max(readings))
    nats = LM.weight * (sum(plain) + ngram.finish(contexts[-1])) + LM.word_bonus * len(words)
    return nats + best[-1], best[-1]


@pytest.mark.parametrize("most", [math.inf, 1.5])
def test_tokens_add_up_to_the_formula(ngram, most):
    options = ClassOptions(6.0, 0.5, most)
    gained = 0
    for members in lists(40):
        scorer = ClassScorer(ngram, PIECES, members, LM, options)
        for tokens in texts(20):
            words = spoken(tokens)
            expected, gain = by_hand(ngram, words, members, options)
            assert total(scorer, tokens) == pytest.approx(expected, abs=1e-4)
            found = scorer.classes.find(words)
            assert sum(match.nats for match in found) == pytest.approx(gain, abs=1e-4)
            assert all(tuple(words[one.first : one.end]) in dict(members) for one in found)
            gained += gain > 0
    assert gained > 100


def test_an_empty_list_scores_as_the_plain_model_in_every_state(ngram):
    empty, plain = ClassScorer(ngram, PIECES, [], LM, OPTIONS), WordScorer(ngram, PIECES, LM)
    for tokens in texts(200):
        state, other = empty.start(), plain.start()
        for token in tokens:
            state, added = empty.step(state, token)
            other, expected = plain.step(other, token)
            assert added == pytest.approx(expected, abs=1e-6)
            assert empty.finish(state) == pytest.approx(plain.finish(other), abs=1e-6)


def test_the_order_of_the_list_has_no_say(ngram):
    for members in lists(20):
        one = ClassScorer(ngram, PIECES, members, LM, OPTIONS)
        other = ClassScorer(ngram, PIECES, sorted(members * 2, reverse=True), LM, OPTIONS)
        for tokens in texts(20):
            assert total(one, tokens) == total(other, tokens)


def test_a_longer_list_changes_no_sentence_without_its_other_members(ngram):
    for members in lists(20):
        longer = [*members, *(((f"{word}z",), 9.0) for word in WORDS), (("ab", "z"), 9.0)]
        one, other = (ClassModel(ngram, some, LM, OPTIONS) for some in (members, longer))
        for tokens in texts(20):
            states, totals = [one.start(), other.start()], [0.0, 0.0]
            for word in spoken(tokens):
                for index, model in enumerate((one, other)):
                    states[index], nats = model.word(states[index], word)
                    totals[index] += nats
            assert totals[0] == totals[1]


def test_a_known_word_keeps_the_better_of_its_scores(ngram):
    unlikely, likely = ClassOptions(-50.0), ClassOptions(50.0)
    for word in ("a", "b"):
        plain = LM.weight * ngram.score([word]) + LM.word_bonus
        tokens = [PIECES.index("▁" + word)]
        assert total(ClassScorer(ngram, PIECES, [((word,), 1.0)], LM, unlikely), tokens) == pytest.approx(
            plain
        )
        assert total(ClassScorer(ngram, PIECES, [((word,), 1.0)], LM, likely), tokens) > plain + 20


def test_a_phrase_pays_the_class_once_and_a_broken_one_nothing(ngram):
    members = [(("a", "b"), 1.0), (("a", "b", "a"), 1.0)]
    options = ClassOptions(50.0)
    scorer, plain = ClassScorer(ngram, PIECES, members, LM, options), WordScorer(ngram, PIECES, LM)
    a, b = PIECES.index("▁a"), PIECES.index("▁b")
    for tokens in ([a], [a, a], [b, a], [a, PIECES.index("▁ab"), a], [a, b, PIECES.index("b"), a]):
        assert total(scorer, tokens) == pytest.approx(total(plain, tokens), abs=1e-6)
    shorter, longer = total(scorer, [a, b]), total(scorer, [a, b, a])
    assert scorer.classes.find(["a", "b", "a", "a", "b"])[0][:2] == (0, 3)
    assert shorter > total(plain, [a, b]) + 20
    closing = ngram.finish(ngram.score_word(ngram.start(), "a")[0])
    assert abs(longer - shorter) < LM.weight * abs(closing) + 5  # the third word pays no second class


def test_overlapping_members_are_read_as_gains_most(ngram):
    members = [(("a", "b"), 1.0), (("b", "a"), 4.0), (("a", "b", "a", "b"), 0.25)]
    model = ClassModel(ngram, members, LM, ClassOptions(20.0))
    assert [one[:2] for one in model.find(["a", "b", "a", "b"])] == [(0, 2), (2, 4)]
    assert [one[:2] for one in model.find(["a", "b", "a"])] == [(1, 3)]
    assert model.find(["ab", "b"]) == []
    assert isinstance(model.find(["a", "b"])[0], ClassMatch)


def test_unfinished_words_are_paid_in_advance_what_they_may_become(ngram):
    scorer = ClassScorer(ngram, PIECES, [(("abbb", "ba"), 1.0)], LM, ClassOptions(9.0))
    state, paid = scorer.start(), 0.0
    for piece in ("▁a", "b", "b", "b"):
        state, added = scorer.step(state, PIECES.index(piece))
        paid += added
    class_word = "<boost>" if "<boost>" in ngram else "<unk>"
    anywhere = LM.weight * (ngram.out_of_context([class_word])[0] + 9.0) + LM.word_bonus
    assert paid == pytest.approx(anywhere, abs=1e-5)
    state, added = scorer.step(state, PIECES.index("▁b"))
    here = LM.weight * (ngram.score_word(ngram.start(), class_word)[1] + 9.0)
    assert paid + added == pytest.approx(here + 2 * LM.word_bonus, abs=1e-5)  # the second word is free
    broken, taken_back = scorer.step(state, PIECES.index("'"))
    plain = WordScorer(ngram, PIECES, LM)
    expected, nats = plain.start(), 0.0
    for piece in ("▁a", "b", "b", "b", "▁b", "'"):
        expected, added_plain = plain.step(expected, PIECES.index(piece))
        nats += added_plain
    assert paid + added + taken_back == pytest.approx(nats, abs=1e-5)
    assert broken[1] == "b'"


def test_states_are_values(ngram):
    """Utterances interleaved score as one after the other, and equal states have equal futures."""
    members = next(some for some in lists(9) if len(some) > 5)
    scorer = ClassScorer(ngram, PIECES, members, LM, OPTIONS)
    sentences, rng, seen = texts(60), random.Random(1), {}
    alone = [total(ClassScorer(ngram, PIECES, members, LM, OPTIONS), tokens) for tokens in sentences]
    states, nats = [scorer.start() for _ in sentences], [0.0] * len(sentences)
    rest = [list(tokens) for tokens in sentences]
    while any(rest):
        index = rng.choice([index for index, tokens in enumerate(rest) if tokens])
        states[index], added = scorer.step(states[index], rest[index].pop(0))
        nats[index] += added
        futures = [scorer.step(states[index], token)[1] for token in range(1, len(PIECES))]
        assert seen.setdefault(states[index], futures) == futures
    assert [nats[i] + scorer.finish(states[i]) for i in range(len(states))] == alone
    assert len(seen) < sum(map(len, sentences))


def test_a_budget_holds_for_every_phrase(ngram):
    for members in lists(20, seed=9):
        free, held = (
            ClassModel(ngram, members, LM, ClassOptions(9.0, most=most)) for most in (math.inf, 2.0)
        )
        for words in product(["a", "ab", "aa", "bb"], repeat=3):
            for match in held.find(words):
                weight = max(w for some, w in members if some == words[match.first : match.end])
                assert match.nats <= 2.0 * weight + 1e-9
            gains = [sum(one.nats for one in model.find(words)) for model in (held, free)]
            assert gains[0] <= gains[1] + 1e-9


def test_members_beyond_the_room_crowd_each_other_out(ngram):
    """What a member gains at most falls as ln of the list, from the room on, and never below nothing."""
    options = ClassOptions(9.0, most=4.0, room=2, crowding=2.0)
    for count in range(1, len(WORDS) + 1):
        members = [((word,), 1.0) for word in WORDS[:count]]
        alone = ClassOptions(9.0, most=options.most_among(count))
        crowded, free = (ClassModel(ngram, members, LM, one) for one in (options, alone))
        assert crowded.find(WORDS) == free.find(WORDS)
    falls = [options.most_among(count) for count in (1, 2, 4, 8, 1000)]
    assert falls == pytest.approx([4.0, 4.0, 4.0 - 2 * math.log(2), 4.0 - 2 * math.log(4), 0.0])


def test_remembering_is_bounded_and_harmless(ngram, monkeypatch):
    members = [(("aab",), 1.0), (("bb", "a"), 1.0)]
    expected = [total(ClassScorer(ngram, PIECES, members, LM, OPTIONS), tokens) for tokens in texts(100)]
    for module in ("ngram", "classes"):
        monkeypatch.setattr(f"lm.{module}.MOST_WORDS_REMEMBERED", 3)
    scorer = ClassScorer(ngram, PIECES, members, LM, OPTIONS)
    assert [total(scorer, tokens) for tokens in texts(100)] == expected
    assert len(scorer._completed) <= 3
    assert len(scorer.classes._begun) <= 3


def test_building_is_quick_and_a_step_costs_the_same_in_a_long_list(ngram):
    rng = random.Random(2)
    words = ["".join(rng.choices("ab'", k=12)) for _ in range(40_000)]
    members = [
        ((first, second)[: 1 + index % 2], 1.0) for index, (first, second) in enumerate(pairwise(words))
    ]
    begun = time.process_time()
    scorer = ClassScorer(ngram, PIECES, members[:20_000], LM)
    assert time.process_time() - begun < 2.0  # a tenth of that on an idle machine
    small = ClassScorer(ngram, PIECES, members[:10], LM)
    seconds = []
    for one in (small, scorer):
        for tokens in texts(100):
            total(one, tokens)
        rounds = []
        for seed in (77, 78, 79):
            begun = time.process_time()
            for tokens in texts(300, seed=seed):
                total(one, tokens)
            rounds.append(time.process_time() - begun)
        seconds.append(min(rounds))
    assert seconds[1] < 5 * seconds[0]


def test_unusable_members_and_options_are_named(ngram):
    for member, words in [
        (("new york", 1.0), "one text"),
        (((), 1.0), "one word or more"),
        ((("new york",), 1.0), "space"),
        ((("",), 1.0), "empty"),
        ((("a",), 0.0), "weight 0.0"),
        ((("a",), -1.0), "leave it out"),
        ((("a",), math.nan), "weight nan"),
        ((("b", "ax"), 1.0), r"no piece has \['x'\]"),
    ]:
        with pytest.raises(ClassError, match=words) as caught:
            ClassScorer(ngram, PIECES, [(("b",), 1.0), member], LM)
        assert "\n" not in str(caught.value)
    wrongs = ({"offset": math.inf}, {"contrast": -1.0}, {"most": -1.0}, {"most": math.nan})
    for wrong in (*wrongs, {"room": 0}, {"crowding": -1.0}, {"crowding": math.inf}):
        with pytest.raises(ClassError, match="finite"):
            ClassOptions(**wrong)
