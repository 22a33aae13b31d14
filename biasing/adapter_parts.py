"""The parts of the contextual adapter that learn: its shape, the phrase encoder, and what a frame asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

FAINTEST = -8.0
"""Log-probability below which phones, and sub-words, are all as good as not heard."""


class AdapterError(ValueError):
    """An adapter, or phrases for it, that cannot be used."""


@dataclass(frozen=True)
class AdapterConfig:
    """Shape of an adapter.

    Attributes:
        state_dim: width of the encoder's states.
        layers: states that are read: those of the intermediate heads, then the last layer's.
        intermediate: whether the states of the intermediate heads take part in the question of a frame.
        last: whether the last layer's do.
        phones: classes of the phone head, which a question reads too; 0 leaves them out.
        dim: width of questions and keys.
        hidden: width of the phrase encoder's LSTM in each direction.
        context: frames that a question sees, odd.
    """

    state_dim: int = 256
    layers: int = 3
    intermediate: bool = True
    last: bool = True
    phones: int = 40
    dim: int = 128
    hidden: int = 48
    context: int = 11

    def __post_init__(self) -> None:
        if min(self.state_dim, self.layers, self.dim, self.hidden) < 1:
            raise AdapterError(f"{self}: widths are 1 or more")
        if self.context % 2 == 0:
            raise AdapterError(f"{self}: context is odd")
        if self.read.start >= self.read.stop:
            raise AdapterError(f"{self}: no states are left to read; set last, or give an intermediate layer")

    @property
    def read(self) -> slice:
        """Which of the states a question reads."""
        first = 0 if self.intermediate else self.layers - 1
        return slice(first, self.layers if self.last else self.layers - 1)


class PhraseEncoder(nn.Module):
    """Sub-word embeddings through a bidirectional LSTM: a key and a value for each row of a phrase.

    Its rows are its sub-words, and one for the blanks between them.
    """

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        both = 2 * config.hidden
        self.reduce = nn.Linear(config.state_dim, config.hidden)
        self.lstm = nn.LSTM(config.hidden, config.hidden, batch_first=True, bidirectional=True)
        self.phrase_norm = nn.LayerNorm(both)
        self.phrase_key = nn.Linear(both, config.dim)
        self.piece_key = nn.Linear(both, config.dim, bias=False)
        self.direct = nn.Linear(config.state_dim, config.dim, bias=False)
        self.value = nn.Linear(both, config.dim)
        self.out = nn.Linear(config.dim, config.state_dim, bias=False)

    def forward(self, embedding: Tensor, phrases: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values `(M, A)`, the latter to be mixed and then projected with `out`.

        Args:
            embedding: (V, D) of all sub-words, the blank first.
            phrases: (P, L), sub-words of each phrase, padded.
            lengths: (P,), how many they are.
        """
        reduced, direct = self.reduce(embedding)[phrases], self.direct(embedding)
        packed = pack_padded_sequence(reduced, lengths, batch_first=True, enforce_sorted=False)
        found: tuple[PackedSequence, tuple[Tensor, Tensor]] = self.lstm(packed)
        outputs, (hidden, _) = found
        last = hidden.transpose(0, 1).reshape(len(lengths), -1)
        key = self.phrase_key(self.phrase_norm(last))
        real = torch.arange(phrases.shape[1])[None] < lengths[:, None]
        pieces = pad_packed_sequence(outputs, batch_first=True)[0][real]
        owners = torch.arange(len(lengths)).repeat_interleave(lengths)
        said, between = direct[phrases[real]], direct[0]
        keys = behind(key[owners] + self.piece_key(pieces) + said, key + between, lengths)
        return keys, behind(self.value(pieces) + said, self.value(last) + between, lengths)


def behind(pieces: Tensor, ends: Tensor, lengths: Tensor) -> Tensor:
    """Rows of phrases: of each so many `pieces`, `(sum(lengths), ...)`, then one of `ends`, `(P, ...)`."""
    numbers = torch.arange(len(ends))
    owners = torch.cat((numbers.repeat_interleave(lengths), numbers))
    return torch.cat((pieces, ends))[owners.argsort(stable=True)]


class FrameQuery(nn.Module):
    """What a frame asks: a learned weighted sum of the normalised states, and its neighbours' too."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.mix = nn.Parameter(torch.zeros(config.read.stop - config.read.start))
        self.project = nn.Linear(config.state_dim, config.dim)
        self.phones = nn.Linear(config.phones, config.dim, bias=False) if config.phones else None
        self.around = nn.Conv1d(
            config.dim, config.dim, config.context, padding=config.context // 2, groups=config.dim
        )
        self.join = nn.Linear(config.dim, config.dim)
        nn.init.zeros_(self.join.weight)
        nn.init.zeros_(self.join.bias)

    def forward(self, states: Sequence[Tensor], phones: Tensor, mask: Tensor) -> Tensor:
        """States `(B, T, D)`, phone log-probs `(B, T, C)`, a mask `(B, T)`: what is asked, `(B, T, A)`."""
        shares = self.mix.softmax(0)
        read = states[self.config.read]
        mixed = sum(
            (share * F.layer_norm(x, x.shape[-1:]) for share, x in zip(shares, read, strict=True)),
            start=torch.zeros(()),
        )
        query = self.project(mixed)
        if self.phones is not None:
            query = query + self.phones(1.0 - phones.clamp(min=FAINTEST) / FAINTEST)
        around = self.around((query * mask[..., None]).transpose(1, 2)).transpose(1, 2)
        found: Tensor = query + self.join(F.gelu(around))
        return found
