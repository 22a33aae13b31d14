"""The adapter's losses: the transcript, where frames look, and the phrases alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from asr.training.adapter.config import AdapterLossConfig
from asr.training.adapter.lists import StepLists
from asr.training.losses import ctc
from biasing.adapter import Attended, EncodedPhrases
from biasing.lattice import best_path, one_way

NOTHING, UNKNOWN = -1, -2
"""Frames that should look at no phrase, and frames of which nothing is asked."""
FIRST_BLANK = 8.0
"""Logit of the blank that training begins with, where phrases are read alone: most frames have none."""


@dataclass(frozen=True)
class Targets:
    """Where frames should look.

    Attributes:
        phrase: (B, T), the place of a phrase among those of the step, or `NOTHING`, `UNKNOWN`.
        piece: (B, T), the place of the frame's row in that phrase: of its sub-word, or behind all sub-words
            that of the blanks between; elsewhere `UNKNOWN`.
        tokens: of each utterance, those of its spoken phrases, in the order of time.
    """

    phrase: Tensor
    piece: Tensor
    tokens: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class AdapterLosses:
    """Means in nats: over tokens for both CTC, over frames for both attentions."""

    total: Tensor
    ctc: Tensor
    attention: Tensor
    pieces: Tensor
    phrases: Tensor

    def values(self) -> Tensor:
        """All as numbers."""
        return torch.stack((self.total, self.ctc, self.attention, self.pieces, self.phrases)).detach()


def make_targets(
    log_probs: NDArray[np.float32],
    lengths: Sequence[int],
    tokens: Sequence[Sequence[int]],
    lists: StepLists,
) -> Targets:
    """Align each transcript with the base's log-probs `(B, T, V)` and mark the frames of its phrases.

    A phrase's frames reach from its first sub-word's first to its last one's last, blanks between included.
    Frames of an utterance that cannot be aligned are `UNKNOWN`, as is the padding.
    """
    phrase = torch.full(log_probs.shape[:2], UNKNOWN)
    piece = torch.full_like(phrase, UNKNOWN)
    for row, (length, wanted) in enumerate(zip(lengths, tokens, strict=True)):
        path = best_path(log_probs[row, :length], one_way(np.asarray(wanted, np.int64)), 0)[1]
        if len(path) == 0:
            continue
        phrase[row, :length] = NOTHING
        for spoken, place in lists.spoken[row]:
            frames = np.flatnonzero((path >= spoken.first) & (path < spoken.end))
            span = slice(int(frames[0]), int(frames[-1]) + 1)
            phrase[row, span] = place
            at = torch.from_numpy(path[span])
            piece[row, span] = torch.where(at >= 0, at, spoken.end) - spoken.first
    ordered = tuple(
        tuple(
            token
            for spoken, place in sorted(some, key=lambda one: one[0].first)
            for token in lists.phrases[place]
        )
        for some in lists.spoken
    )
    return Targets(phrase, piece, ordered)


class PhraseHead(nn.Module):
    """Reads the phrases' sub-words from what is added to the states; left behind after training."""

    def __init__(self, head: Tensor) -> None:
        """Begin with the `(V, D)` weights of the frozen head, and with blanks where nothing is added."""
        super().__init__()
        self.linear = nn.Linear(head.shape[1], head.shape[0])
        with torch.no_grad():
            self.linear.weight.copy_(head)
            self.linear.bias.zero_()
            self.linear.bias[0] = FIRST_BLANK

    def forward(self, bias: Tensor) -> Tensor:
        """`(B, T, D)` to log-probabilities `(B, T, V)`."""
        found: Tensor = self.linear(bias).log_softmax(-1)
        return found


def adapter_losses(
    found: tuple[Attended, EncodedPhrases],
    log_probs: tuple[Tensor, Tensor],
    lengths: Tensor,
    wanted: tuple[Sequence[Sequence[int]], Targets],
    config: AdapterLossConfig,
) -> AdapterLosses:
    """The losses of a batch.

    Args:
        found: where the frames looked, and at what.
        log_probs: (B, T, V), adapted, and of the phrases alone.
        lengths: (B,) frames.
        wanted: the tokens of the transcripts, and the targets of the frames.
        config: their weights.
    """
    attended, phrases = found
    transcripts, targets = wanted
    whole = ctc(log_probs[0], lengths, transcripts) / max(sum(map(len, transcripts)), 1)
    alone = ctc(log_probs[1], lengths, targets.tokens) / max(sum(map(len, targets.tokens)), 1)
    looked, pieces = attention_losses(attended, phrases, targets)
    total = config.ctc * whole + config.attention * looked + config.pieces * pieces + config.phrases * alone
    return AdapterLosses(total, whole, looked, pieces, alone)


def attention_losses(attended: Attended, phrases: EncodedPhrases, targets: Targets) -> tuple[Tensor, Tensor]:
    """Cross-entropies of phrases and of sub-words, each the mean over frames.

    Frames with a phrase and frames without, far more of them, count the same in sum.
    """
    log_attention = attended.log_attention
    zero = log_attention[..., 0].sum() * 0.0
    nothing, some = targets.phrase == NOTHING, targets.phrase >= 0
    none = -log_attention[..., 0][nothing].mean() if nothing.any() else zero
    if not some.any():
        return none, zero
    rows, place = log_attention[some][:, 1:], targets.phrase[some]
    inside = phrases.place[None] == place[:, None]
    looked = -rows.masked_fill(~inside, -torch.inf).logsumexp(1).mean()
    first = torch.searchsorted(phrases.place, torch.arange(phrases.count))
    return none + looked, F.nll_loss(rows, first[place] + targets.piece[some])
