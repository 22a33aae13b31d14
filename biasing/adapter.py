"""The contextual adapter: what lets a frozen CTC encoder listen for the phrases of a list.

Every frame looks at all phrases and at an entry that stands for none of them; what it finds there is added to
the encoder's last states before the frozen head. Source: Sathyendra et al. 2022, arXiv 2205.13660, and
Dingliwal et al. 2022, arXiv 2210.09510. Departures: a phrase is looked at sub-word by sub-word, and at the
blanks between these, so that a frame learns which of them is due; sub-words are embedded as the rows of the
frozen head that emit them; a frame's question sees its neighbours, and what the phone head says, which is
surer of rare words than the sub-word heads are; and a row of a phrase gains where the best path of the whole
phrase through it is a good one, so that little has to be learnt beyond sub-words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from biasing.adapter_parts import (
    FAINTEST,
    AdapterConfig,
    AdapterError,
    FrameQuery,
    PhraseEncoder,
    behind,
)
from biasing.adapter_paths import phrase_paths

__all__ = [
    "AdapterConfig",
    "AdapterError",
    "Attended",
    "ContextualAdapter",
    "EncodedPhrases",
    "Heard",
    "Questions",
]

PHRASES_AT_ONCE = 512
"""Phrases that are compared with all frames at once where a long list is cut down."""
FAINTEST_PATH = 5 * FAINTEST
"""What the best path of a phrase counts at least."""
LAST_LAYER_FIRST = 2.0
"""Weight, before the softmax, that the last layer's states begin with: the head reads those."""
FIRST_EVIDENCE = (0.5, 0.3, 0.5)
"""Weights that evidence begins with: of a phrase's path by sub-word, as a whole, and of the due sub-word."""
FIRST_NO_BIAS = -3.0
"""Logit of the no-bias entry that training begins with."""


@dataclass(frozen=True)
class EncodedPhrases:
    """A list as the adapter sees it: a row for each sub-word of a spelling, then one for blanks between.

    Attributes:
        keys: (M, A), what questions are compared with.
        values: (M, A), what is mixed by their shares, and projected then.
        now: (M,), the sub-word of each row, or 0, the blank.
        place: (M,), the spelling that each row belongs to.
        tokens: (N,), the sub-words of all spellings, one spelling behind the other.
        lengths: (S,), sub-words of each spelling.
        log_weights: (S,), added to the logits.
        owner: (S,), the phrase of each spelling, ascending.
        count: phrases.
    """

    keys: Tensor
    values: Tensor
    now: Tensor
    place: Tensor
    tokens: Tensor
    lengths: Tensor
    log_weights: Tensor
    owner: Tensor
    count: int

    def only(self, spellings: Tensor) -> EncodedPhrases:
        """Some of the spellings, by ascending place; their phrases keep their numbers."""
        kept = torch.isin(self.place, spellings)
        return EncodedPhrases(
            self.keys[kept],
            self.values[kept],
            self.now[kept],
            torch.searchsorted(spellings, self.place[kept]),
            self.tokens[torch.isin(_owners(self.lengths), spellings)],
            self.lengths[spellings],
            self.log_weights[spellings],
            self.owner[spellings],
            self.count,
        )


