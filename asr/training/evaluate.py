"""Greedy word and phone error rates on the dev set while training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import torch
from torch import Tensor

from asr.grouping import grouped
from asr.model import ConformerCTC
from asr.phones import PHONES
from asr.tokenizer import Tokenizer
from asr.training.cache import AudioCache
from asr.training.data import Example, collate
from asr.training.feature_cache import FeatureCache


@dataclass(frozen=True)
class DevScores:
    """Error rates on the dev set."""

    wer: float
    phone_error_rate: float
    sample: str
    """What was heard in the first utterance."""


@dataclass(frozen=True)
class DevSet:
    """What a model is scored on while it trains."""

    examples: Sequence[Example]
    audio: AudioCache | FeatureCache
    tokenizer: Tokenizer
    batch_seconds: float
    """Audio that goes through the model at once."""


def collapse(classes: Sequence[int]) -> list[int]:
    """A greedy CTC path without repeats and blanks."""
    return [c for before, c in zip([0, *classes], classes, strict=False) if c not in (0, before)]


def _greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    best = log_probs.argmax(-1)
    return [collapse(row[:length].tolist()) for row, length in zip(best, lengths.tolist(), strict=True)]


@torch.inference_mode()
def evaluate(model: ConformerCTC, dev: DevSet) -> DevScores:
    """Greedy word error rate, and phone error rate where every word has a pronunciation."""
    examples, cache, tokenizer = dev.examples, dev.audio, dev.tokenizer
    device = next(model.parameters()).device
    model.eval()
    texts: list[str] = [""] * len(examples)
    phones: list[list[int]] = [[]] * len(examples)
    order = sorted(range(len(examples)), key=lambda i: examples[i].seconds)
    for indices in grouped(order, lambda i: examples[i].seconds, dev.batch_seconds):
        batch = collate([examples[i] for i in indices], [cache[examples[i].audio] for i in indices])
        output = model(batch.samples.to(device), batch.lengths.to(device))
        rows = zip(
            indices,
            _greedy(output.log_probs, output.lengths),
            _greedy(output.phone_log_probs, output.lengths),
            strict=True,
        )
        for index, tokens, phone_row in rows:
            texts[index], phones[index] = tokenizer.decode(tokens), phone_row
    model.train()
    spoken = [(e.phones, p) for e, p in zip(examples, phones, strict=True) if e.phones]
    return DevScores(
        wer=jiwer.wer([e.text for e in examples], texts),
        phone_error_rate=jiwer.wer([_names(e) for e, _ in spoken], [_names(p) for _, p in spoken])
        if spoken
        else 0.0,
        sample=texts[0] if texts else "",
    )


def _names(phones: Sequence[int]) -> str:
    return " ".join(PHONES[phone - 1] for phone in phones)
