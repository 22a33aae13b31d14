"""Pretrained encoders held in torch, so that gradients reach low-rank deltas on them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.lora import LoraConfig, add_deltas, freeze
from asr.pretrained_encoder import PretrainedEncoder, Samples, States


class AdaptableEncoder(nn.Module, PretrainedEncoder):
    """An encoder whose weights are constants, for many utterances at once.

    With deltas on its projections gradients go through it to them, and they alone are in its state dict.
    An utterance's states are those that it has alone, whatever stands beside it in a batch.
    """

    @abstractmethod
    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Frontend`."""

    def settle(self, lora: LoraConfig | None) -> None:
        """Make all weights constants, and put the deltas on where there are any."""
        freeze(self)
        if lora is not None:
            add_deltas(self, lora)
        self.eval()

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002 (the encoder is in one mode alone)
        """The encoder drops nothing out in training either: what is frozen stays the same."""
        return super().train(False)

    def states(self, samples: Samples) -> States:
        """`(N,)` samples to their `(T, D)` states."""
        place = next(self.buffers()).device
        with torch.no_grad():
            states, _ = self(
                torch.from_numpy(samples)[None].to(place), torch.tensor([len(samples)]).to(place)
            )
        found: States = states[0].cpu().numpy()
        return found


def attended(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    heads: int,
    real: Tensor,
    turned: Callable[[Tensor], Tensor] = lambda x: x,
) -> Tensor:
    """Attention of all frames to the `real` ones `(B, T)`, from `(B, T, D)` to the same.

    `turned` is what positions do to queries and keys `(B, H, T, D / H)`.
    """
    q, k, v = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (queries, keys, values))
    mixed = F.scaled_dot_product_attention(turned(q), turned(k), v, attn_mask=real[:, None, None])
    return mixed.transpose(1, 2).flatten(2)
