"""Runs stopped before their first checkpoint, and settings refused before work begins."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from asr.features import FeatureError, LogMelConfig
from asr.training.bookkeeping import Run, append_row, rewind_log
from asr.training.checkpoint import BestWeights
from asr.training.config import ConfigError, OptimizerConfig, RunConfig, TrainConfig
from asr.training.distributed import join_team
from asr.training.loop import LOG_FIELDS
from asr.training.optimizer import Optimizer
from asr.training.run import model_config, train


def test_best_weights_of_an_earlier_attempt_can_be_dropped(tmp_path):
    best = BestWeights(tmp_path, 2)
    best.offer(0.5, 10, {"a": torch.ones(2)})
    best.clear()
    assert best.entries() == []
    best.offer(0.9, 1, {"a": torch.zeros(2)})
    assert best.entries() == [(0.9, 1)]


def test_a_row_cut_short_is_dropped(tmp_path):
    log = tmp_path / "log.csv"
    for step in (1, 2):
        append_row(log, LOG_FIELDS, (step, 0, 0.1 * step, *[1.0] * (len(LOG_FIELDS) - 3)))
    with log.open("a") as out:
        out.write("1")
    assert rewind_log(log, 5) == pytest.approx(0.2)
    assert len(log.read_text().splitlines()) == 3


def test_a_log_killed_before_its_header_is_begun_anew(tmp_path):
    log = tmp_path / "log.csv"
    log.touch()
    assert rewind_log(log, 5) == 0.0
    append_row(log, ("step", "hours"), (1, 0.5))
    assert log.read_text().split() == ["step,hours", "1,0.5"]


class Idle(Run[None]):
    columns = ("step", "hours")

    def _log(self, scores):
        pass


@pytest.mark.parametrize("leads", [True, False])
def test_nothing_is_left_of_a_run_that_begins_anew(leads, tmp_path):
    layer = torch.nn.Linear(2, 2)
    run = Idle(RunConfig(out=str(tmp_path)), layer, Optimizer(layer, OptimizerConfig()), leads)
    append_row(tmp_path / "log.csv", run.columns, (0, 0.0))
    run.best.offer(0.5, 10, {"a": torch.ones(2)})
    run.start_clean()
    assert list(tmp_path.iterdir()) == [] or not leads
    assert len(run.best.entries()) == (not leads)


def test_an_unknown_size_is_refused_before_any_work(tmp_path):
    config = TrainConfig(size="huge")
    with pytest.raises(ConfigError, match="tiny, base, large"):
        train(dataclasses.replace(config, run=dataclasses.replace(config.run, out=str(tmp_path / "run"))))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "change", [{"vocab_size": "abc"}, {"frontend": {"normalize": "utt"}}, {"encoder": 3}]
)
def test_a_wrong_shape_is_named(change):
    with pytest.raises(ValueError, match=r"\S") as caught:
        model_config(TrainConfig(model=change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"normalize": "utt"}, {"window_ms": 40.0}, {"hop_ms": 0.0}, {"bands": 0}])
def test_filterbank_settings_that_cannot_work_are_refused(change):
    with pytest.raises(FeatureError):
        LogMelConfig(**change)


@pytest.mark.parametrize("device", ["gpu", "cuda" if not torch.cuda.is_available() else "nowhere"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ConfigError, match=r"run\.device"), join_team(device):
        pass
