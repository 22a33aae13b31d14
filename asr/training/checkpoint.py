"""Checkpoints that survive a kill at any moment, and the average of the best ones."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from asr.reasons import first_line
from asr.training.config import ConfigError

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Progress:
    """Where a run stands."""

    step: int = 0
    """Optimizer steps done."""
    epoch: int = 0
    """Epoch of the next batch."""
    position: int = 0
    """Place of the next batch in its epoch."""


def save_checkpoint(
    folder: Path, weights: Weights, optimizer: list[dict[str, object]], progress: Progress
) -> None:
    """Write weights, optimizer and data position as one file, replacing the last in one move."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "checkpoint.pt.partial"
    state = {"weights": weights, "optimizer": optimizer, "progress": vars(progress)}
    torch.save(state, partial)
    partial.replace(folder / "checkpoint.pt")


def load_checkpoint(folder: Path) -> tuple[Weights, list[dict[str, object]], Progress] | None:
    """What `save_checkpoint` wrote, or None when there is none yet."""
    file = folder / "checkpoint.pt"
    if not file.is_file():
        return None
    state = torch.load(file, map_location="cpu", weights_only=True)
    return state["weights"], state["optimizer"], Progress(**state["progress"])


@contextmanager
def as_config_errors(folder: Path) -> Iterator[None]:
    """Make one `ConfigError` of whatever fails where the run of a folder is restored from its checkpoint."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ConfigError(
            f"{folder}: its checkpoint does not fit this configuration ({first_line(error)}); "
            "resume with the one it was begun with, or choose another run.out"
        ) from error


class BestWeights:
    """The weights with the lowest dev word error rate, on disk."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder / "best", keep
        self._index = self.folder / "index.json"

    def entries(self) -> list[tuple[float, int]]:
        """`(word error rate, step)`, best first."""
        if not self._index.is_file():
            return []
        return sorted((float(wer), int(step)) for wer, step in json.loads(self._index.read_text()))

    def offer(self, wer: float, step: int, weights: Weights) -> None:
        """Keep these weights if they are among the best, and drop the worst beyond `keep`."""
        others = [entry for entry in self.entries() if entry[1] != step]
        entries = sorted([*others, (wer, step)])
        kept = entries[: self.keep]
        if (wer, step) in kept:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, self._file(step))
        partial = self._index.with_suffix(".partial")
        self.folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(kept))
        partial.replace(self._index)
        for _, dropped in entries[self.keep :]:
            self._file(dropped).unlink(missing_ok=True)

    def clear(self) -> None:
        """Drop all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def average(self, count: int) -> Weights:
        """Mean of the best `count` weights; there must be that many entries."""
        loaded = [load_file(self._file(step)) for _, step in self.entries()[:count]]
        return {
            name: torch.stack([weights[name].float() for weights in loaded]).mean(0) for name in loaded[0]
        }

    def _file(self, step: int) -> Path:
        return self.folder / f"step-{step:07d}.safetensors"
