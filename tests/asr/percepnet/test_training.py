"""Training the denoiser: mixtures, runs that are resumed, configurations that are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file

from asr.percepnet import Denoiser
from asr.percepnet.network import PercepNet
from asr.percepnet.training.config import (
    DenoiserConfig,
    DenoiserRunConfig,
    MixConfig,
    SpeechConfig,
)
from asr.percepnet.training.mixing import Mixer, equalized
from asr.percepnet.training.mixtures import MixtureCache
from asr.percepnet.training.trainer import load_mixers, train
from asr.percepnet.training.warm import FLOAT_FILE, begin_with
from asr.training.config import ConfigError, OptimizerConfig, SourceConfig, build, read_settings
from asr.training.start import start

RECIPE = Path(__file__).parents[3] / "recipes" / "denoiser" / "config.toml"
ALWAYS = {"noise_free_probability": 0.0, "clip_probability": 0.0, "low_pass_probability": 0.0, "tilt": 0.0}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A data folder: six clips of buzz, four of noise."""
    root = tmp_path_factory.mktemp("sounds")
    generator = np.random.default_rng(0)
    (root / "noise").mkdir()
    lines = []
    for number in range(6):
        phase = 2 * np.pi * (100 + 20 * number) / 16_000 * np.arange(16_000)
        buzz = sum(np.cos(k * phase) for k in range(1, 9)) / 20 * np.sin(np.arange(16_000) / 1500) ** 2
        soundfile.write(root / f"{number}.wav", buzz, 16_000)
        lines.append(json.dumps({"audio_filepath": f"{number}.wav", "duration": 1.0, "text": ""}))
    (root / "speech.jsonl").write_text("\n".join(lines))
    for number in range(4):
        soundfile.write(root / "noise" / f"{number}.wav", 0.1 * generator.normal(size=20_000), 16_000)
    return root


@pytest.fixture
def config(sounds, tmp_path):
    return DenoiserConfig(
        network={"dense": 8, "conv": 12, "gru": 12, "strength_gru": 6},
        data=SpeechConfig(
            root=str(sounds),
            sources=(SourceConfig("speech.jsonl"),),
            dev="speech.jsonl",
            dev_every=3,
            noise="noise",
            dev_noise_every=3,
            cache=str(tmp_path / "cache"),
        ),
        mix=MixConfig(seconds=0.5, count=5),
        optimizer=OptimizerConfig(total_steps=6, warmup_steps=1, learning_rate=0.01),
        run=DenoiserRunConfig(
            out=str(tmp_path / "run"),
            batch=2,
            frames=40,
            equalizer_db=3.0,
            dev_examples=3,
            eval_steps=2,
            log_steps=1,
        ),
    )


def mixer(config, **changes) -> Mixer:
    return load_mixers(replace(config, mix=replace(config.mix, **changes)))[0]


def test_a_seed_repeats_its_mixtures_and_targets(config):
    first, again, other = (mixer(config).batch(seed, range(2)) for seed in ((1, 2), (1, 2), (1, 3)))
    assert first.features.shape == (2, 51, 66)
    for name, part in vars(first).items():
        assert part.isfinite().all()
        assert part.equal(vars(again)[name])
    assert not first.features.equal(other.features)


@pytest.mark.parametrize("snr_db", [-5.0, 20.0])
def test_mixtures_have_the_ratio_asked_for(config, snr_db):
    draw = mixer(config, snr_db=(snr_db, snr_db), room_probability=0.0, **ALWAYS).draw
    for seed in range(5):
        clean, noisy = (part.astype(float) for part in draw(np.random.default_rng(seed)))
        ratio = 10 * np.log10(np.mean(clean**2) / np.mean((noisy - clean) ** 2))
        assert ratio == pytest.approx(snr_db, abs=0.01)


def test_examples_without_noise_teach_to_leave_speech_alone(config):
    quiet = mixer(config, **{**ALWAYS, "noise_free_probability": 1.0}, room_probability=0.0)
    clean, noisy = quiet.draw(np.random.default_rng(0))
    np.testing.assert_array_equal(clean, noisy)
    batch = quiet.batch((0,), range(2))
    assert (batch.gains[batch.weights > 0] > 0.999).all()
    assert (batch.strengths == 0).all()


def test_rooms_keep_early_reflections_in_the_target(config):
    room = mixer(config, **{**ALWAYS, "noise_free_probability": 1.0}, room_probability=1.0)
    differences = [np.subtract(*room.draw(np.random.default_rng(seed))) for seed in range(4)]
    assert all(0 < np.abs(difference).max() < 1 for difference in differences)


