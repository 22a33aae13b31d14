"""Laws of the alignment of letters with phones: every cut spells its word, and the likelihood never falls."""

import itertools
import random

import pytest

from biasing.g2p import Pronouncer
from biasing.graphones import unpack
from recipes.g2p.align import SHAPES, best_cuts, encode, learn
from recipes.g2p.measure import distance
from recipes.g2p.train import TrainOptions, align, held_out, split, train

SOUNDS = {
    "a": "AE",
    "b": "B",
    "d": "D",
    "e": "EH",
    "k": "K",
    "o": "OW",
    "t": "T",
    "x": "K S",
    "sh": "SH",
    "ph": "F",
}


def lexicon(seed, count=300):
    """Words of a spelling with a rule for every sound, x saying two and sh one."""
    rng = random.Random(seed)
    words = {}
    for _ in range(count):
        chunks = rng.choices(sorted(SOUNDS), k=rng.randint(2, 5))
        words["".join(chunks)] = (tuple(" ".join(SOUNDS[chunk] for chunk in chunks).split()),)
    return words


@pytest.fixture(scope="module")
def learned():
    pairs = [(word, ways[0]) for word, ways in lexicon(1).items()]
    words = encode(pairs)
    return pairs, words, *learn(words, 8)


def test_every_cut_spells_its_word_and_says_its_phones(learned):
    pairs, words, share, _ = learned
    for (word, phones), cut in zip(pairs, best_cuts(words, share), strict=True):
        assert "".join(chunk for chunk, _ in cut) == word
        assert tuple(itertools.chain.from_iterable(said for _, said in cut)) == phones
        assert all((len(chunk), len(said)) in SHAPES for chunk, said in cut)


def test_the_likelihood_never_falls_and_shares_sum_to_one(learned):
    history = learned[3]
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(history))
    assert learned[2].sum() == pytest.approx(1)


def test_words_without_a_cut_are_left_out():
    words = encode([("ab", ("AE", "B")), ("a", ("T", "R", "IH")), ("b", ("B",))])
    share, _ = learn(words, 3)
    assert [cut is None for cut in best_cuts(words, share)] == [False, True, False]


def test_a_regular_spelling_is_learned_from_examples():
    known, new = lexicon(1, 600), lexicon(2, 60)
    options = TrainOptions(order=3)
    pronouncer = Pronouncer(unpack(train(align(known, options), options)))
    right = [pronouncer.pronounce(word)[0].phones in ways for word, ways in new.items()]
    assert sum(right) >= 0.7 * len(right)


def test_the_split_is_by_name_and_parts_the_words():
    words = dict.fromkeys(("kate", "a.b", "o'brien", *(f"w{'x' * n}" for n in range(200))), (("AH",),))
    known, kept = split(words)
    assert not set(known) & set(kept)
    assert set(known) | set(kept) == set(words) - {"a.b"}
    assert all(map(held_out, kept))
    assert kept


def test_distance_is_that_of_levenshtein():
    rng = random.Random(4)
    for _ in range(50):
        one, other = (rng.choices("abc", k=rng.randint(0, 5)) for _ in range(2))
        found = distance(one, other)
        assert found == distance(other, one)
        assert abs(len(one) - len(other)) <= found <= max(len(one), len(other))
        assert (found == 0) == (one == other)
    assert distance("kitten", "sitting") == 3
