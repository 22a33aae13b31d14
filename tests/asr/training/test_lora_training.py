"""Training deltas on the encoder with our layers: at a rate of their own, resumable, nothing else moves."""

import dataclasses
from pathlib import Path

import pytest
import torch
from runs import break_off, on_whisper
from safetensors.torch import load_file
from test_loop import flat, same, saved

from asr.encoder_files import sha256_of
from asr.lora import LoraConfig, LoraError, add_deltas
from asr.recognizer import Recognizer
from asr.training.config import (
    AugmentConfig,
    ConfigError,
    LoraTrainingConfig,
    OptimizerConfig,
    load_config,
)
from asr.training.optimizer import Optimizer
from asr.training.run import model_config, train


@pytest.fixture(scope="module")
def config(corpus, whisper_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONOMA_HUGGINGFACE", str(whisper_folder))
        run = on_whisper(corpus, folder, 4.0, AugmentConfig(noise_probability=0.5))
        yield dataclasses.replace(run, lora=LoraTrainingConfig(rank=2, learning_rate=1e-2))


def with_run(config, out, **changes):
    return dataclasses.replace(config, run=dataclasses.replace(config.run, out=str(out), **changes))


@pytest.fixture(scope="module")
def finished(config):
    return train(config)


def test_a_run_leaves_deltas_beside_our_layers_and_no_more(config, finished, whisper_folder):
    deltas, ours = (load_file(finished / f"{name}.safetensors") for name in ("deltas", "model"))
    assert {file.name for file in finished.glob("*.safetensors")} == {
        "deltas.safetensors",
        "model.safetensors",
    }
    assert all(tensor.any() for tensor in deltas.values())
    kept = [name for name in saved(config)["weights"] if name.startswith("frontend.")]
    assert set(kept) == set(deltas)
    assert not any(name.startswith("frontend.") for name in ours)
    assert model_config(config).frontend.sha256 == sha256_of(whisper_folder / "model.safetensors")


def test_the_model_of_a_run_transcribes(corpus, finished, whisper_folder):
    recognizer = Recognizer.from_pretrained(finished, frontend=whisper_folder)
    assert 0.5 <= recognizer.transcribe(corpus / "clips/0.wav").duration <= 1.5


def test_a_broken_run_goes_on_as_if_unbroken(config, finished, tmp_path):
    broken = with_run(config, tmp_path / "broken")

    break_off(broken, 2)
    moved = [state for group in saved(broken)["optimizer"] for state in group["state"].values()]
    assert len(flat(saved(broken)["optimizer"])) == len(flat(saved(config)["optimizer"]))
    assert moved
    train(broken, resume=True)
    assert same(saved(broken), saved(config))
    for name in ("model.safetensors", "deltas.safetensors"):
        assert (tmp_path / "broken/model" / name).read_bytes() == (finished / name).read_bytes()


def test_deltas_have_a_rate_of_their_own(config, tmp_path):
    """At rate 0 they stay nothing while our layers move; with our layers at 0 the deltas alone move."""
    still = dataclasses.replace(config.lora, learning_rate=0.0)
    train(with_run(dataclasses.replace(config, lora=still), tmp_path / "still"))
    one = dataclasses.replace(config.optimizer, learning_rate=0.0)
    train(with_run(dataclasses.replace(config, optimizer=one), tmp_path / "alone"))
    begun = dataclasses.replace(config.optimizer, total_steps=1, learning_rate=0.0)
    train(with_run(dataclasses.replace(config, optimizer=begun, lora=still), tmp_path / "begun"))
    ours, deltas = {}, {}
    for name in ("begun", "still", "alone"):
        weights = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["weights"]
        deltas[name] = {name: tensor for name, tensor in weights.items() if "lora_" in name}
        ours[name] = {name: tensor for name, tensor in weights.items() if "lora_" not in name}
    assert same(deltas["begun"], deltas["still"])
    assert not any(tensor.any() for name, tensor in deltas["still"].items() if "lora_b" in name)
    assert all(tensor.any() for name, tensor in deltas["alone"].items() if "lora_b" in name)
    assert same(ours["begun"], ours["alone"])
    assert not same(ours["begun"], ours["still"])


def test_a_run_that_goes_on_takes_the_rate_of_its_configuration():
    def fresh(rate):
        network = torch.nn.Sequential(torch.nn.Linear(4, 4))
        add_deltas(network, LoraConfig(rank=2, targets=("0",)))
        return Optimizer(network, OptimizerConfig(name="adamw", warmup_steps=1), rate)

    resumed = fresh(0.25)
    resumed.load_state_dict(fresh(0.5).state_dict())
    resumed.step(0)
    assert [group["lr"] for group in resumed.state_dict()[0]["param_groups"]] == [0.25]


@pytest.fixture(scope="module")
def frozen(config, tmp_path_factory):
    """A model trained on the states that the encoder gives as it is."""
    folder = tmp_path_factory.mktemp("frozen")
    features = dataclasses.replace(config.features, cache=str(folder / "features"), copies=0)
    plain = dataclasses.replace(config, lora=LoraTrainingConfig(), features=features)
    return train(with_run(plain, folder / "run"))


def test_deltas_may_be_added_to_a_model_on_the_frozen_encoder(config, frozen, tmp_path):
    assert not (frozen / "deltas.safetensors").exists()
    calm = dataclasses.replace(config.optimizer, learning_rate=0.0, total_steps=1)
    still = dataclasses.replace(config.lora, learning_rate=0.0)
    again = dataclasses.replace(config, optimizer=calm, lora=still)
    added = train(with_run(again, tmp_path / "added", start=str(frozen)))
    assert (added / "model.safetensors").read_bytes() == (frozen / "model.safetensors").read_bytes()
    assert (added / "deltas.safetensors").is_file()


def test_a_run_may_start_from_a_model_with_deltas(config, finished, tmp_path):
    calm = dataclasses.replace(config.optimizer, learning_rate=0.0, total_steps=1)
    still = dataclasses.replace(config.lora, learning_rate=0.0)
    again = dataclasses.replace(config, optimizer=calm, lora=still)
    started = train(with_run(again, tmp_path / "again", start=str(finished)))
    assert (started / "deltas.safetensors").read_bytes() == (finished / "deltas.safetensors").read_bytes()
    other = dataclasses.replace(again, lora=dataclasses.replace(still, rank=3))
    with pytest.raises(ConfigError, match=r"run\.start.*another front-end"):
        train(with_run(other, tmp_path / "other", start=str(finished)))


def test_what_cannot_be_adapted_is_refused(config, tmp_path):
    with pytest.raises(ConfigError, match=r"lora.rank is 2 and the front-end is a filterbank"):
        model_config(dataclasses.replace(config, model={}))
    negative = dataclasses.replace(config, lora=LoraTrainingConfig(rank=-1))
    with pytest.raises(LoraError, match="rank -1"):
        train(with_run(negative, tmp_path / "negative"))


@pytest.mark.parametrize(
    ("folder", "deltas"),
    [
        ("whisper", LoraConfig(rank=8, alpha=16.0, targets=("q_proj", "v_proj"))),
        ("moonshine", LoraConfig(rank=32, alpha=32.0, targets=("*_proj", "dense", "fc1", "fc2"))),
    ],
)
def test_the_recipes_begin_with_the_encoder_as_it_is(folder, deltas):
    recipes = Path(__file__).parents[3] / "recipes" / folder
    frozen, adapted = (model_config(load_config(recipes / f"{name}.toml")) for name in ("config", "deltas"))
    assert adapted.frontend.lora == deltas
    assert frozen == dataclasses.replace(adapted, frontend=dataclasses.replace(adapted.frontend, lora=None))
