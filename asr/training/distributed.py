"""Data parallel by summed gradients: run under `torchrun`, each process takes its share of every step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from asr.training.config import ConfigError


@dataclass(frozen=True)
class Team:
    """The processes of one run."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def sum_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its sum over the processes, in one transfer."""
        if self.world == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        pieces = torch.split(flat, [p.numel() for p in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)

    def sum(self, values: Tensor) -> Tensor:
        """Sum of a small tensor over the processes."""
        if self.world == 1:
            return values
        shared = values.to(self.device)
        dist.all_reduce(shared)
        return shared.cpu()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join_team(device: str) -> Iterator[Team]:
    """The team that `torchrun` describes in the environment, or a team of one."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    cuda = device.startswith("cuda")
    if cuda and not torch.cuda.is_available():
        raise ConfigError(f"run.device is {device}, and no CUDA GPU can be used here; set it to cpu")
    try:
        place = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda and world > 1 else device)
    except RuntimeError as error:
        raise ConfigError(f"run.device: {device!r} is no device; accepted are cpu, cuda, cuda:0") from error
    if world > 1:
        # The others wait while the leading process decodes audio or scores dev, which may take long.
        dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(hours=3))
    if cuda:
        torch.cuda.set_device(place)
    try:
        yield Team(rank, world, place)
    finally:
        if world > 1:
            dist.destroy_process_group()
