"""Training an adapter: the base stays as it is, lists hold what they should, frames learn where to look."""

import dataclasses
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import break_off
from samples import words

from asr.adapter_files import load_adapter
from asr.model import WEIGHTS_FILE, load_model
from asr.recognizer import Recognizer
from asr.tokenizer import Tokenizer
from asr.training.adapter import trainer as trainer_module
from asr.training.adapter.config import AdapterTrainConfig, ListsConfig
from asr.training.adapter.hearing import hear_masked, heard_of, keep_heard
from asr.training.adapter.lists import ListMaker, Said, is_kept_for_tests, read_pool
from asr.training.adapter.losses import NOTHING, UNKNOWN, Targets, attention_losses, make_targets
from asr.training.adapter.neighbours import SoundAlikes, edit_distance
from asr.training.adapter.trainer import AdapterTrainer, train
from asr.training.config import (
    AugmentConfig,
    ConfigError,
    DataConfig,
    OptimizerConfig,
    RunConfig,
    SourceConfig,
)
from asr.training.data import collate
from asr.training.distributed import Team
from asr.training.feature_cache import extract
from asr.training.run import load_corpus, make_batches
from biasing.adapter import AdapterConfig, Attended, ContextualAdapter
from lm.text import TextError

COMMON = ("ba", "ko", "ri")


@pytest.fixture(scope="module")
def maker(tokenizer):
    config = ListsConfig(smallest=3, largest=(5, 20), test_hash=4)
    pool = sorted({word for word in words(200, 9) if word not in COMMON})
    return ListMaker(
        config, tokenizer, COMMON, pool, SoundAlikes({word: tuple(map(ord, word)) for word in pool})
    )


def said(tokenizer, count=40):
    """Made-up transcripts."""
    texts = [" ".join(words(7, seed)) for seed in range(count)]
    return [Said(text, tokenizer.encode(text)) for text in texts]


@pytest.mark.parametrize("done", [0.0, 0.5, 0.9])
def test_lists_hold_what_is_spoken_and_else_nothing_that_is(maker, tokenizer, done):
    examples = said(tokenizer)
    lists = maker.lists(examples, done, random.Random(1))
    texts = [tokenizer.decode(one) for one in lists.phrases]
    assert len(set(texts)) == len(texts)
    for example, allowed, spoken in zip(examples, lists.allowed.tolist(), lists.spoken, strict=True):
        places = {place for _, place in spoken}
        known = {place for place, one in enumerate(allowed) if one}
        assert places <= known
        assert len(known) <= max(maker.largest(done), len(places))
        for place in known - places:
            assert f" {texts[place]} " not in f" {example.text} "
        for phrase, place in spoken:
            assert texts[place] == phrase.text
            assert tuple(example.tokens[phrase.first : phrase.end]) == lists.phrases[place]
            assert not is_kept_for_tests(phrase.text, 4)
        taken = [token for phrase, _ in spoken for token in range(phrase.first, phrase.end)]
        assert len(set(taken)) == len(taken)


def test_lists_depend_on_the_generator_alone_and_grow(maker, tokenizer):
    examples = said(tokenizer)
    one, other = (maker.lists(examples, 0.9, random.Random(7)) for _ in range(2))
    assert one.phrases == other.phrases
    assert torch.equal(one.allowed, other.allowed)
    assert [maker.largest(done) for done in (0.0, 0.49, 0.5, 1.0)] == [5, 5, 20, 20]
    nothing = sum(not some for n in range(20) for some in maker.lists(examples, 0.0, random.Random(n)).spoken)
    assert 0.35 < nothing / (20 * len(examples)) < 0.55


