"""Laws of pronouncing and of spelling: shares, order, phones, and an exhaustive search as reference."""

import itertools
import math
import random

import numpy as np
import pytest

from biasing.g2p import (
    LETTER_NAMES,
    Pronouncer,
    PronunciationError,
    SearchOptions,
    is_initials,
    said_by_letters,
    sounds,
)
from biasing.graphones import GraphoneError, Packed, name_of, pack, read_model, unpack, write_model
from biasing.lexicon import LexiconError, parse_lexicon, read_lexicon
from biasing.normalise import SpellingError
from biasing.phone_set import PHONES
from lm.counts import encode
from lm.estimate import EstimateOptions, estimate

TOY = [
    "c}K a}AE t}T",
    "c}K o}AA t}T",
    "c}S i}IH t}T",
    "ch}CH a}AE t}T",
    "t}T a}AE x}K_S i}IY",
    "t}T i}AY e} d}D",
]
WIDE = SearchOptions(beam=400, reach=100.0)


def packed(lines=TOY, order=3, bins=256):
    model = estimate(encode([(lines, 1)]), EstimateOptions(order=order, prune=(0,)))
    return model, pack(model, bins)


@pytest.fixture(scope="module")
def toy():
    return Pronouncer(unpack(packed()[1]), options=WIDE)


@pytest.fixture(scope="module")
def shipped():
    return Pronouncer.load()


def random_words(seed, count, letters="abcdefghijklmnopqrstuvwxyz"):
    rng = random.Random(seed)
    return ["".join(rng.choices(letters, k=rng.randint(1, 10))) for _ in range(count)]


def test_probabilities_are_shares_best_first_and_phones_are_in_the_set(shipped):
    for word in [*random_words(1, 60), "siobhan", "o'brien", "hmm"]:
        ways = shipped.pronounce(word, 50)
        shares = [way.probability for way in ways]
        assert ways
        assert all(0 <= share <= 1 for share in shares)
        assert sum(shares) <= 1
        assert shares == sorted(shares, reverse=True)
        assert len({way.phones for way in ways}) == len(ways)
        assert {phone for way in ways for phone in way.phones} <= set(PHONES)
        assert ways[:2] == shipped.pronounce(word, 2)


def test_a_phrase_multiplies_its_words(shipped):
    whole = {way.phones: way.probability for way in shipped.pronounce_phrase("joan baez", 1000)}
    product = {}
    for first, second in itertools.product(shipped.pronounce("joan", 99), shipped.pronounce("baez", 99)):
        phones = first.phones + second.phones
        product[phones] = product.get(phones, 0.0) + first.probability * second.probability
    assert set(whole) <= set(product)
    assert all(math.isclose(share, product[phones], rel_tol=1e-9) for phones, share in whole.items())
    assert sum(whole.values()) <= 1


def every_way(model, words, letters=None, phones=None):
    """Phones (or letters) of every path through an n-gram model that spells, or says, what is given."""
    ways = {}
    names = [name_of(graphone) for graphone in model.graphones[3:]]
    for length in range(1, 5):
        for path in itertools.product(range(len(names)), repeat=length):
            chosen = [model.graphones[3 + one] for one in path]
            spelled = "".join(chunk for chunk, _ in chosen)
            said = tuple(phone for _, chunk in chosen for phone in chunk)
            if letters is not None and spelled == letters:
                ways.setdefault(said, []).append([names[one] for one in path])
            if phones is not None and said == phones:
                ways.setdefault(spelled, []).append([names[one] for one in path])
    return {way: math.fsum(math.exp(words(path)) for path in paths) for way, paths in ways.items()}


def backoff_score(model):
    """ln P of a sentence by the recursive definition of a backoff model."""
    rows, number = {(): (0.0, 0.0)}, {word: index for index, word in enumerate(model.words)}
    texts = [()]
    for level in model.levels:
        texts = [(*texts[c], w) for c, w in zip(level.context.tolist(), level.word.tolist(), strict=True)]
        values = zip(level.log10_prob, level.log10_backoff, strict=True)
        rows.update(zip(texts, values, strict=True))

    def log10(context, word):
        if (*context, word) in rows:
            return rows[(*context, word)][0]
        return rows.get(context, (0.0, 0.0))[1] + log10(context[1:], word)

    def score(names):
        sentence = [1, *(number[name] for name in names), 2]
        ends = range(1, len(sentence))
        return math.log(10) * sum(log10(tuple(sentence[max(0, n - 2) : n]), sentence[n]) for n in ends)

    return score


def test_the_search_finds_what_trying_everything_finds(toy):
    model, stored = packed()
    score, graphones = backoff_score(model), unpack(stored)
    for word in ("cat", "chat", "cit", "tie", "taxi", "ca"):
        reference = every_way(graphones, score, letters=word)
        total = sum(reference.values())
        found = {way.phones: way.probability for way in toy.pronounce(word, 1000)}
        assert set(found) == set(reference)
        assert all(found[way] == pytest.approx(share / total, rel=1e-4) for way, share in reference.items())


