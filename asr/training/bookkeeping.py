"""What every training does beside its steps: resume, evaluate, log and save, all in the folder of the run."""

from __future__ import annotations

import csv
import io
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from torch import nn

from asr.files import write_text_atomic
from asr.progress import step_progress
from asr.training.checkpoint import (
    BestWeights,
    Progress,
    Weights,
    as_config_errors,
    load_checkpoint,
    save_checkpoint,
)
from asr.training.config import ConfigError
from asr.training.optimizer import Optimizer, learning_rate

log = logging.getLogger(__name__)

B = TypeVar("B")
Scores = TypeVar("Scores")


class RunSettings(Protocol):
    """What the configuration of a run says of its bookkeeping; see `asr.training.config.RunConfig`."""

    @property
    def out(self) -> str: ...
    @property
    def keep_best(self) -> int: ...
    @property
    def log_steps(self) -> int: ...
    @property
    def eval_steps(self) -> int: ...
    @property
    def checkpoint_minutes(self) -> float: ...


class Run(ABC, Generic[Scores]):
    """One run: where it stands, and what it keeps in its folder.

    Of processes that share a run, the one that `leads` writes.
    """

    columns: tuple[str, ...]
    """Of the log: from "step", "epoch", "hours" of audio, "minutes" and "rate", then losses and scores."""

    def __init__(
        self, settings: RunSettings, trained: nn.Module, optimizer: Optimizer, leads: bool = True
    ) -> None:
        self.folder = Path(settings.out)
        self.trained, self.optimizer = trained, optimizer
        self.best = BestWeights(self.folder, settings.keep_best)
        self.progress, self.hours = Progress(), 0.0
        self._settings, self._leads = settings, leads
        self._log_file = self.folder / "log.csv"
        self._started = time.monotonic()

    def resume(self) -> bool:
        """Go on from the last checkpoint, if there is one.

        Raises:
            ConfigError: the checkpoint is of another shape or optimizer, or damaged.
        """
        with as_config_errors(self.folder):
            found = load_checkpoint(self.folder)
            if found is None:
                return False
            weights, optimizer, self.progress = found
            self._restore(weights)
            self.optimizer.load_state_dict(optimizer)
            if self._leads:
                self.hours = rewind_log(self._log_file, self.progress.step)
        log.info("resumed at step %d", self.progress.step)
        return True

    def start_clean(self) -> None:
        """Forget what a run left behind that was stopped before its first checkpoint."""
        if self._leads:
            self._log_file.unlink(missing_ok=True)
            self.best.clear()

    def _weights(self) -> Weights:
        """All that is trained as one table, for the checkpoint."""
        return self.trained.state_dict()

    def _restore(self, weights: Weights) -> None:
        """Take the weights of a checkpoint."""
        self.trained.load_state_dict(weights)

    @abstractmethod
    def _log(self, scores: Scores | None) -> None:
        """Log what is new since the last time; `scores` where dev was just evaluated."""

    def _go(
        self, batches: Iterator[B], step: Callable[[B], None], evaluate: Callable[[], Scores | None]
    ) -> None:
        """Train to `optimizer.total_steps`."""
        settings, total = self._settings, self.optimizer.config.total_steps
        last_checkpoint = time.monotonic()
        with step_progress(self.progress.step, total, shown=self._leads) as advance:
            for batch in batches:
                if self.progress.step >= total:
                    break
                step(batch)
                advance(self.progress.step)
                done = self.progress.step == total
                evaluated = self.progress.step % settings.eval_steps == 0 or done
                scores = evaluate() if evaluated else None
                if self.progress.step % settings.log_steps == 0 or evaluated:
                    self._log(scores)
                if done or time.monotonic() - last_checkpoint > 60 * settings.checkpoint_minutes:
                    self._save()
                    last_checkpoint = time.monotonic()

    def _save(self) -> None:
        if self._leads:
            save_checkpoint(self.folder, self._weights(), self.optimizer.state_dict(), self.progress)

    def _write_row(self, losses: Sequence[float], scores: Sequence[float | None]) -> None:
        """Log losses and scores, which are the last columns."""
        step, minutes = self.progress.step, (time.monotonic() - self._started) / 60
        log.info("step %d %.1f h in %.1f min, losses %s", step, self.hours, minutes, losses)
        rate = learning_rate(self.optimizer.config, max(step - 1, 0))
        epoch = (self.progress.epoch,) if "epoch" in self.columns else ()
        row = (step, *epoch, f"{self.hours:.3f}", f"{minutes:.2f}", f"{rate:.6f}", *losses, *scores)
        append_row(self._log_file, self.columns, row)


def claim(out: str, resume: bool) -> Path:
    """The folder of a run. Raises `ConfigError` where a run would be overwritten for want of `resume`."""
    folder = Path(out)
    if not resume and (folder / "checkpoint.pt").exists():
        raise ConfigError(
            f"{folder} holds a run already; continue it with --resume or choose another run.out"
        )
    return folder


def rewind_log(file: Path, step: int) -> float:
    """Drop the rows beyond a step, which will be written anew; returns the hours of audio seen until then."""
    if not file.is_file():
        return 0.0
    with file.open(newline="") as lines:
        header, *rows = list(csv.reader(lines)) or [[]]
    if not header:
        file.unlink()
        return 0.0
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