def test_phrases_of_tests_are_never_drawn_from_files(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("Ann Bo\nq1\n\n" + "\n".join(words(100, 3)))
    pool = read_pool([file], 4)
    assert "ann bo" in read_pool([file])
    assert not [one for one in pool if is_kept_for_tests(one, 4)]
    assert 0 < len(pool) < len(read_pool([file]))
    with pytest.raises(TextError, match="cannot be read"):
        read_pool([tmp_path / "none.txt"])


def test_edit_distance_equals_its_definition():
    def slow(one, other):
        if not one or not other:
            return len(one) + len(other)
        swap = slow(one[1:], other[1:]) + (one[0] != other[0])
        return min(swap, slow(one[1:], other) + 1, slow(one, other[1:]) + 1)

    rng = random.Random(3)
    for _ in range(60):
        one, other = ([rng.randrange(3) for _ in range(rng.randrange(6))] for _ in range(2))
        assert edit_distance(one, other) == slow(one, other)


def test_sound_alikes_are_the_nearest_that_sound_otherwise():
    rng = random.Random(5)
    sounds = {word: tuple(rng.randrange(4) for _ in range(4)) for word in words(40, 4)}
    alikes = SoundAlikes(sounds)
    for word, sound in sounds.items():
        found = alikes.nearest(word, 3)
        distances = [edit_distance(sound, sounds[one]) for one in found]
        assert distances == sorted(distances)
        assert 0 not in distances
    assert not alikes.nearest("unheard of", 3)


def test_targets_cover_the_frames_between_a_phrases_first_and_last_token(maker, tokenizer):
    rng = np.random.default_rng(0)
    examples = said(tokenizer, 6)
    lengths = [3 * len(one.tokens) for one in examples]
    longest = max(lengths) + 4
    log_probs = np.log(np.full((6, longest, len(tokenizer)), 1e-4, np.float32))
    for row, one in enumerate(examples):  # a token every third frame, blanks between
        log_probs[row, :, 0] = math.log(0.5)
        log_probs[row, np.arange(len(one.tokens)) * 3 + 1, list(one.tokens)] = math.log(0.9)
    lists = maker.lists(examples, 0.0, random.Random(int(rng.integers(100))))
    targets = make_targets(log_probs, lengths, [one.tokens for one in examples], lists)
    assert any(lists.spoken)
    for row, some in enumerate(lists.spoken):
        wanted = np.full(longest, UNKNOWN)
        wanted[: lengths[row]] = NOTHING
        for phrase, place in some:
            wanted[3 * phrase.first + 1 : 3 * (phrase.end - 1) + 2] = place
            for token in range(phrase.first, phrase.end):
                assert targets.piece[row, 3 * token + 1] == token - phrase.first
            for token in range(phrase.first, phrase.end - 1):
                assert (
                    targets.piece[row, 3 * token + 2 : 3 * token + 4].tolist()
                    == [phrase.end - phrase.first] * 2
                )
        assert targets.phrase[row].tolist() == wanted.tolist()
        ordered = sorted(some, key=lambda one: one[0].first)
        assert targets.tokens[row] == tuple(t for _, place in ordered for t in lists.phrases[place])


def test_a_transcript_that_fits_no_frames_asks_nothing(maker, tokenizer):
    example = said(tokenizer, 1)[0]
    lists = maker.lists([example], 0.0, random.Random(0))
    few = np.log(np.full((1, 3, len(tokenizer)), 1 / len(tokenizer), np.float32))
    assert bool((make_targets(few, [3], [example.tokens], lists).phrase == UNKNOWN).all())


def test_attention_losses_equal_their_definition():
    torch.manual_seed(2)
    adapter = ContextualAdapter(
        AdapterConfig(state_dim=8, layers=2, dim=6, hidden=4, context=3), torch.randn(9, 8)
    )
    phrases = adapter.encode([[1, 2], [3], [4, 5, 6]])
    log_attention = torch.randn(2, 4, 10).log_softmax(-1)
    wanted = torch.tensor([[NOTHING, 0, 0, UNKNOWN], [2, 2, NOTHING, 1]])
    piece = torch.tensor([[UNKNOWN, 0, 2, UNKNOWN], [1, 3, UNKNOWN, 0]])
    looked, pieces = attention_losses(
        Attended(torch.zeros(2, 4, 8), log_attention), phrases, Targets(wanted, piece, ((), ()))
    )
    first = {0: 1, 1: 4, 2: 6}
    size = {0: 3, 1: 2, 2: 4}
    none, some, exact = [], [], []
    for row in range(2):
        for frame in range(4):
            place, at = int(wanted[row, frame]), int(piece[row, frame])
            shares = log_attention[row, frame].exp()
            if place == NOTHING:
                none.append(-math.log(shares[0]))
            if place >= 0:
                some.append(-math.log(shares[first[place] : first[place] + size[place]].sum()))
            if at >= 0:
                exact.append(-math.log(shares[first[place] + at]))
    assert float(looked) == pytest.approx(np.mean(none) + np.mean(some), rel=1e-5)
    assert float(pieces) == pytest.approx(np.mean(exact), rel=1e-5)


@pytest.fixture(scope="module")
def config(corpus, model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    (corpus / "common.txt").write_text("\n".join(COMMON))
    (corpus / "names.txt").write_text("\n".join(words(60, 77)))
    data = DataConfig(
        root=str(corpus),
        sources=(SourceConfig("train.jsonl"),),
        dev="dev.jsonl",
        lexicon="lexicon.dict",
        noise="",
        cache=str(folder / "cache"),
        min_seconds=0.3,
        batch_seconds=8.0,
    )
    return AdapterTrainConfig(
        base=str(model_folder),
        shape={"dim": 16, "hidden": 8, "context": 5},
        data=data,
        augment=AugmentConfig(noise_probability=0.0, room_probability=0.0),
        lists=ListsConfig(
            common="common.txt", distractors=("names.txt",), smallest=3, largest=(5, 20), dev_size=5
        ),
        optimizer=OptimizerConfig(total_steps=4, warmup_steps=1, learning_rate=5e-3),
        run=RunConfig(
            out=str(folder / "whole"), precision="float32", log_steps=1, eval_steps=2, checkpoint_minutes=0.0
        ),
    )


def test_the_base_is_the_same_to_the_bit_and_the_adapter_is_not(config, model_folder, monkeypatch):
    heard, load = [], trainer_module.load_model

    def remember(folder):
        model = load(folder)
        heard.append((model, {name: value.clone() for name, value in model.state_dict().items()}))
        return model

    monkeypatch.setattr(trainer_module, "load_model", remember)
    folder = train(config)
    model, before = heard[0]
    assert not model.training
    assert not any(part.training for part in model.modules())
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert (folder / WEIGHTS_FILE).read_bytes() == (model_folder / WEIGHTS_FILE).read_bytes()
    recognizer = Recognizer.from_pretrained(folder)
    assert recognizer.encoder_bias is not None
    assert recognizer.ngram is not None
    weights = recognizer.encoder_bias._adapter.state_dict()
    assert float(weights["encoder.out.weight"].abs().max()) > 0
    with pytest.raises(ConfigError, match="--resume"):
        train(config)
    assert train(config, resume=True) == folder


def test_a_resumed_run_ends_where_an_unbroken_one_does(config, tmp_path):
    broken = dataclasses.replace(config, run=dataclasses.replace(config.run, out=str(tmp_path / "broken")))
    break_off(broken, 2, AdapterTrainer, train)
    train(broken, resume=True)
    if not (Path(config.run.out) / "checkpoint.pt").exists():
        train(config)
    one, other = (
        torch.load(f"{one.run.out}/checkpoint.pt", weights_only=True)["weights"] for one in (broken, config)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_kept_is_what_the_base_hears(config, model_folder, tmp_path):
    model, found = load_model(model_folder), load_corpus(config.inputs(str(model_folder)), resume=True)
    paths = [one.audio for one in found.train]
    kept = keep_heard(model, paths, found.audio, tmp_path, model_folder, bf16=False)
    some = found.train[:3]
    clean = collate(some, [found.audio[one.audio] for one in some])
    calm = AugmentConfig(band_masks=0, time_masks_per_second=0.0)
    anew = hear_masked(model, clean, calm, torch.Generator(), bf16=False)
    again = heard_of(model, collate(some, [kept[one.audio] for one in some]))
    assert again.lengths.tolist() == anew.lengths.tolist()
    both = [(*one.states, one.log_probs, one.phones) for one in (again, anew)]
    for row, frames in enumerate(again.lengths.tolist()):
        for one, other in zip(*both, strict=True):
            torch.testing.assert_close(one[row, :frames], other[row, :frames], atol=0.02, rtol=0.02)

    def states_of(path):
        samples = torch.from_numpy(found.audio[path])[None]
        return model.features(samples, torch.tensor([samples.shape[1]]))[0][0].numpy()

    states = extract(paths, tmp_path / "states", states_of, model.config.encoder.feature_dim)
    from_states = keep_heard(model, paths, states, tmp_path / "other", model_folder, bf16=False)
    for path in paths:
        np.testing.assert_allclose(from_states[path], kept[path], atol=0.05, rtol=0.05)
    run = dataclasses.replace(config.run, out=str(tmp_path / "run"))
    folder = train(dataclasses.replace(config, states=str(tmp_path), run=run))
    assert load_adapter(folder, model) is not None


def test_frames_learn_where_to_look(config, model_folder, tokenizer_file, corpus):
    """On one batch, over and over."""
    calm = dataclasses.replace(
        config,
        augment=dataclasses.replace(config.augment, band_masks=0, time_masks_per_second=0.0),
        optimizer=OptimizerConfig(total_steps=1000, warmup_steps=1, learning_rate=1e-2),
    )
    inputs = calm.inputs(str(model_folder))
    model = load_model(model_folder)
    found = load_corpus(inputs, resume=True)
    batches, _ = make_batches(inputs, Team(), model, found)
    maker = ListMaker(calm.lists, Tokenizer(tokenizer_file), COMMON, words(60, 77))
    torch.manual_seed(1)
    trainer = AdapterTrainer(calm, model, batches, maker)
    place = next(batches.plan.steps(0, 0))
    batch = batches(*place)
    losses = []
    for _ in range(120):
        losses.append(float(trainer.losses(batch, 5).attention.detach()))
        trainer.step(batch, 0, 0)
    assert losses[-1] < 0.8 * losses[0]
