"""Laws of the alignment: it equals brute force and torchaudio, and words are made of its spans."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torchaudio

from asr.align import AlignmentError, LogProbsError, TokenSpan, ctc_align, join_words
from asr.search import Hypothesis, SearchOptions, beam_search, greedy, words_from_tokens


def random_log_probs(seed: int, frames: int, vocabulary: int) -> np.ndarray:
    logits = 2.0 * np.random.default_rng(seed).normal(size=(frames, vocabulary))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def path_score(log_probs: np.ndarray, spans: tuple[TokenSpan, ...], blank: int) -> float:
    labels = np.full(len(log_probs), blank)
    for span in spans:
        labels[span.start : span.end] = span.token
    return float(log_probs[np.arange(len(log_probs)), labels].sum(dtype=np.float64))


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_best_of_all_paths(seed: int) -> None:
    frames, vocabulary, blank = 2 + seed % 5, 2 + seed % 3, seed % 2
    log_probs = random_log_probs(seed, frames, vocabulary)
    best: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(vocabulary), repeat=frames):
        text = tuple(token for token, _ in itertools.groupby(path) if token != blank)
        total = float(log_probs[np.arange(frames), path].sum(dtype=np.float64))
        best[text] = max(best.get(text, -math.inf), total)
    for text, total in best.items():
        spans = ctc_align(log_probs, text, blank)
        assert tuple(span.token for span in spans) == text
        assert path_score(log_probs, spans, blank) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_equals_torchaudio(seed: int) -> None:
    """Same frames as torchaudio.functional.forced_align, on random values where no two paths tie."""
    generator = np.random.default_rng(100 + seed)
    frames, vocabulary = int(generator.integers(20, 200)), int(generator.integers(2, 50))
    log_probs = random_log_probs(seed, frames, vocabulary)
    tokens = generator.integers(1, vocabulary, size=int(generator.integers(1, frames // 3)))
    labels, scores = torchaudio.functional.forced_align(
        torch.from_numpy(log_probs)[None], torch.from_numpy(tokens)[None], blank=0
    )
    expected = torchaudio.functional.merge_tokens(labels[0], scores[0].exp(), blank=0)
    found = ctc_align(log_probs, tokens.tolist())
    assert [(one.token, one.start, one.end) for one in found] == [
        (one.token, one.start, one.end) for one in expected
    ]
    for span in found:
        mean = log_probs[span.start : span.end, span.token].mean(dtype=np.float64)
        assert span.confidence == pytest.approx(math.exp(mean), abs=1e-6)
        assert 0.0 <= span.confidence <= 1.0


def test_greedy_spans_equal_its_alignment() -> None:
    """The frames greedy search reads its text from are the best alignment of that text."""
    for seed in range(5):
        log_probs = random_log_probs(seed, 60, 6)
        hypothesis = greedy(log_probs)
        for span, aligned in zip(hypothesis.spans, ctc_align(log_probs, hypothesis.tokens), strict=True):
            assert (span.token, span.start, span.end) == (aligned.token, aligned.start, aligned.end)
            assert span.confidence == pytest.approx(aligned.confidence)


def test_only_the_hypotheses_asked_for_are_aligned() -> None:
    log_probs = random_log_probs(3, 30, 6)
    for aligned in (0, 1, 3):
        found = beam_search(log_probs, None, SearchOptions(aligned=aligned))
        for rank, hypothesis in enumerate(found):
            assert hypothesis.spans == (ctc_align(log_probs, hypothesis.tokens) if rank < aligned else ())
            assert len(hypothesis.frames) == len(hypothesis.spans)


def test_what_cannot_be_aligned_is_refused() -> None:
    log_probs = random_log_probs(0, 4, 5)
    assert ctc_align(log_probs, ()) == ()
    assert len(ctc_align(log_probs, (1, 2, 1, 2))) == 4
    for tokens in [(1, 1, 2, 3), (1, 2, 3, 4, 1), (0,), (1, 5), (-1,)]:
        with pytest.raises(AlignmentError):
            ctc_align(log_probs, tokens)
    with pytest.raises(AlignmentError, match="1 tokens have no alignment to 0 frames"):
        ctc_align(log_probs[:0], (1,))
    with pytest.raises(LogProbsError):
        ctc_align(log_probs + 3.0, (1,))


def test_words() -> None:
    pieces = ["<blank>", "▁new", "▁york", "er", "▁", "s"]
    spans = [
        TokenSpan(1, 3, 5, 0.9),
        TokenSpan(2, 6, 7, 0.5),
        TokenSpan(3, 8, 10, 0.8),
        TokenSpan(4, 11, 12, 0.4),
        TokenSpan(5, 12, 13, 0.9),
        TokenSpan(4, 20, 21, 0.9),
    ]
    hypothesis = Hypothesis(tuple(span.token for span in spans), -1.0, spans=tuple(spans))
    words = words_from_tokens(hypothesis, pieces, 0.04)
    assert [word.text for word in words] == ["new", "yorker", "s"]
    assert [(word.first, word.last) for word in words] == [(0, 0), (1, 2), (3, 4)]
    for word, start, end, confidence in zip(
        words, (0.12, 0.24, 0.44), (0.20, 0.40, 0.52), (0.9, math.sqrt(0.4), 0.6), strict=True
    ):
        assert word.start == pytest.approx(start)
        assert word.end == pytest.approx(end)
        assert word.confidence == pytest.approx(confidence)


def test_words_begin_without_a_mark_and_may_be_none() -> None:
    pieces = ["<blank>", "ing", "▁go"]
    spans = (TokenSpan(1, 0, 1, 1.0), TokenSpan(2, 2, 3, 1.0))
    assert [word.text for word in join_words(spans, pieces, 1.0)] == ["ing", "go"]
    assert words_from_tokens(Hypothesis((), -1.0), pieces, 1.0) == ()
    with pytest.raises(AlignmentError, match="the hypothesis has no times"):
        words_from_tokens(Hypothesis((1, 2), -1.0), pieces, 1.0)