def test_babble_is_heard_in_a_room_or_without(config):
    babble = {**ALWAYS, "babble_probability": 1.0, "swell_probability": 0.0, "room_probability": 0.0}
    near, far = (mixer(config, **babble, babble_room_probability=share) for share in (0.0, 1.0))
    for seed in range(4):
        (clean, dry), (_, wet) = (one.draw(np.random.default_rng(seed)) for one in (near, far))
        assert dry.shape == wet.shape == clean.shape
        assert np.abs(dry).max() > 0
        assert np.isfinite(wet).all()
        assert not np.array_equal(dry, wet)


def test_low_passed_mixtures_have_weight_below_the_cut_alone(config):
    narrow = mixer(config, **{**ALWAYS, "low_pass_probability": 1.0})
    weights = narrow.batch((5,), range(8)).weights.mean(dim=(0, 1))
    assert weights[:10].min() > 0.9
    assert weights[-1] < 0.9


def test_dev_utterances_are_not_trained_on(config):
    trained, dev = load_mixers(config)
    assert len(trained.speech.files) == 4
    assert len(dev.speech.files) == 2
    assert not set(trained.speech.files) & set(dev.speech.files)
    with pytest.raises(ConfigError, match="dev_every"):
        load_mixers(replace(config, data=replace(config.data, dev_every=1)))


def test_one_example_holds_speech_of_one_kind(config):
    found = load_mixers(config)[0].speech
    odd = replace(found, kinds=np.arange(len(found.files)))
    alike = [odd.string(40_000, 0, (1.0, 1.0), np.random.default_rng(seed)) for seed in range(5)]
    for samples in alike:
        # One file of a second again and again.
        np.testing.assert_array_equal(samples[:16_000], samples[16_000:32_000])


def test_kept_mixtures_are_those_that_the_mixer_draws(config, tmp_path):
    drawn = mixer(config).batch((4,), range(5))
    kept = MixtureCache(mixer(config), (4,), 5, tmp_path / "kept").batch(np.arange(5))
    for name, part in vars(drawn).items():
        np.testing.assert_allclose(vars(kept)[name], part, rtol=1e-3, atol=1e-4)


def test_a_cut_keeps_features_and_targets_together(config):
    whole = mixer(config).batch((4,), range(2))
    for begin, first in ((0.0, 0), (0.5, 16), (0.999, 31)):
        for name, part in vars(whole.cut(20, begin)).items():
            assert part.equal(vars(whole)[name][:, first : first + 20])
    assert whole.cut(0, 0.5) is whole.cut(60, 0.5) is whole


def test_an_equalizer_moves_the_energies_of_a_mixture_alone(config):
    whole = mixer(config).batch((4,), range(2))
    heard = equalized(whole, 6.0, np.random.default_rng(0))
    moved = heard.features - whole.features
    assert (moved[:, :, 32:] == 0).all()
    assert moved[:, :, :32].abs().min(1).values.max() > 0.1
    np.testing.assert_allclose(moved, moved[:, :1].expand_as(moved), atol=1e-5)
    for name in ("gains", "strengths", "weights"):
        assert getattr(heard, name) is getattr(whole, name)
    assert equalized(whole, 0.0, np.random.default_rng(0)) is whole


def test_a_stopped_making_goes_on_with_what_is_missing(config, tmp_path, monkeypatch):
    whole = MixtureCache(mixer(config), (4,), 5, tmp_path / "whole").batch(np.arange(5))
    MixtureCache(mixer(config), (4,), 2, tmp_path / "broken")
    made, draw = [], Mixer.batch

    def told(self, seed, places):
        made.extend(places)
        return draw(self, seed, places)

    monkeypatch.setattr(Mixer, "batch", told)
    rest = MixtureCache(mixer(config), (4,), 5, tmp_path / "broken").batch(np.arange(5))
    assert made == [2, 3, 4]
    assert all(part.equal(vars(rest)[name]) for name, part in vars(whole).items())


