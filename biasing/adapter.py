"""The contextual adapter: what lets a frozen CTC encoder listen for the phrases of a list.

Every frame looks at all phrases and at an entry that stands for none of them; what it finds there is added to
the encoder's last states before the frozen head. Source: Sathyendra et al. 2022, arXiv 2205.13660, and
Dingliwal et al. 2022, arXiv 2210.09510. Departures: a phrase is looked at sub-word by sub-word, so that a
frame learns which of them is due; sub-words are embedded as the rows of the frozen head that emit them; and a
frame's question sees its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence, pad_sequence

POSITIONS_AT_ONCE = 4096
"""Sub-words that are compared with all frames at once where a long list is cut down."""

LAST_LAYER_FIRST = 2.0
"""Weight, before the softmax, that the last layer's states begin with: those are the ones the head reads."""


class AdapterError(ValueError):
    """An adapter, or phrases for it, that cannot be used."""


@dataclass(frozen=True)
class AdapterConfig:
    """Shape of an adapter.

    Attributes:
        state_dim: width of the encoder's states.
        layers: states that are read: those of the intermediate heads, then the last layer's.
        last: whether the last layer's states take part in the question of a frame.
        dim: width of questions and keys.
        hidden: width of the phrase encoder's LSTM in each direction.
        context: frames that a question sees, odd.
        positions: whether a frame looks at every sub-word of a phrase, or at the phrase as a whole.
    """

    state_dim: int = 256
    layers: int = 3
    last: bool = True
    dim: int = 128
    hidden: int = 48
    context: int = 11
    positions: bool = True

    def __post_init__(self) -> None:
        if min(self.state_dim, self.layers, self.dim, self.hidden) < 1 or self.context % 2 == 0:
            raise AdapterError(f"{self}: widths are 1 or more, context odd")
        if self.layers == 1 and not self.last:
            raise AdapterError(f"{self}: no states are left to read; set last, or give an intermediate layer")


@dataclass(frozen=True)
class EncodedPhrases:
    """A list as the adapter sees it: a row for each sub-word, or for each phrase where positions are off.

    Attributes:
        keys: (M, A), what questions are compared with.
        values: (M, D), what is added to the states.
        owner: (M,), the phrase of each row, ascending.
        log_weights: (M,), added to the logits.
        count: phrases.
    """

    keys: Tensor
    values: Tensor
    owner: Tensor
    log_weights: Tensor
    count: int

    def only(self, phrases: Tensor) -> EncodedPhrases:
        """Some of the phrases, by ascending place; their numbers stay those of the whole list."""
        kept = torch.isin(self.owner, phrases)
        return replace(
            self,
            keys=self.keys[kept],
            values=self.values[kept],
            owner=self.owner[kept],
            log_weights=self.log_weights[kept],
        )


@dataclass(frozen=True)
class Attended:
    """Where the frames looked, and what is added to them.

    Attributes:
        bias: (B, T, D), to be added to the last states.
        log_attention: (B, T, 1 + M), log of the shares: the no-bias entry, then every row of the phrases.
    """

    bias: Tensor
    log_attention: Tensor

    @property
    def no_bias(self) -> Tensor:
        """(B, T), the share of the no-bias entry."""
        return self.log_attention[..., 0].exp()

    def by_phrase(self, phrases: EncodedPhrases) -> Tensor:
        """(B, T, P), the share of each phrase of the list that was encoded."""
        rows = self.log_attention[..., 1:].exp()
        shares = rows.new_zeros((*rows.shape[:2], phrases.count))
        return shares.index_add_(2, phrases.owner, rows)


