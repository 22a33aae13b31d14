"""The training loss: final, intermediate and phone CTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from asr.model import ModelOutput
from asr.training.config import LossConfig
from asr.training.data import Batch
from asr.training.helpers import Helpers


@dataclass(frozen=True)
class Losses:
    """Sums over the utterances of a batch, in nats."""

    total: Tensor
    final: Tensor
    intermediate: Tensor
    phone: Tensor


def ctc(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int] | None]) -> Tensor:
    """Sum of the CTC losses of `(B, T, V)` log-probabilities.

    An empty target asks for blanks alone; None (not known) and impossible alignments add nothing.
    """
    known = [(index, target) for index, target in enumerate(targets) if target is not None]
    if not known:
        return log_probs.sum() * 0.0
    device = log_probs.device
    rows = torch.tensor([index for index, _ in known], device=device)
    flat = torch.tensor([token for _, target in known for token in target], dtype=torch.int64, device=device)
    target_lengths = torch.tensor([len(target) for _, target in known], device=device)
    return F.ctc_loss(
        log_probs[rows].transpose(0, 1),
        flat,
        lengths[rows],
        target_lengths,
        reduction="sum",
        zero_infinity=True,
    )


def training_loss(
    output: ModelOutput, batch: Batch, config: LossConfig, helpers: Helpers | None = None
) -> Losses:
    """(1 - w) final + w mean of the intermediates, plus the weighted phone CTC and the helpers' losses.

    Source: Lee & Watanabe 2021, eq. 5, for the first two.
    """
    final = ctc(output.log_probs, output.lengths, batch.tokens)
    heads = [ctc(log_probs, output.lengths, batch.tokens) for log_probs in output.intermediate_log_probs]
    intermediate = torch.stack(heads).mean() if heads else final
    phone = ctc(output.phone_log_probs, output.lengths, batch.phones)
    weight = config.intermediate
    total = (1 - weight) * final + weight * intermediate + config.phone * phone
    if helpers is not None:
        total = total + helpers(output, batch, config)
    return Losses(total, final, intermediate, phone)