def test_a_resumed_run_ends_where_an_unbroken_one_does(config, tmp_path):
    folder = train(config)
    weights = (folder / "weights.safetensors").read_bytes()
    assert Denoiser(16_000, folder).denoise(np.zeros(1000, np.float32)).shape == (1000,)
    assert (tmp_path / "run" / "curve.png").stat().st_size > 0
    with pytest.raises(ConfigError, match="--resume"):
        train(config)
    broken = replace(config, run=replace(config.run, out=str(tmp_path / "broken")))
    steps = iter([3, 6])
    for total in steps:
        # The schedule depends on the length; a flat one lets a shorter run be the first part of a longer.
        flat = replace(config.optimizer, total_steps=total, decay_share=0.0)
        train(replace(broken, optimizer=flat), resume=total == 6)
    whole = replace(config, optimizer=replace(config.optimizer, decay_share=0.0))
    train(replace(whole, run=replace(config.run, out=str(tmp_path / "whole"))))
    one, other = (
        np.loadtxt(tmp_path / name / "log.csv", delimiter=",", skiprows=1, usecols=(0, 4, 5, 6))
        for name in ("broken", "whole")
    )
    np.testing.assert_array_equal(one[-3:], other[-3:])
    assert weights


def test_training_lowers_the_loss(config, tmp_path):
    longer = replace(config.optimizer, total_steps=30, name="adamw")
    run = replace(config.run, eval_steps=10, out=str(tmp_path / "longer"))
    train(replace(config, optimizer=longer, run=run))
    losses = np.loadtxt(tmp_path / "longer" / "log.csv", delimiter=",", skiprows=1, usecols=4)
    assert losses[-5:].mean() < 0.8 * losses[:3].mean()


@pytest.mark.parametrize(("file", "bands"), [("config.toml", 32), ("config-48k.toml", 34)])
def test_recipes_are_read(file, bands):
    recipe = RECIPE.with_name(file)
    config = build(DenoiserConfig, read_settings(recipe), str(recipe))
    assert config.shape.bands == bands
    assert len(config.data.sources) > 1


@pytest.mark.parametrize("name", ["room_probability", "babble_room_probability"])
def test_rooms_are_refused_where_they_cannot_be_simulated(name):
    rooms = {"room_probability": 0.0, "babble_room_probability": 0.0, name: 0.1}
    with pytest.raises(ConfigError, match=rf"mix\.{name}: rooms are simulated at 16000 Hz only"):
        DenoiserConfig(sample_rate=48_000, mix=MixConfig(**rooms))


def test_two_runs_can_be_named_on_the_command_line():
    config = build(
        DenoiserConfig, read_settings(RECIPE, ('run.start=["a", "b"]', "size=medium")), str(RECIPE)
    )
    assert config.run.start == ("a", "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("size=large", "size: expected one of"),
        ("network.gru=0", "network: "),
        ("network.width=3", "unknown setting 'width'"),
        ("sample_rate=44100", "44100"),
        ("run.batch=0", "must be 1 or more"),
        ("mix.seconds=0.1", "mix: seconds"),
        ("mix.count=0", "mix.count"),
        ("mix.noise_speed=[2, 1]", "no range of speeds"),
        ("loss.gain_exponent=0", "gain_exponent"),
        ("loss.excess_weight=0", "excess_weight"),
        ('run.start=["nowhere"]', "not the folder of a finished run"),
        ("data.root=nowhere", "no such data folder"),
        ("task=dancing", "accepted are recognizer, denoiser"),
    ],
)
def test_wrong_settings_are_refused(change, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        start(RECIPE, ("run.out=" + str(tmp_path), change))


def test_a_run_begins_with_the_weights_of_another(config, tmp_path):
    train(config)
    nothing = replace(config.optimizer, learning_rate=0.0)
    again = replace(
        config,
        optimizer=nothing,
        run=replace(config.run, out=str(tmp_path / "again"), start=(config.run.out,)),
    )
    train(again)
    first, second = (load_file(Path(one.run.out) / FLOAT_FILE) for one in (config, again))
    assert all(first[name].equal(second[name]) for name in first)
    with pytest.raises(ConfigError, match="other widths"):
        begin_with(PercepNet(replace(config.shape, gru=13)), 16_000, [Path(config.run.out)])
    with pytest.raises(ConfigError, match="not the folder of a finished run"):
        begin_with(PercepNet(config.shape), 16_000, [tmp_path / "nowhere"])
    for damaged, content in (("model/config.json", "{"), ("model/config.json", "{}"), (FLOAT_FILE, "?")):
        broken = shutil.copytree(config.run.out, tmp_path / "broken", dirs_exist_ok=True)
        (broken / damaged).write_text(content)
        with pytest.raises(ConfigError, match="not the folder of a finished run") as error:
            begin_with(PercepNet(config.shape), 16_000, [broken])
        assert "\n" not in str(error.value)
