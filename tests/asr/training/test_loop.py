"""The training loop: a broken run goes on as if unbroken, and two processes do what one does."""

import csv
import dataclasses
import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from runs import break_off, data_of

from asr.recognizer import Recognizer
from asr.training.bookkeeping import append_row, rewind_log
from asr.training.config import (
    AugmentConfig,
    ConfigError,
    LossConfig,
    OptimizerConfig,
    RunConfig,
    SourceConfig,
    TrainConfig,
)
from asr.training.optimizer import Optimizer
from asr.training.run import model_config, train

CALM = AugmentConfig(
    speed=(1.0, 1.0),
    noise_probability=0.0,
    room_probability=0.0,
    gain_db=(0.0, 0.0),
    band_masks=0,
    time_masks_per_second=0.0,
)


@pytest.fixture(scope="module")
def config(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    odd = SourceConfig("train.jsonl", source="odd", weight=1.5)
    return TrainConfig(
        size="tiny",
        data=data_of(corpus, folder, 8.0, odd),
        augment=AugmentConfig(noise_probability=0.5, room_probability=0.5),
        loss=LossConfig(attention=0.2),
        optimizer=OptimizerConfig(name="muon", total_steps=5, warmup_steps=2),
        run=RunConfig(
            out=str(folder / "whole"), precision="float32", log_steps=1, eval_steps=2, checkpoint_minutes=0.0
        ),
    )


def out(config, name):
    return dataclasses.replace(config, run=dataclasses.replace(config.run, out=name))


def saved(config):
    return torch.load(f"{config.run.out}/checkpoint.pt", weights_only=True)


def log_of(config):
    with Path(config.run.out, "log.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def finished(config):
    return train(config)


def flat(state):
    """All tensors and numbers of a nested state, in order."""
    if isinstance(state, dict):
        return [one for key in state for one in flat(state[key])]
    if isinstance(state, list | tuple):
        return [one for part in state for one in flat(part)]
    return [state]


def same(first, second):
    one, other = flat(first), flat(second)
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True)
    )


def test_a_run_leaves_a_model_that_transcribes(config, finished, corpus):
    assert finished.parent.name == "whole"
    result = Recognizer.from_pretrained(finished).transcribe(corpus / "clips/0.wav")
    assert 0.5 <= result.duration <= 1.5
    rows = log_of(config)
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5]
    assert [bool(row["dev_wer"]) for row in rows] == [False, True, False, True, True]
    assert all(float(row["loss"]) > 0 for row in rows)
    hours = [float(row["hours"]) for row in rows]
    assert hours == sorted(hours)


def test_a_broken_run_goes_on_as_if_unbroken(config, finished, tmp_path):
    broken = out(config, str(tmp_path / "broken"))
    break_off(broken, 3)
    (tmp_path / "broken" / "checkpoint.pt.partial").write_bytes(b"half")
    assert saved(broken)["progress"]["step"] == 3
    with pytest.raises(ConfigError, match="--resume"):
        train(broken)
    train(broken, resume=True)
    assert same(saved(broken), saved(config))
    for row, expected in zip(log_of(broken), log_of(config), strict=True):
        assert float(row["hours"]) == pytest.approx(float(expected["hours"]), abs=0.0015)  # it has 3 decimals
        assert row | {"minutes": "", "hours": ""} == expected | {"minutes": "", "hours": ""}
    assert (tmp_path / "broken/model/model.safetensors").read_bytes() == (
        finished / "model.safetensors"
    ).read_bytes()


def test_a_run_may_start_from_a_model(config, finished, tmp_path):
    still = OptimizerConfig(learning_rate=0.0, total_steps=1)
    started = dataclasses.replace(
        config,
        optimizer=still,
        run=dataclasses.replace(config.run, out=str(tmp_path / "started"), start=str(finished)),
    )
    model = train(started)
    for name in ("model.safetensors", "tokenizer.model"):
        assert (model / name).read_bytes() == (finished / name).read_bytes()
    other = dataclasses.replace(started, model={"encoder": {"layers": 4}})
    with pytest.raises(ConfigError, match="another shape"):
        train(out(other, str(tmp_path / "other")))
    deaf = dataclasses.replace(started, model={"frontend": {"floor": 1e-3}})
    with pytest.raises(ConfigError, match=r"another front-end than `model\.frontend` says"):
        train(out(deaf, str(tmp_path / "deaf")))


