"""Training runs that several tests begin, and break."""

import pytest

from asr.training.config import (
    AugmentConfig,
    DataConfig,
    FeaturesConfig,
    OptimizerConfig,
    RunConfig,
    SourceConfig,
    TrainConfig,
)
from asr.training.loop import Trainer
from asr.training.run import train


def data_of(corpus, folder, batch_seconds, *more):
    """The small corpus that tests make and more sources of it, the cache in a folder of the run's."""
    return DataConfig(
        root=str(corpus),
        sources=(SourceConfig("train.jsonl"), *more),
        dev="dev.jsonl",
        lexicon="lexicon.dict",
        text=("text.txt",),
        noise="noise",
        cache=str(folder / "cache"),
        min_seconds=0.3,
        batch_seconds=batch_seconds,
    )


def on_whisper(corpus, folder, batch_seconds, augment=None):
    """Three steps of a tiny model on the Whisper that ONOMA_HUGGINGFACE names."""
    return TrainConfig(
        size="tiny",
        model={
            "encoder": {"feature_dim": 16, "subsampling": 2},
            "frontend": {"encoder": "huggingface-whisper"},
        },
        data=data_of(corpus, folder, batch_seconds),
        features=FeaturesConfig(cache=str(folder / "features"), copies=0),
        augment=augment or AugmentConfig(),
        optimizer=OptimizerConfig(name="muon", total_steps=3, warmup_steps=1),
        run=RunConfig(out=str(folder / "whole"), log_steps=1, eval_steps=3, checkpoint_minutes=0.0),
    )


def break_off(config, at, trainer=Trainer, run=train):
    """Train until a step in which the run is killed."""
    step = trainer.step

    def killed(self, *given):
        if self.progress.step == at:
            raise KeyboardInterrupt
        step(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            run(config)