@dataclass(frozen=True)
class Heard:
    """What a batch of utterances is read from, as the frozen base gives it.

    Attributes:
        states: (B, T, D) of each layer that is read, the last layer's last.
        log_probs: (B, T, V) of the final head.
        phones: (B, T, C), log-probabilities of the phone head.
        lengths: (B,) frames.
    """

    states: Sequence[Tensor]
    log_probs: Tensor
    phones: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Questions:
    """What the frames look for.

    Attributes:
        asked: (B, T, A), to be compared with keys.
        now: (B, T, V), log-probability of each sub-word at the frame or beside it.
        scores: (B, T, V), log-probability less that of the frame's likeliest; without gradients.
        lengths: (B,) frames.
    """

    asked: Tensor
    now: Tensor
    scores: Tensor
    lengths: Tensor


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
        return shares.index_add_(2, phrases.owner[phrases.place], rows)


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
        self.evidence = nn.Parameter(torch.tensor(FIRST_EVIDENCE))
        self._start()

    def _start(self) -> None:
        """Keys and questions in the head's own directions, so that like meets like; values of zero."""
        directions = torch.linalg.svd(self.embedding, full_matrices=False)[2]
        count = min(len(directions), self.config.dim)
        with torch.no_grad():
            for linear in (self.query.project, self.encoder.direct):
                linear.weight.mul_(0.1)
                linear.weight[:count] = directions[:count] * self.config.dim**0.25 / 8
            self.encoder.out.weight.zero_()
            self.no_bias_key.bias.fill_(FIRST_NO_BIAS)
            if self.config.last:
                self.query.mix[-1] = LAST_LAYER_FIRST

    def encode(
        self,
        phrases: Sequence[Sequence[int]],
        log_weights: Sequence[float] | None = None,
        rows: tuple[Tensor, Tensor] | None = None,
    ) -> EncodedPhrases:
        """Make keys and values of phrases given as tokens; each must have one or more.

        Where `rows` are there already, they are taken.

        Raises:
            AdapterError: see `rows`.
        """
        weights = torch.tensor(log_weights or [0.0] * len(phrases))
        lengths = torch.tensor([len(one) for one in phrases], dtype=torch.int64)
        numbers = torch.arange(len(phrases))
        tokens = torch.tensor([token for one in phrases for token in one], dtype=torch.int64)
        keys, values = rows or self.rows(phrases)
        now = behind(tokens, torch.zeros_like(numbers), lengths)
        place = numbers.repeat_interleave(lengths + 1)
        return EncodedPhrases(keys, values, now, place, tokens, lengths, weights, numbers, len(phrases))

    def rows(self, phrases: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Keys and values (M, A) of phrases, for each of them a row more than it has tokens.

        Raises:
            AdapterError: a phrase is empty, or has a token that the head does not know.
        """
        vocab = len(self.embedding)
        if not all(phrases) or any(not 0 < token < vocab for one in phrases for token in one):
            raise AdapterError(f"phrases are tokens 1 to {vocab - 1}, one or more each")
        if not phrases:
            nothing = self.embedding.new_zeros((0, self.config.dim))
            return nothing, nothing
        padded = pad_sequence([torch.tensor(one) for one in phrases], batch_first=True)
        lengths = torch.tensor([len(one) for one in phrases], dtype=torch.int64)
        keys, values = self.encoder(self.embedding, padded, lengths)
        return keys, values

    def questions(self, heard: Heard) -> Questions:
        """What the frames of a batch look for."""
        mask = torch.arange(heard.log_probs.shape[1])[None] < heard.lengths[:, None]
        asked: Tensor = self.query(heard.states, heard.phones, mask)
        sounding = self._compare(asked, self.encoder.direct(self.embedding))
        said = (heard.log_probs + sounding).log_softmax(-1).clamp(min=FAINTEST)
        said = said.masked_fill(~mask[..., None], FAINTEST)
        scores = (said - said.amax(-1, keepdim=True)).detach()
        return Questions(asked, _loudest(said), scores, heard.lengths)

    def forward(
        self, questions: Questions, phrases: EncodedPhrases, allowed: Tensor | None = None
    ) -> Attended:
        """Let frames look at phrases.

        Args:
            questions: of the batch.
            phrases: one list for all of the batch.
            allowed: (B, S), the spellings of this list that each utterance knows; None for all.
        """
        logits = self._logits(questions, phrases)
        if allowed is not None:
            logits = logits.masked_fill(~allowed[:, None, phrases.place], -math.inf)
        log_attention = torch.cat((self.no_bias_key(questions.asked), logits), dim=-1).log_softmax(-1)
        mixed = log_attention[..., 1:].exp() @ phrases.values
        return Attended(self.encoder.out(mixed), log_attention)

    def nearest(self, questions: Questions, phrases: EncodedPhrases, count: int) -> Tensor:
        """The `count` spellings `(count,)`, ascending, whose best logit in any frame is highest."""
        spellings = len(phrases.owner)
        best = [
            self._best(questions, phrases.only(torch.arange(start, min(start + PHRASES_AT_ONCE, spellings))))
            for start in range(0, spellings, PHRASES_AT_ONCE)
        ]
        return torch.cat(best).topk(min(count, spellings)).indices.sort().values

    def _best(self, questions: Questions, phrases: EncodedPhrases) -> Tensor:
        """The best logit of each spelling `(S,)`."""
        logits = self._logits(questions, phrases).flatten(0, 1).amax(0)
        best = logits.new_full((len(phrases.owner),), -math.inf)
        return best.scatter_reduce_(0, phrases.place, logits, "amax")

    def _logits(self, questions: Questions, phrases: EncodedPhrases) -> Tensor:
        """How well each row fits each frame, `(B, T, M)`."""
        by_piece, whole, due = self.evidence
        evidence = (by_piece / phrases.lengths + whole)[phrases.place] * _paths(questions, phrases)
        heard: Tensor = evidence + due * questions.now[..., phrases.now]
        return self._compare(questions.asked, phrases.keys) + heard + phrases.log_weights[phrases.place]

    def _compare(self, asked: Tensor, keys: Tensor) -> Tensor:
        return asked @ keys.T / math.sqrt(self.config.dim)


def _loudest(values: Tensor) -> Tensor:
    """The largest of the values `(B, T, V)` at a frame and beside it."""
    pooled: Tensor = F.max_pool1d(values.transpose(1, 2), 3, 1, 1)
    return pooled.transpose(1, 2)


def _paths(questions: Questions, phrases: EncodedPhrases) -> Tensor:
    """What the best path of each phrase through each row scores in each frame, `(B, T, M)`."""
    found = torch.full((*questions.now.shape[:2], len(phrases.now)), FAINTEST_PATH)
    tokens, lengths = phrases.tokens.numpy(), phrases.lengths.numpy()
    for row, frames in enumerate(questions.lengths.tolist()):
        scores = questions.scores[row, :frames].numpy()
        found[row, :frames] = torch.from_numpy(phrase_paths(scores, tokens, lengths, FAINTEST_PATH))
    return found


def _owners(lengths: Tensor) -> Tensor:
    """The spelling of each of the sub-words one behind the other."""
    return torch.arange(len(lengths)).repeat_interleave(lengths)
