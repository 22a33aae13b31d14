"""The training loop."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from asr.features import SAMPLE_RATE, SpecAugmentConfig, spec_augment
from asr.model import ConformerCTC
from asr.training.bookkeeping import Run
from asr.training.checkpoint import Progress, Weights
from asr.training.config import TrainConfig
from asr.training.data import Batch, BatchPlan
from asr.training.distributed import Team
from asr.training.evaluate import DevScores, DevSet, evaluate
from asr.training.helpers import Helpers
from asr.training.losses import training_loss
from asr.training.optimizer import Optimizer
from asr.training.teacher import Teacher

log = logging.getLogger(__name__)

LOG_FIELDS = (
    "step",
    "epoch",
    "hours",
    "minutes",
    "rate",
    "loss",
    "final",
    "intermediate",
    "phone",
    "dev_wer",
    "dev_per",
)


class Batches(Protocol):
    """Makes the batch of this process for a step: from audio, or from cached features."""

    plan: BatchPlan

    @property
    def teacher(self) -> Teacher | None:
        """Whose states the batches carry, if they do."""
        ...

    def __call__(self, epoch: int, position: int, indices: Sequence[int]) -> Batch:
        """The share of the examples `indices` that falls to this process."""
        ...


@dataclass
class Meter:
    """Sums since the last log line."""

    losses: torch.Tensor
    utterances: int = 0
    seconds: float = 0.0


class Trainer(Run[DevScores]):
    """Steps of a CTC model and their scores on dev. Everything it needs is made before and passed in."""

    columns = LOG_FIELDS

    def __init__(self, config: TrainConfig, team: Team, model: ConformerCTC, batches: Batches) -> None:
        self.config, self.team, self.model, self.batches = config, team, model, batches
        self.helpers = Helpers.of(
            config.loss,
            model.config.encoder.dim,
            model.config.vocab_size,
            batches.teacher.dim if batches.teacher else 0,
            config.run.seed + 1,
        ).to(team.device)
        trained = nn.ModuleList([model, self.helpers])
        optimizer = Optimizer(trained, config.optimizer, config.lora.learning_rate)
        super().__init__(config.run, trained, optimizer, team.leads)
        self.meter = Meter(torch.zeros(4))

    def run(self, dev: DevSet) -> None:
        """Train to `optimizer.total_steps`."""
        self.model.train()
        batches = prefetched(self.batches, self.progress)
        self._go(batches, lambda made: self.step(*made), lambda: self._evaluate(dev))

    def _evaluate(self, dev: DevSet) -> DevScores | None:
        """Scores on dev where this process leads; the others wait for it."""
        scores = None
        if self.team.leads:
            scores = evaluate(self.model, dev)
            self.best.offer(scores.wer, self.progress.step, self.model.state_dict())
            errors = 100 * scores.wer, 100 * scores.phone_error_rate
            log.info("dev WER %.1f%% PER %.1f%%: %s", *errors, scores.sample)
        self.team.wait()
        return scores

    def step(self, batch: Batch, utterances: int, epoch: int, position: int) -> None:
        """One optimizer step on this process's share of `utterances`, the mean loss over all of them."""
        number = self.progress.step
        seed = (self.config.run.seed * 1_000_003 + number) * self.team.world + self.team.rank
        torch.manual_seed(seed)
        if len(batch.lengths):
            losses = self._losses(batch, torch.Generator().manual_seed(seed))
            torch.autograd.backward(losses[0] / utterances)
            self.meter.losses += losses.detach().float().cpu()
        self.team.sum_gradients(self.trained)
        self.optimizer.step(number)
        self.meter.utterances += utterances
        self.meter.seconds += float(batch.lengths.sum()) / self._rate(batch)
        self.progress = Progress(number + 1, epoch, position + 1)

    def _weights(self) -> Weights:
        return {**self.model.state_dict(), **self.helpers.state_dict()}

    def _restore(self, weights: Weights) -> None:
        own = self.helpers.state_dict().keys()
        self.helpers.load_state_dict({name: weights[name] for name in own})
        self.model.load_state_dict({name: tensor for name, tensor in weights.items() if name not in own})

    def _losses(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        device, run = self.team.device, self.config.run
        with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16"):
            features, lengths = self.model.features(batch.samples.to(device), batch.lengths.to(device))
            features = spec_augment(features, lengths, self._masks(), generator)
            output = self.model.encode(features, lengths)
            losses = training_loss(output, batch, self.config.loss, self.helpers)
        return torch.stack((losses.total, losses.final, losses.intermediate, losses.phone))

    def _rate(self, batch: Batch) -> float:
        """Samples or frames a second."""
        return SAMPLE_RATE if batch.samples.ndim == 2 else self.model.frontend.frame_rate

    def _masks(self) -> SpecAugmentConfig:
        chosen = self.config.augment
        return SpecAugmentConfig(
            chosen.band_masks,
            chosen.band_width,
            chosen.time_masks_per_second,
            chosen.time_width,
            self.model.frontend.frame_rate,
        )

    def _log(self, scores: DevScores | None) -> None:
        sums = self.team.sum(torch.cat((self.meter.losses, torch.tensor([self.meter.seconds]))))
        self.hours += float(sums[4]) / 3600
        losses = [round(float(value) / max(self.meter.utterances, 1), 4) for value in sums[:4]]
        self.meter = Meter(torch.zeros(4))
        if self.team.leads:
            found = (scores.wer, scores.phone_error_rate) if scores else (None, None)
            self._write_row(losses, found)


def prefetched(batches: Batches, begin: Progress) -> Iterator[tuple[Batch, int, int, int]]:
    """Batches from a place on: what `Trainer.step` takes. The next one is made while this one is used."""
    places = batches.plan.steps(begin.epoch, begin.position)
    with ThreadPoolExecutor(1) as pool:
        place = next(places)
        pending = pool.submit(batches, *place)
        while True:
            batch, (epoch, position, indices) = pending.result(), place
            place = next(places)
            pending = pool.submit(batches, *place)
            yield batch, len(indices), epoch, position
