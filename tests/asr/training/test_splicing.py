"""Sentences joined from pieces: the right phones in the right order, from one voice, cut where phones are."""

import dataclasses
import itertools

import numpy as np
import pytest

from asr.training import splicing
from asr.training.config import ConfigError
from asr.training.data import BatchPlan, Example
from asr.training.distributed import Team
from asr.training.feature_batches import FeatureBatchMaker
from asr.training.feature_cache import extract
from asr.training.splicing import LONGEST, Aligned, Pieces, Splicer

PHONE_COUNT = 6
SPEAKER, LEFT, RIGHT, RECORDING = range(4)


def recording(number, phones, voice="a", source="corpus", seed=0):
    """A recording whose frames tell who speaks, between which two phones they are, and its number."""
    rng = np.random.default_rng((seed, number))
    lengths = rng.integers(1, 4, len(phones) + 1)
    cuts = np.cumsum(lengths)[:-1]
    symbols = [0, *phones, 0]
    rows = [
        (ord(voice[0]), left, right, number)
        for (left, right), count in zip(itertools.pairwise(symbols), lengths, strict=True)
        for _ in range(count)
    ]
    return Aligned(voice, source, tuple(phones), tuple(cuts.tolist()), np.array(rows, np.float16))


def spoken(seed=0, count=60):
    """Recordings of random phones."""
    rng = np.random.default_rng(seed)
    return [
        recording(number, rng.integers(1, PHONE_COUNT + 1, rng.integers(3, 30)).tolist())
        for number in range(count)
    ]


def pairs(states):
    """The pairs of phones that states lie between, each once."""
    return [pair for pair, _ in itertools.groupby(map(tuple, states[:, [LEFT, RIGHT]].astype(int).tolist()))]


@pytest.mark.parametrize("seed", range(20))
def test_the_phones_of_a_sentence_are_said_in_their_order(seed):
    rng = np.random.default_rng(seed)
    pieces = Pieces(spoken(seed))
    phones = rng.integers(1, PHONE_COUNT + 1, rng.integers(1, 40)).tolist()
    said = pairs(pieces.say(phones, rng))
    wanted = [pair for pair, _ in itertools.groupby(itertools.pairwise([0, *phones, 0]))]
    assert said == wanted


def test_what_was_said_as_a_whole_is_taken_as_a_whole():
    recordings = spoken(3)
    pieces, rng = Pieces(recordings), np.random.default_rng(0)
    short = [one for one in recordings if len(one.phones) <= LONGEST - 2]
    assert short
    for one in short:
        assert any(np.array_equal(pieces.say(one.phones, rng), other.features) for other in recordings)


def test_pieces_are_drawn_from_all_that_fit():
    recordings = [recording(number, [1, 2]) for number in range(30)]
    pieces, rng = Pieces(recordings), np.random.default_rng(0)
    heard = {int(pieces.say([1, 2], rng)[0, RECORDING]) for _ in range(300)}
    assert len(heard) > 25


def test_two_phones_that_were_never_said_in_a_row_are_not_said():
    pieces = Pieces([recording(0, [1, 2, 3]), recording(1, [3, 1])])
    rng = np.random.default_rng(0)
    assert pieces.say([1, 3], rng) is None
    assert pieces.say([2], rng) is None  # nothing begins or ends with it
    assert pieces.say([3, 1, 2, 3], rng) is not None


class Letters:
    """A tokenizer whose tokens are the letters."""

    def encode(self, text):
        return [ord(letter) - 96 for letter in text.replace(" ", "")]


LEXICON = {"a": (1,), "ba": (2, 1), "cab": (3, 1, 2), "deb": (4, 5, 2)}
LINES = ["cab a ba", "a cab", "ba ba ba ba", "zebra cab", ""]


def example(count):
    """One of so many phones."""
    return Example(None, 1.0, "x", (1,), (1,) * count, 1.0)


def test_a_sentence_is_about_as_long_as_what_it_replaces_and_brings_its_targets():
    splicer = Splicer(spoken(1), LINES, Letters(), LEXICON)
    made, states = splicer(example(6), np.random.default_rng(0))
    assert made.text == "cab a ba"
    assert made.phones == (3, 1, 2, 1, 2, 1)
    assert made.tokens == tuple(Letters().encode("cab a ba"))
    assert pairs(states)[1:-1] == list(itertools.pairwise(made.phones))
    assert splicer(example(40), np.random.default_rng(0)) is None


