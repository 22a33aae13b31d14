"""Parts that help the encoder learn and are left behind when it is shipped."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.model import ModelOutput
from asr.training.attention import AttentionDecoder
from asr.training.config import LossConfig
from asr.training.data import Batch
from asr.training.teacher import TeacherHead


class Helpers(nn.Module):
    """An attention decoder, a teacher head, or neither; both read the encoder's last states."""

    def __init__(self, attention: AttentionDecoder | None, teacher_head: TeacherHead | None) -> None:
        super().__init__()
        self.attention_decoder, self.teacher_head = attention, teacher_head

    @classmethod
    def of(cls, config: LossConfig, dim: int, vocab_size: int, teacher_dim: int, seed: int) -> Helpers:
        """Those whose losses have a weight, begun from `seed`."""
        torch.manual_seed(seed)
        return cls(
            AttentionDecoder(dim, vocab_size) if config.attention else None,
            TeacherHead(dim, teacher_dim) if config.teacher else None,
        )

    def forward(self, output: ModelOutput, batch: Batch, config: LossConfig) -> Tensor:
        """The weighted sum of the helpers' losses in nats over the batch."""
        total, states = output.log_probs.new_zeros(()), output.states[-1]
        if self.attention_decoder is not None:
            total = total + config.attention * self.attention_decoder(states, output.lengths, batch.tokens)
        if self.teacher_head is not None and batch.teacher is not None:
            assert batch.teacher_frames is not None
            frames = torch.minimum(batch.teacher_frames.to(states.device), output.lengths)
            targets = batch.teacher.to(states.device)
            total = total + config.teacher * self.teacher_head(states, targets, frames)
        return total