def test_a_teacher_needs_its_states(config, tmp_path):
    taught = dataclasses.replace(config, loss=LossConfig(teacher=1.0))
    with pytest.raises(ConfigError, match=r"data\.teacher"):
        train(out(taught, str(tmp_path / "taught")))


def test_a_run_cannot_start_from_no_model(config, tmp_path):
    lost = dataclasses.replace(config.run, out=str(tmp_path / "lost"), start=str(tmp_path))
    with pytest.raises(ConfigError, match=r"run.start.*missing"):
        train(dataclasses.replace(config, run=lost))


def test_a_resumed_log_has_every_step_once(tmp_path):
    file = tmp_path / "run" / "log.csv"
    assert rewind_log(file, 3) == 0.0
    rows = [(step, 0, f"{step / 10:.3f}", None) for step in range(1, 6)]
    for row in rows:
        append_row(file, ("step", "epoch", "hours", "dev_wer"), row)
    whole = file.read_text()
    assert rewind_log(file, 3) == pytest.approx(0.3)
    assert file.read_text().splitlines() == whole.splitlines()[:4]
    for row in rows[3:]:
        append_row(file, ("step", "epoch", "hours", "dev_wer"), row)
    assert file.read_text().splitlines() == whole.splitlines()
    assert rewind_log(file, 0) == 0.0


def test_the_seed_decides(config, finished, tmp_path):
    once = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, total_steps=1))
    other = dataclasses.replace(once, run=dataclasses.replace(once.run, out=str(tmp_path / "other"), seed=2))
    train(other)
    assert log_of(other)[0]["loss"] != log_of(config)[0]["loss"]


def descend(self, number):
    """A plain step along the gradients: small differences stay small."""
    for optimizer in self._optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.data -= 0.1 * parameter.grad
        optimizer.zero_grad()


def one_of_two(config, rank, port):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(config)


def test_two_processes_do_what_one_does(config, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(Optimizer, "step", descend)
    calm = dataclasses.replace(
        config,
        model={"encoder": {"dropout": 0.0}},
        augment=CALM,
        loss=LossConfig(),
        data=dataclasses.replace(config.data, batch_seconds=3.0),
    )
    single, double = out(calm, str(tmp_path / "single")), out(calm, str(tmp_path / "double"))
    train(single)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    team = [fork.Process(target=one_of_two, args=(double, rank, port), daemon=True) for rank in range(2)]
    for process in team:
        process.start()
    for process in team:
        process.join(300)
    assert [process.exitcode for process in team] == [0, 0]
    for row, expected in zip(log_of(double), log_of(single), strict=True):
        assert row["hours"] == expected["hours"]
        for name in ("loss", "final", "intermediate", "phone"):
            assert float(row[name]) == pytest.approx(float(expected[name]), rel=1e-4, abs=2e-4)
    for name, tensor in saved(single)["weights"].items():
        torch.testing.assert_close(saved(double)["weights"][name], tensor, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"root": "nowhere"}, "no such data folder"),
        ({"text": ("missing.txt",)}, "no such text"),
        ({"noise": "missing"}, "is no folder"),
        ({"lexicon": "missing.dict"}, "cannot be read"),
    ],
)
def test_missing_data_is_named(config, finished, tmp_path, changes, words):
    wrong = dataclasses.replace(config, data=dataclasses.replace(config.data, **changes))
    with pytest.raises(ConfigError, match=words):
        train(out(wrong, str(tmp_path / "new")))


def test_named_shapes_take_changes(config):
    changed = dataclasses.replace(
        config, model={"encoder": {"layers": 2, "half_rate": None}, "phone_layer": 1, "vocab_size": 70}
    )
    shape = model_config(changed)
    assert (shape.vocab_size, shape.encoder.layers, shape.encoder.dim, shape.phone_layer) == (70, 2, 32, 1)
    with pytest.raises(ConfigError, match="tiny, base, large"):
        model_config(dataclasses.replace(config, size="huge"))
