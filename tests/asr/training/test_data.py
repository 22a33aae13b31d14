"""What is trained on: order, weights, budget and shares follow from seed and epoch; audio comes back."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from samples import tones, write_wav

from asr.audio import AudioError
from asr.training.augment import Augmenter
from asr.training.cache import AudioCache
from asr.training.config import AugmentConfig, ConfigError, DataConfig, SourceConfig
from asr.training.data import (
    BatchMaker,
    BatchPlan,
    Example,
    collate,
    pronounce,
    read_lexicon,
    select_utterances,
)
from asr.training.distributed import Team


def examples(count, seed=0, weights=(1.0,)):
    rng = random.Random(seed)
    return [
        Example(None, rng.uniform(0.5, 12.0), str(i), (1,), (), rng.choice(weights)) for i in range(count)
    ]


def test_a_plan_follows_from_seed_and_epoch():
    many = examples(60)
    first, again, other = BatchPlan(many, 30, 1), BatchPlan(many, 30, 1), BatchPlan(many, 30, 2)
    assert first.epoch(0) == again.epoch(0)
    assert first.epoch(0) != first.epoch(1)
    assert first.epoch(0) != other.epoch(0)
    assert sorted(itertools.chain(*first.epoch(0))) == list(range(60))


def test_weights_are_draws_per_epoch():
    many = examples(40, weights=(0.25, 1.0, 1.5, 3.0))
    plan, epochs = BatchPlan(many, 40, 3), 200
    drawn = Counter(index for epoch in range(epochs) for batch in plan.epoch(epoch) for index in batch)
    for weight in (0.25, 1.0, 1.5, 3.0):
        mine = [drawn[i] / epochs for i, example in enumerate(many) if example.weight == weight]
        assert np.mean(mine) == pytest.approx(weight, rel=0.12)
        if weight == int(weight):
            assert set(mine) == {weight}


@pytest.mark.parametrize("budget", [5.0, 30.0, 100.0])
def test_batches_stay_near_their_seconds_and_are_filled(budget):
    many = examples(300, seed=4)
    padded = []
    for batch in BatchPlan(many, budget, 1).epoch(0):
        longest = max(many[index].seconds for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= 1.15 * budget
        padded.append(len(batch) * longest)
    if budget == 100.0:
        assert np.mean(padded) > 0.6 * budget


def test_steps_go_on_from_any_place():
    plan = BatchPlan(examples(30), 20, 1)
    whole = plan.steps(0, 0)
    first = [next(whole) for _ in range(25)]
    assert {epoch for epoch, _, _ in first} >= {0, 1}
    for at in (0, 3, len(plan.epoch(0)) - 1, len(plan.epoch(0))):
        later = plan.steps(0, at)
        assert [next(later) for _ in range(25 - at)] == first[at:]


def test_the_shares_of_the_processes_are_the_whole_batch(corpus, tmp_path):
    files = sorted(corpus.glob("clips/*.wav"))
    cache = AudioCache.build(files, tmp_path)
    many = [Example(file, 1.0, file.stem, (1, 2), (3,), 1.0) for file in files]
    plan, augmenter = BatchPlan(many, 100, 1), Augmenter(AugmentConfig(), cache, tuple(files))
    indices = [4, 1, 7, 0, 2]
    whole = BatchMaker(plan, cache, augmenter, Team())(2, 5, indices)
    assert whole.texts == tuple(many[index].text for index in indices)
    for rank in range(3):
        share = BatchMaker(plan, cache, augmenter, Team(rank, 3))(2, 5, indices)
        assert share.texts == whole.texts[rank::3]
        assert share.lengths.tolist() == whole.lengths[rank::3].tolist()
        for mine, row in zip(share.samples, whole.samples[rank::3], strict=True):
            np.testing.assert_array_equal(mine[: len(row)], row[: len(mine)])
    other = BatchMaker(plan, cache, augmenter, Team())(3, 5, indices)
    assert other.lengths.tolist() != whole.lengths.tolist()
    assert BatchMaker(plan, cache, augmenter, Team(7, 8))(2, 5, indices).samples.shape == (0, 0)


def test_padding_is_zero_and_in_whole_steps():
    sounds = [tones(seconds, 1) for seconds in (0.3, 1.0, 0.64)]
    batch = collate(examples(3), sounds)
    assert batch.samples.shape == (3, round(1.28 * 16_000))
    for row, sound in zip(batch.samples, sounds, strict=True):
        np.testing.assert_array_equal(row[: len(sound)], sound)
        assert not row[len(sound) :].any()


def test_the_cache_gives_back_16_bit_audio_and_decodes_once(tmp_path, monkeypatch):
    sounds = {write_wav(tmp_path / f"{i}.wav", tones(0.2 + 0.1 * i, i)): None for i in range(5)}
    import soundfile

    cache = AudioCache.build(list(sounds), tmp_path / "cache")
    for file in sounds:
        np.testing.assert_array_equal(cache[file], soundfile.read(file, dtype="float32")[0])
    with monkeypatch.context() as patch:
        patch.setattr("asr.training.cache.read_audio", None)
        again = AudioCache.build(list(sounds), tmp_path / "cache")
    assert all(np.array_equal(again[file], cache[file]) for file in sounds)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_recording_made_anew_is_decoded_anew(tmp_path):
    file = write_wav(tmp_path / "a.wav", tones(0.2, 1))
    before = AudioCache.build([file], tmp_path / "cache")[file]
    write_wav(file, tones(0.3, 2))
    assert len(AudioCache.build([file], tmp_path / "cache")[file]) > len(before)


def test_a_broken_recording_is_named_and_leaves_no_cache(tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    files = [write_wav(tmp_path / "good.wav", tones(0.2)), tmp_path / "bad.wav"]
    with pytest.raises(AudioError, match=r"bad\.wav"):
        AudioCache.build(files, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.json"))


def test_where_nothing_is_said_there_is_nothing_to_hear(tmp_path):
    files = [write_wav(tmp_path / f"{i}.wav", tones(0.6, i)) for i in range(4)]
    spoken = [Example(file, 0.6, "a", (1,), (2,), 1.0) for file in files]
    augmenter = Augmenter(AugmentConfig(silence_probability=0.5), None, ())
    maker = BatchMaker(
        BatchPlan(spoken, 60, 1), AudioCache.build(files, tmp_path / "cache"), augmenter, Team()
    )
    seen = set()
    for epoch in range(10):
        batch = maker(epoch, 0, range(4))
        for samples, text, tokens, phones in zip(
            batch.samples, batch.texts, batch.tokens, batch.phones, strict=True
        ):
            silent = float(samples.abs().max()) < 0.02
            assert (text, tokens, phones) == (("", (), ()) if silent else ("a", (1,), (2,)))
            seen.add(silent)
    assert seen == {True, False}


def test_pronunciations(corpus, tmp_path):
    lexicon = read_lexicon(corpus / "lexicon.dict")
    assert all(len(phones) == 3 for phones in lexicon.values())
    one, two = list(lexicon)[:2]
    assert pronounce(f"{one} {two}", lexicon) == lexicon[one] + lexicon[two]
    assert pronounce(f"{one} unheardof", lexicon) is None
    (tmp_path / "bad.dict").write_text("word W XX0 D\n")
    with pytest.raises(ConfigError, match="line 1: XX is no ARPAbet phone"):
        read_lexicon(tmp_path / "bad.dict")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_lexicon(tmp_path / "missing.dict")


def test_sources_share_a_manifest(corpus):
    def selected(*sources, **changes):
        return select_utterances(DataConfig(root=str(corpus), sources=sources, min_seconds=0.1, **changes))

    everything = selected(SourceConfig("train.jsonl"))
    assert len(everything) == 12
    both = selected(
        SourceConfig("train.jsonl", weight=2.0), SourceConfig("train.jsonl", source="odd", weight=0.5)
    )
    assert Counter((u.source, source.weight) for u, source in both) == {("even", 2.0): 6, ("odd", 0.5): 6}
    elsewhere = select_utterances(
        DataConfig("nowhere", (SourceConfig("train.jsonl", root=str(corpus)),), min_seconds=0.1)
    )
    assert [u.audio for u, _ in elsewhere] == [u.audio for u, _ in everything]
    with pytest.raises(ConfigError, match="no utterance of source 'none'"):
        selected(SourceConfig("train.jsonl", source="none"))
    with pytest.raises(ConfigError, match=r"between 0\.1 and 0\.2 s"):
        selected(SourceConfig("train.jsonl"), max_seconds=0.2)
    with pytest.raises(ConfigError, match="name sources"):
        selected()
