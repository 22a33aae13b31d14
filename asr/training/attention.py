"""A small attention decoder that trains beside CTC and is thrown away afterwards (Watanabe et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.conformer import length_mask

EDGE = 0
"""Token that begins and ends a target: the blank's id, which no text contains."""
IGNORED = -100


class AttentionDecoder(nn.Module):
    """Predicts each token from those before it and the encoder's states."""

    def __init__(self, dim: int, vocab_size: int, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, dim)
        layer = nn.TransformerDecoderLayer(
            dim, heads, 4 * dim, dropout=0.1, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, layers, nn.LayerNorm(dim))
        self.head = nn.Linear(dim, vocab_size)

    def forward(self, states: Tensor, lengths: Tensor, targets: tuple[tuple[int, ...], ...]) -> Tensor:
        """Cross-entropy in nats, summed over tokens and utterances, with 10 % label smoothing.

        `states` `(B, T, D)` and their `(B,)` lengths; `targets` token ids per utterance.
        """
        given = _padded([[EDGE, *target] for target in targets], EDGE).to(states.device)
        wanted = _padded([[*target, EDGE] for target in targets], IGNORED).to(states.device)
        logits = self.logits(states, lengths, given).float().transpose(1, 2)
        return F.cross_entropy(logits, wanted, ignore_index=IGNORED, label_smoothing=0.1, reduction="sum")

    def logits(self, states: Tensor, lengths: Tensor, given: Tensor) -> Tensor:
        """Scores `(B, S, V)` of the token after each of the `(B, S)` tokens `given`, seeing no later one."""
        tokens = given.shape[1]
        x = self.embedding(given) + sinusoids(tokens, states.shape[-1]).to(states.device)
        decoded = self.layers(
            x,
            states,
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(tokens, device=states.device),
            memory_key_padding_mask=~length_mask(lengths, states.shape[1]),
            tgt_is_causal=True,
        )
        scores: Tensor = self.head(decoded)
        return scores


def sinusoids(length: int, dim: int) -> Tensor:
    """Position table `(length, dim)` (Vaswani et al. 2017, section 3.5)."""
    rates = 10000.0 ** (-torch.arange(0, dim, 2) / dim)
    angles = torch.arange(length)[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :dim]


def _padded(rows: list[list[int]], filler: int) -> Tensor:
    return nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=filler
    )