class PhraseEncoder(nn.Module):
    """Sub-word embeddings through a bidirectional LSTM: a key and a value for each sub-word or phrase."""

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

    def forward(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(P, L, D)` embeddings to keys `(M, A)` and values `(M, D)`; M = sum of lengths, or P."""
        packed = pack_padded_sequence(self.reduce(embedded), lengths, batch_first=True, enforce_sorted=False)
        found: tuple[PackedSequence, tuple[Tensor, Tensor]] = self.lstm(packed)
        outputs, (hidden, _) = found
        last = hidden.transpose(0, 1).reshape(len(lengths), -1)
        key = self.phrase_key(self.phrase_norm(last))
        real = torch.arange(embedded.shape[1])[None] < lengths[:, None]
        if not self.config.positions:
            mean = (embedded * real[..., None]).sum(1) / lengths[:, None]
            return key + self.direct(mean), self.out(self.value(last) + self.direct(mean))
        pieces = pad_packed_sequence(outputs, batch_first=True)[0][real]
        owners = torch.arange(len(lengths)).repeat_interleave(lengths)
        direct = self.direct(embedded[real])
        return key[owners] + self.piece_key(pieces) + direct, self.out(self.value(pieces) + direct)


class FrameQuery(nn.Module):
    """What a frame asks: a learned weighted sum of the normalised states, and its neighbours' too."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.mix = nn.Parameter(torch.zeros(config.layers if config.last else config.layers - 1))
        self.project = nn.Linear(config.state_dim, config.dim)
        self.around = nn.Conv1d(
            config.dim, config.dim, config.context, padding=config.context // 2, groups=config.dim
        )
        self.join = nn.Linear(config.dim, config.dim)
        nn.init.zeros_(self.join.weight)
        nn.init.zeros_(self.join.bias)

    def forward(self, states: Sequence[Tensor], mask: Tensor) -> Tensor:
        """States `(B, T, D)` and the mask `(B, T)` of real frames to `(B, T, A)`."""
        shares = self.mix.softmax(0)
        layers = states[: len(shares)]
        mixed = sum(
            (share * F.layer_norm(x, x.shape[-1:]) for share, x in zip(shares, layers, strict=True)),
            start=torch.zeros(()),
        )
        query = self.project(mixed)
        around = self.around((query * mask[..., None]).transpose(1, 2)).transpose(1, 2)
        found: Tensor = query + self.join(F.gelu(around))
        return found


class ContextualAdapter(nn.Module):
    """Phrase encoder, attention and projection, for a head whose `(V, D)` weights embed the sub-words."""

    embedding: Tensor

    def __init__(self, config: AdapterConfig, head: Tensor) -> None:
        """Begin as an adapter that changes nothing and whose frames look for the sub-words they emit."""
        super().__init__()
        if head.shape[1] != config.state_dim:
            raise AdapterError(f"the head reads states of {head.shape[1]} and the adapter {config.state_dim}")
        self.config = config
        rows = head.detach().float()
        rows = rows - rows.mean(0)
        self.register_buffer("embedding", rows / rows.square().mean().sqrt(), persistent=False)
        self.encoder = PhraseEncoder(config)
        self.query = FrameQuery(config)
        self.no_bias_key = nn.Linear(config.dim, 1)
        self._start()

    def _start(self) -> None:
        """Keys and questions in the head's own directions, so that like meets like; values of zero."""
        directions = torch.linalg.svd(self.embedding, full_matrices=False)[2]
        count = min(len(directions), self.config.dim)
        with torch.no_grad():
            for linear in (self.query.project, self.encoder.direct):
                linear.weight.mul_(0.1)
                linear.weight[:count] = directions[:count] * self.config.dim**0.25 / 4
            self.encoder.out.weight.zero_()
            if self.config.last:
                self.query.mix[-1] = LAST_LAYER_FIRST

    def encode(
        self, phrases: Sequence[Sequence[int]], log_weights: Sequence[float] | None = None
    ) -> EncodedPhrases:
        """Make keys and values of phrases given as tokens; each must have one or more.

        Raises:
            AdapterError: a phrase is empty, or has a token that the head does not know.
        """
        if not all(phrases) or any(not 0 < token < len(self.embedding) for one in phrases for token in one):
            raise AdapterError(f"phrases are tokens 1 to {len(self.embedding) - 1}, one or more each")
        weights = torch.tensor(log_weights or [0.0] * len(phrases))
        lengths = torch.tensor([len(one) for one in phrases], dtype=torch.int64)
        numbers = torch.arange(len(phrases))
        if not phrases:
            empty = self.embedding.new_zeros((0, self.config.dim))
            return EncodedPhrases(empty, self.embedding[:0], numbers, weights, 0)
        padded = pad_sequence([torch.tensor(one) for one in phrases], batch_first=True)
        keys, values = self.encoder(self.embedding[padded], lengths)
        owner = numbers.repeat_interleave(lengths) if self.config.positions else numbers
        return EncodedPhrases(keys, values, owner, weights[owner], len(phrases))

    def questions(self, states: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """States `(B, T, D)` of the layers, last layer last, to what their frames ask, `(B, T, A)`."""
        mask = torch.arange(states[-1].shape[1])[None] < lengths[:, None]
        found: Tensor = self.query(states, mask)
        return found

    def forward(self, questions: Tensor, phrases: EncodedPhrases, allowed: Tensor | None = None) -> Attended:
        """Let frames look at phrases.

        Args:
            questions: (B, T, A).
            phrases: one list for all of the batch.
            allowed: (B, P), the phrases of this list that each utterance knows; None for all.
        """
        logits = self._logits(questions, phrases)
        if allowed is not None:
            logits = logits.masked_fill(~allowed[:, None, phrases.owner], -math.inf)
        log_attention = torch.cat((self.no_bias_key(questions), logits), dim=-1).log_softmax(-1)
        return Attended(log_attention[..., 1:].exp() @ phrases.values, log_attention)

    def _logits(self, questions: Tensor, phrases: EncodedPhrases) -> Tensor:
        return questions @ phrases.keys.T / math.sqrt(self.config.dim) + phrases.log_weights

    def nearest(self, questions: Tensor, phrases: EncodedPhrases, count: int) -> Tensor:
        """The `count` phrases `(count,)`, ascending, whose best logit in any frame `(T, A)` is highest."""
        best = questions.new_full((phrases.count,), -math.inf)
        for start in range(0, len(phrases.owner), POSITIONS_AT_ONCE):
            part = slice(start, start + POSITIONS_AT_ONCE)
            rows = EncodedPhrases(
                phrases.keys[part], phrases.values[part], phrases.owner[part], phrases.log_weights[part], 0
            )
            best.scatter_reduce_(0, rows.owner, self._logits(questions, rows).amax(0), "amax")
        return best.topk(min(count, phrases.count)).indices.sort().values
