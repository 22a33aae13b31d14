"""The training loop."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from asr.features import SAMPLE_RATE, SpecAugmentConfig, spec_augment
from asr.files import write_text_atomic
from asr.model import ConformerCTC
from asr.progress import step_progress
from asr.training.checkpoint import BestWeights, Progress, as_config_errors, load_checkpoint, save_checkpoint
from asr.training.config import TrainConfig
from asr.training.data import Batch, BatchPlan
from asr.training.distributed import Team
from asr.training.evaluate import DevScores, DevSet, evaluate
from asr.training.helpers import Helpers
from asr.training.losses import training_loss
from asr.training.optimizer import Optimizer, learning_rate
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


class Trainer:
    """One run: steps, checkpoints, evaluations, logs. Everything it needs is made before and passed in."""

    def __init__(self, config: TrainConfig, team: Team, model: ConformerCTC, batches: Batches) -> None:
        self.config, self.team, self.model, self.batches = config, team, model, batches
        self.folder = Path(config.run.out)
        self.helpers = Helpers.of(
            config.loss,
            model.config.encoder.dim,
            model.config.vocab_size,
            batches.teacher.dim if batches.teacher else 0,
            config.run.seed + 1,
        ).to(team.device)
        self.trained = nn.ModuleList([model, self.helpers])
        self.optimizer = Optimizer(self.trained, config.optimizer)
        self.best = BestWeights(self.folder, config.run.keep_best)
        self.progress = Progress()
        self.meter = Meter(torch.zeros(4))
        self.hours = 0.0
        self.started = time.monotonic()

    def resume(self) -> bool:
        """Go on from the last checkpoint, if there is one.

        Raises:
            ConfigError: the checkpoint is of another shape or optimizer, or damaged.
        """
        with as_config_errors(self.folder):
            return self._resume()

    def start_clean(self) -> None:
        """Forget what a run left behind that was stopped before its first checkpoint."""
        if self.team.leads:
            rewind_log(self.folder / "log.csv", 0)
            self.best.clear()

    def _resume(self) -> bool:
        found = load_checkpoint(self.folder)
        if found is None:
            return False
        weights, optimizer, self.progress = found
        own = self.helpers.state_dict().keys()
        self.helpers.load_state_dict({name: weights[name] for name in own})
        self.model.load_state_dict({name: tensor for name, tensor in weights.items() if name not in own})
        self.optimizer.load_state_dict(optimizer)
        if self.team.leads:
            self.hours = rewind_log(self.folder / "log.csv", self.progress.step)
        log.info("resumed at step %d", self.progress.step)
        return True

    def run(self, dev: DevSet) -> None:
        """Train to `optimizer.total_steps`."""
        run, total = self.config.run, self.config.optimizer.total_steps
        last_checkpoint = time.monotonic()
        self.model.train()
        with step_progress(self.progress.step, total, shown=self.team.leads) as advance:
            for epoch, position, indices, batch in self._prefetched():
                if self.progress.step >= total:
                    break
                self.step(batch, len(indices), epoch, position)
                advance(self.progress.step)
                done = self.progress.step == total
                evaluated = self.progress.step % run.eval_steps == 0 or done
                scores = self._evaluate(dev) if evaluated else None
                if self.progress.step % run.log_steps == 0 or evaluated:
                    self._log(scores)
                if done or time.monotonic() - last_checkpoint > 60 * run.checkpoint_minutes:
                    self._save()
                    last_checkpoint = time.monotonic()

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

    def _save(self) -> None:
        if self.team.leads:
            save_checkpoint(self.folder, self._weights(), self.optimizer.state_dict(), self.progress)

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

    def _weights(self) -> dict[str, Tensor]:
        """All that is trained as one table."""
        return {**self.model.state_dict(), **self.helpers.state_dict()}

    def _losses(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        device, run = self.team.device, self.config.run
        features, lengths = self.model.features(batch.samples.to(device), batch.lengths.to(device))
        features = spec_augment(features, lengths, self._masks(), generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16"):
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

    def _prefetched(self) -> Iterator[tuple[int, int, list[int], Batch]]:
        """Batches from the present place on, the next one being made while this one is used."""
        places = self.batches.plan.steps(self.progress.epoch, self.progress.position)
        with ThreadPoolExecutor(1) as pool:
            place = next(places)
            pending = pool.submit(self.batches, *place)
            while True:
                batch, current = pending.result(), place
                place = next(places)
                pending = pool.submit(self.batches, *place)
                yield *current, batch

    def _log(self, scores: DevScores | None) -> None:
        sums = self.team.sum(torch.cat((self.meter.losses, torch.tensor([self.meter.seconds]))))
        self.hours += float(sums[4]) / 3600
        losses = [round(float(value) / max(self.meter.utterances, 1), 4) for value in sums[:4]]
        self.meter = Meter(torch.zeros(4))
        if not self.team.leads:
            return
        minutes = (time.monotonic() - self.started) / 60
        rate = learning_rate(self.config.optimizer, self.progress.step - 1)
        row = (
            self.progress.step,
            self.progress.epoch,
            f"{self.hours:.3f}",
            f"{minutes:.2f}",
            f"{rate:.6f}",
            *losses,
            *((scores.wer, scores.phone_error_rate) if scores else (None, None)),
        )
        log.info("step %d epoch %d %.1f h in %.1f min, loss %s", *row[:2], self.hours, minutes, losses)
        append_row(self.folder / "log.csv", LOG_FIELDS, row)


def rewind_log(file: Path, step: int) -> float:
    """Drop the rows beyond a step, which will be written anew; returns the hours of audio seen until then."""
    if not file.is_file():
        return 0.0
    with file.open(newline="") as lines:
        header, *rows = list(csv.reader(lines)) or [list(LOG_FIELDS)]
    kept = [row for row in rows if len(row) == len(header) and int(row[0]) <= step]
    out = io.StringIO()
    csv.writer(out).writerows([header, *kept])
    write_text_atomic(file, out.getvalue())
    return float(kept[-1][header.index("hours")]) if kept else 0.0


def append_row(file: Path, header: tuple[str, ...], row: tuple[object, ...]) -> None:
    """Add a row to a CSV file, with its header when the file is new."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with file.open("a", newline="") as out:
        writer = csv.writer(out)
        if new:
            writer.writerow(header)
        writer.writerow(["" if value is None else value for value in row])
