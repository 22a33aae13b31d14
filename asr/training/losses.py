"""The training loss: final, intermediate and phone CTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from asr.model import ModelOutput
from asr.training.attention import AttentionDecoder
from asr.training.config import LossConfig
from asr.training.data import Batch


@dataclass(frozen=True)
class Losses:
    """Sums over the utterances of a batch, in nats."""

    total: Tensor
    final: Tensor
    intermediate: Tensor
    phone: Tensor


def ctc(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Sum of the CTC losses of `(B, T, V)` log-probabilities.

    Empty targets and impossible alignments add nothing.
    """
    spoken = [index for index, target in enumerate(targets) if target]
    if not spoken:
        return log_probs.sum() * 0.0
    rows = torch.tensor(spoken, device=log_probs.device)
    flat = torch.tensor([token for index in spoken for token in targets[index]], device=log_probs.device)
    target_lengths = torch.tensor([len(targets[index]) for index in spoken], device=log_probs.device)
    return F.ctc_loss(
        log_probs[rows].transpose(0, 1),
        flat,
        lengths[rows],
        target_lengths,
        reduction="sum",
        zero_infinity=True,
    )


def training_loss(
    output: ModelOutput, batch: Batch, config: LossConfig, attention: AttentionDecoder | None = None
) -> Losses:
    """(1 - w) final + w mean of the intermediates, plus the weighted phone CTC and attention.

    Source: Lee & Watanabe 2021, eq. 5, for the first two.
    """
    final = ctc(output.log_probs, output.lengths, batch.tokens)
    heads = [ctc(log_probs, output.lengths, batch.tokens) for log_probs in output.intermediate_log_probs]
    intermediate = torch.stack(heads).mean() if heads else final
    phone = ctc(output.phone_log_probs, output.lengths, batch.phones)
    weight = config.intermediate
    total = (1 - weight) * final + weight * intermediate + config.phone * phone
    if attention is not None:
        total = total + config.attention * attention(output.states[-1], output.lengths, batch.tokens)
    return Losses(total, final, intermediate, phone)