def test_spelling_finds_what_trying_everything_finds(toy):
    model, stored = packed()
    score, graphones = backoff_score(model), unpack(stored)
    for phones in (("K", "AE", "T"), ("T", "AY"), ("CH", "AE")):
        reference = every_way(graphones, score, phones=phones)
        found = dict(toy.spell(phones, 1000))
        for spelling, share in sorted(reference.items(), key=lambda one: -one[1])[:5]:
            # paths of more than four graphones are beyond the reference, and take a little of the whole
            assert found[spelling] == pytest.approx(share / sum(reference.values()), rel=0.1)


def test_a_toy_lexicon_comes_back(toy):
    for line in TOY:
        word = "".join(name.partition("}")[0] for name in line.split())
        phones = [p for name in line.split() for p in name.partition("}")[2].split("_") if p]
        assert toy.pronounce(word)[0].phones == tuple(phones)
        assert word in dict(toy.spell(phones, 3))


def test_the_same_question_has_the_same_answer_whatever_was_asked_before(shipped):
    words = random_words(2, 30)
    first = {word: shipped.pronounce(word) for word in words}
    other = Pronouncer(read_model_of(shipped))
    assert {word: other.pronounce(word) for word in reversed(words)} == first
    assert Pronouncer.load() is shipped


def read_model_of(pronouncer):
    return pronouncer._model


def test_a_lexicon_of_the_user_comes_first(tmp_path):
    file = tmp_path / "names.dict"
    file.write_text(
        ";;; mine\nshivaun SH IH0 V AO1 N # as said\nshivaun(2) SH AH0 V AA1 N\n", encoding="utf-8"
    )
    assert read_lexicon(file) == {"shivaun": (("SH", "IH", "V", "AO", "N"), ("SH", "AH", "V", "AA", "N"))}
    ways = Pronouncer.load(lexicon_path=file).pronounce("shivaun")
    assert [(" ".join(way.phones), way.probability) for way in ways] == [
        ("SH IH V AO N", 0.5),
        ("SH AH V AA N", 0.5),
    ]
    assert Pronouncer.load(lexicon_path=file).pronounce("kate") == Pronouncer.load().pronounce("kate")


@pytest.mark.parametrize("line", ["word", "word Q", "word W ER1 D2 7"])
def test_a_wrong_lexicon_line_is_named(line):
    with pytest.raises(LexiconError, match="lexicon, line 2"):
        parse_lexicon(["a AH0", line])


def test_a_lexicon_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin").write_bytes(b"caf\xe9 K AE")
    for name in ("none", "latin"):
        with pytest.raises(LexiconError, match=name):
            read_lexicon(tmp_path / name)


def test_letters_are_called_by_their_names(shipped):
    assert len(LETTER_NAMES) == 26
    assert said_by_letters("bbc") == ("B", "IY", "B", "IY", "S", "IY")
    assert [way.phones for way in shipped.pronounce_phrase("b b c", 1)] == [said_by_letters("bbc")]
    assert all(shipped.pronounce(word)[0].phones == said_by_letters(word) for word in ("bbc", "x", "tv"))
    assert not any(map(is_initials, ("gpu", "my", "rhythm", "o'b", "schtsch")))


def test_sounds_like_words_and_phones_are_read(shipped):
    spaced = shipped.pronounce_phrase("zuh len skee")
    assert sounds("zuh LEN skee", shipped) == spaced
    assert [way.phones for way in sounds("/Z AH1 L EH2 N S K IY/", shipped)] == [
        ("Z", "AH", "L", "EH", "N", "S", "K", "IY")
    ]
    with pytest.raises(SpellingError):
        sounds("/XX/", shipped)
    with pytest.raises(SpellingError):
        sounds("Ж", shipped)


@pytest.mark.parametrize("word", ["", " ", "two words", "Kaity", "naïve", "b12", "'", "a" * 61, "日本"])
def test_what_is_no_word_is_refused(shipped, word):
    with pytest.raises(PronunciationError, match="a-z"):
        shipped.pronounce(word)


def test_senseless_requests_are_refused(shipped):
    for call in (
        lambda: shipped.pronounce("kate", 0),
        lambda: shipped.pronounce_phrase(" "),
        lambda: shipped.spell(()),
        lambda: shipped.spell(("Q",)),
        lambda: shipped.spell(("K",), 0),
        lambda: SearchOptions(beam=0),
        lambda: SearchOptions(reach=math.nan),
    ):
        with pytest.raises(PronunciationError):
            call()


def test_a_model_survives_its_file(tmp_path):
    _, stored = packed(bins=8)
    write_model(stored, tmp_path / "one.npz")
    write_model(stored, tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded, kept = read_model(tmp_path / "one.npz"), unpack(stored)
    assert loaded.graphones == kept.graphones
    for one, other in zip(loaded.ngrams, kept.ngrams, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_that_is_no_model_is_named(tmp_path):
    _, stored = packed(bins=8)
    write_model(stored, tmp_path / "good.npz")
    whole = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("no model")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    broken = Packed(**{**vars(stored), "graphone": stored.graphone[::-1].copy()})
    write_model(broken, tmp_path / "broken.npz")
    for name in ("none.npz", "half.npz", "text.npz", "other.npz", "broken.npz"):
        with pytest.raises(GraphoneError, match=name):
            read_model(tmp_path / name)


def test_the_shipped_model_is_small():
    from biasing.g2p import MODEL_FILE

    assert MODEL_FILE.stat().st_size < 5_000_000
