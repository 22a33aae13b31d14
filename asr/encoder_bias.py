"""Encoder biasing in the recognizer: states and a list in, log-probs that know the list out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.model import CTCHead
from biasing.adapter import Attended, ContextualAdapter, EncodedPhrases, Heard
from biasing.attention import AttentionPart
from biasing.options import AdapterOptions
from biasing.phrases import Entry

Float32 = NDArray[np.float32]
MOST_REMEMBERED = 1 << 14
"""Spellings of earlier lists, about 60 MB."""


@dataclass(frozen=True)
class Adapted:
    """One utterance with a list.

    Attributes:
        log_probs: (T, V); the very array that was given where no phrase was attended to.
        attention: where its frames looked; None where no adapter had a say.
    """

    log_probs: Float32
    attention: AttentionPart | None = None


@dataclass(frozen=True)
class Sound:
    """What the base hears in one utterance.

    Attributes:
        log_probs: (T, V) of the sub-words.
        phone_log_probs: (T, 40) of the phones.
        states: (layers, T, D).
    """

    log_probs: Float32
    phone_log_probs: Float32
    states: Float32


class EncoderBias:
    """A model's adapter and its head. Safe to share between threads."""

    def __init__(self, adapter: ContextualAdapter, head: CTCHead, frame_seconds: float) -> None:
        self._adapter, self._head, self._frame_seconds = adapter.eval(), head, frame_seconds
        self._known: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    @torch.inference_mode()
    def encode(
        self, entries: Sequence[Entry], tokens: Callable[[str], Sequence[int]], budget: float
    ) -> EncodedPhrases:
        """Make keys and values of a list, each spelling of a phrase by itself.

        A boost weighs a phrase as `budget`, that of one without, has it: the logits get the logarithm of
        their quotient. Phrases that are not to be favoured, of boost 0 or less, are left out.
        """
        spellings, weights, places = [], [], []
        for place, entry in enumerate(entries):
            weight = 1.0 if entry.boost is None else entry.boost / (budget or entry.boost or 1.0)
            for spelling in entry.spellings if weight > 0 else ():
                spellings.append(tuple(tokens(spelling)))
                weights.append(math.log(weight))
                places.append(place)
        encoded = self._adapter.encode(spellings, weights, self._rows(spellings))
        return replace(encoded, owner=torch.tensor(places, dtype=torch.int64), count=len(entries))

    def _rows(self, spellings: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        """Keys and values of spellings; what an earlier list had too is remembered."""
        known = self._known
        new = [one for one in dict.fromkeys(spellings) if one not in known]
        if new or not spellings:
            keys, values = self._adapter.rows(new)
            counts = [len(one) + 1 for one in new]
            rows = zip(torch.split(keys, counts), torch.split(values, counts), strict=True)
            known = known | dict(zip(new, rows, strict=True))
            self._known = known if len(known) <= MOST_REMEMBERED else {}
        if not spellings:
            return keys, values
        return torch.cat([known[one][0] for one in spellings]), torch.cat(
            [known[one][1] for one in spellings]
        )

    @torch.inference_mode()
    def __call__(self, sound: Sound, phrases: EncodedPhrases, options: AdapterOptions) -> Adapted:
        """The log-probs of one utterance anew.

        Long lists are cut down to the phrases that are nearest to some frame. Where no frame looks at any
        phrase, the log-probs stay as they are, bit for bit.
        """
        layers = [torch.from_numpy(one)[None] for one in sound.states]
        log_probs, phones = (torch.from_numpy(one)[None] for one in (sound.log_probs, sound.phone_log_probs))
        lengths = torch.tensor([len(sound.log_probs)])
        questions = self._adapter.questions(Heard(layers, log_probs, phones, lengths))
        if len(phrases.owner) > options.longest:
            phrases = phrases.only(self._adapter.nearest(questions, phrases, options.kept))
        found = self._adapter(questions, phrases)
        no_bias = found.no_bias[0].numpy()
        attention = self._attention(found, phrases, no_bias)
        if float((1.0 - no_bias).max(initial=0.0)) < options.threshold:
            return Adapted(sound.log_probs, attention)
        adapted = self._head(layers[-1] + options.strength * found.bias)[0].numpy()
        return Adapted(adapted, attention)

    def _attention(self, found: Attended, phrases: EncodedPhrases, no_bias: Float32) -> AttentionPart:
        """The shares of the phrases that were looked at, which a long list has more of."""
        entries, owner = torch.unique(phrases.owner, return_inverse=True)
        shares = found.by_phrase(replace(phrases, owner=owner, count=len(entries)))[0].numpy()
        return AttentionPart.of(no_bias, shares, entries.tolist(), self._frame_seconds)
