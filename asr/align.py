"""When each token was said: Viterbi alignment of known tokens to CTC log-probs, and words from it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biasing.lattice import best_path, best_total, one_way

WORD_START = "▁"
NORMALISED_WITHIN = 0.02  # how far a frame's probabilities may sum from 1: half precision gets this close


class LogProbsError(ValueError):
    """Log-probs that cannot be decoded: wrong shape, NaN, or frames that do not sum to one."""


class AlignmentError(ValueError):
    """Tokens that cannot be aligned to the log-probs, or words asked of tokens that were not aligned."""


@dataclass(frozen=True)
class TokenSpan:
    """Where one token stands in the log-probs.

    Attributes:
        token: its id.
        start: first frame of the token.
        end: the frame after its last one.
        confidence: geometric mean of its posteriors on those frames, in [0, 1]; acoustic alone.
    """

    token: int
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class TimedWord:
    """A word of a hypothesis.

    Attributes:
        text: the word without the mark of its start.
        start: seconds from the first frame to the word's first one.
        end: seconds from the first frame to the end of the word's last one.
        confidence: geometric mean of the confidences of its tokens, in [0, 1]; acoustic alone.
        first: index of its first token in the hypothesis.
        last: index of its last token in the hypothesis.
    """

    text: str
    start: float
    end: float
    confidence: float
    first: int
    last: int


def check_log_probs(log_probs: ArrayLike, blank: int) -> NDArray[np.float32]:
    """Return `log_probs` as a contiguous float32 array (T, V), refusing what is not normalised.

    Raises:
        LogProbsError: not two-dimensional, fewer than two tokens, `blank` is none of them, NaN or positive
            infinity inside, or a frame whose probabilities do not sum to one.
    """
    values = np.ascontiguousarray(log_probs, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] < 2:
        raise LogProbsError(
            f"log-probs have the shape {values.shape}; give (frames, vocabulary) of one utterance"
        )
    if not 0 <= blank < values.shape[1]:
        raise LogProbsError(
            f"blank is token {blank} of {values.shape[1]}; give one of 0..{values.shape[1] - 1}"
        )
    with np.errstate(over="ignore"):
        off = np.abs(np.exp(values).sum(axis=1) - 1.0)
    wrong = np.flatnonzero(~(off <= NORMALISED_WITHIN))  # written so that NaN is wrong too
    if len(wrong):
        total = np.exp(values[wrong[0]].astype(np.float64)).sum()
        raise LogProbsError(
            f"the probabilities of frame {wrong[0]} sum to {total:.4g}, not 1; "
            "give log-probs (the output of log_softmax), not logits, and look for NaN in the model"
        )
    return values


def ctc_align(log_probs: ArrayLike, tokens: Sequence[int], blank: int = 0) -> tuple[TokenSpan, ...]:
    """Find the frames of `tokens` on their most probable CTC alignment.

    Viterbi search over the states blank, token 1, blank, ..., token L, blank (`biasing.lattice`); O(T·L) time
    and memory.

    Args:
        log_probs: (T, V), natural logarithms, normalised.
        tokens: ids without blank, repeated where a token is said twice.
        blank: the id of the blank.

    Raises:
        LogProbsError: see `check_log_probs`.
        AlignmentError: a token is blank or unknown, or no alignment has any probability, as with more tokens
            (and blanks between equal neighbours) than frames.

    Source: Graves et al. 2006, "Connectionist Temporal Classification", section 4.1, with max for the sum.
    """
    return align_checked(check_log_probs(log_probs, blank), tokens, blank)


def align_checked(
    values: NDArray[np.float32], tokens: Sequence[int], blank: int = 0
) -> tuple[TokenSpan, ...]:
    """`ctc_align` of what `check_log_probs` gave."""
    labels = np.asarray(tokens, dtype=np.int64)
    if len(labels) == 0:
        return ()
    if labels.min() < 0 or labels.max() >= values.shape[1] or blank in labels:
        raise AlignmentError(
            f"tokens {labels.tolist()} cannot be aligned; use 0..{values.shape[1] - 1} without {blank}"
        )
    path = best_path(values, one_way(labels), blank)[1]
    if len(path) == 0:
        raise AlignmentError(
            f"{len(labels)} tokens have no alignment to {len(values)} frames: give the same audio's log-probs"
        )
    return spans_of_path(values, path, labels)


def alignment_score(log_probs: NDArray[np.float32], tokens: Sequence[int], blank: int = 0) -> float:
    """Log-probability in nats of the best CTC alignment of `tokens` to (T, V) `log_probs`; see `ctc_align`.

    Minus infinity where there is none.
    """
    labels = np.asarray(tokens, dtype=np.int64)
    return best_total(log_probs, one_way(labels), blank)


def spans_of_path(
    log_probs: NDArray[np.float32], path: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[TokenSpan, ...]:
    """Gather the frames of each label, given `path`: a frame's index into `labels`, or -1 at blanks.

    Every label has at least one frame, and its frames follow each other.
    """
    spoken = np.flatnonzero(path >= 0)
    bounds = np.searchsorted(path[spoken], np.arange(len(labels) + 1))
    starts = spoken[bounds[:-1]]
    ends = spoken[bounds[1:] - 1] + 1
    sums = np.add.reduceat(log_probs[spoken, labels[path[spoken]]], bounds[:-1], dtype=np.float64)
    means = (sums / (ends - starts)).tolist()
    confidence = [min(math.exp(mean), 1.0) for mean in means]  # numpy's last bit depends on where arrays lie
    columns = zip(labels.tolist(), starts.tolist(), ends.tolist(), confidence, strict=True)
    return tuple(TokenSpan(*column) for column in columns)


def join_words(
    spans: Sequence[TokenSpan], pieces: Sequence[str], frame_seconds: float
) -> tuple[TimedWord, ...]:
    """Join tokens into words.

    A word starts at the first token and at each piece that begins with "▁"; a "▁" without any letter after it
    makes no word.

    Args:
        spans: tokens in order, as `ctc_align` gives them.
        pieces: the text of every token id, SentencePiece fashion.
        frame_seconds: time from one frame of the log-probs to the next.
    """
    starts = [
        index for index, span in enumerate(spans) if index == 0 or pieces[span.token].startswith(WORD_START)
    ]
    words = []
    for first, after in itertools.pairwise([*starts, len(spans)]):
        part = spans[first:after]
        text = "".join(pieces[span.token] for span in part).replace(WORD_START, "")
        if not text:
            continue
        confidence = math.prod(span.confidence for span in part) ** (1.0 / len(part))
        begin, end = part[0].start * frame_seconds, part[-1].end * frame_seconds
        words.append(TimedWord(text, begin, end, confidence, first, after - 1))
    return tuple(words)