def test_where_phones_are_not_known_letters_tell_the_length():
    splicer = Splicer(spoken(1), ["cab a ba", *["deb deb deb deb deb"] * 9], Letters(), LEXICON)
    letters, phones = 8 + 9 * 19, 6 + 9 * 15
    wanted = dataclasses.replace(example(0), phones=None, text="x" * round(15 * letters / phones))
    assert splicer(wanted, np.random.default_rng(0))[0].text == "deb deb deb deb deb"


@pytest.mark.parametrize(
    ("recordings", "phones"),
    [(spoken(1), 40), ([recording(0, [1, 2, 3])], 6)],
    ids=["no line is so long", "never said in a row"],
)
def test_sentences_that_can_replace_nothing_are_refused(recordings, phones):
    splicer = Splicer(recordings, LINES, Letters(), LEXICON)
    with pytest.raises(ConfigError, match=r"no sentence of splice\.texts can be said in place of 200"):
        splicer.try_out([example(phones)])


def test_it_is_told_how_many_can_be_replaced(caplog):
    caplog.set_level("INFO")
    Splicer(spoken(1), LINES, Letters(), LEXICON).try_out([example(6), example(40)])
    [told] = [one.args for one in caplog.records if "give way" in one.msg]
    assert 60 < told[0] < 140
    assert told[1] == 200


def test_a_sentence_is_said_by_one_voice(monkeypatch):
    monkeypatch.setattr(splicing, "LEAST_PHONES", 100)
    rng = np.random.default_rng(2)
    recordings = [
        recording(number, rng.integers(1, PHONE_COUNT + 1, 40).tolist(), voice)
        for number, voice in enumerate("mn" * 40)
    ]
    splicer = Splicer(recordings, LINES, Letters(), LEXICON)
    voices = []
    for seed in range(40):
        _, states = splicer(example(8), np.random.default_rng(seed))
        assert len(np.unique(states[:, SPEAKER])) == 1
        voices.append(float(states[0, SPEAKER]))
    assert set(voices) == {ord("m"), ord("n")}


def test_voices_that_said_little_are_put_together_by_source():
    recordings = [recording(0, [1, 2], "m"), recording(1, [2, 1], "n"), recording(2, [1, 2], "o", "other")]
    splicer = Splicer(recordings, ["ba a"], Letters(), {"a": (1,), "ba": (1, 2)})
    heard = [splicer(example(3), np.random.default_rng(seed)) for seed in range(20)]
    assert any(heard)
    assert not all(heard)  # the other source alone cannot say it
    voices = {float(voice) for made in heard if made for voice in made[1][:, SPEAKER]}
    assert voices == {ord("m"), ord("n")}


def test_nothing_to_say_and_nobody_to_say_it_are_refused():
    with pytest.raises(ConfigError, match=r"no line, .*, of which every word is in data\.lexicon"):
        Splicer(spoken(), ["zebra"], Letters(), LEXICON)
    with pytest.raises(ConfigError, match="no recording whose phones are known"):
        Splicer([], LINES, Letters(), LEXICON)


def test_a_share_of_each_batch_is_replaced_and_batches_repeat(tmp_path):
    paths = [tmp_path / f"{number}.wav" for number in range(200)]
    for path in paths:
        path.write_bytes(b"sound")
    cache = extract(paths, tmp_path / "cache", lambda _: np.zeros((20, 4), np.float16), 4)
    examples = [Example(path, 1.0, "real", (1,), (1,) * 6, 1.0) for path in paths]
    plan, splicer = BatchPlan(examples, 1000.0, 1), Splicer(spoken(1), LINES, Letters(), LEXICON)
    maker = FeatureBatchMaker(plan, [cache], Team(), splicer, 0.3)
    batch, again = maker(0, 0, range(200)), maker(0, 0, range(200))
    assert batch.texts == again.texts
    assert (batch.samples == again.samples).all()
    assert 35 < sum(text != "real" for text in batch.texts) < 85
    for text, phones, length in zip(batch.texts, batch.phones, batch.lengths.tolist(), strict=True):
        assert (text == "real") == (length == 20 and len(phones) == 6 and phones == (1,) * 6)
    off = FeatureBatchMaker(plan, [cache], Team(), splicer, 0.0)(0, 0, range(200))
    assert set(off.texts) == {"real"}
