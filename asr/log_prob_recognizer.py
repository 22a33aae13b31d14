"""Phrases for a model that is not ours: its log-probs in, results out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from asr.decoding import Decoder, DecodingOptions
from asr.labels import Labels, LabelsError
from asr.phrase_decoder import Heard, PhraseDecoder, plainly_heard
from asr.phrase_input import Phrases, phrase_list
from asr.prepared import PreparedPhrases, Tools
from asr.result import Result, Segment, Word
from asr.search import SearchOptions
from biasing.g2p import Pronouncer
from biasing.options import BiasOptions
from biasing.phone_book import CLASSES
from biasing.phrases import PhraseList, Unusable
from biasing.report import report
from lm.ngram import NGram, WeightedNGram

log = logging.getLogger(__name__)

NEED_MORE = ("adapter", "rescoring", "veto", "spotting", "lookup", "gate")
"""Ways of biasing that ask for states or phones, which log-probs of sub-words do not hold."""
REMEMBERED = 4
"""Lists and decoders that each thread remembers."""


@dataclass(frozen=True)
class OwnModel:
    """What is known of a model whose log-probs are decoded.

    Attributes:
        frame_seconds: time from one frame to the next; 0.02 for wav2vec 2.0, 0.08 for most of NeMo's models.
        lm: KenLM model of words in lower case, ARPA or binary; without one phrases are boosted alone.
        name: of the model, for results.
    """

    frame_seconds: float = 0.02
    lm: str | Path | None = None
    name: str = "log-probs"


class LogProbRecognizer:
    """Decodes the log-probs of any CTC model with phrase lists; see `Recognizer.from_log_probs`.

    Phrases are boosted in the search and enter the language model's class, if there is one. Adapter,
    rescoring, veto, spotting and pronunciation lookup do not apply. Safe to use from several threads.
    """

    def __init__(
        self,
        labels: Sequence[str] | Mapping[str, int],
        blank: int | str | None = None,
        options: DecodingOptions | None = None,
        model: OwnModel | None = None,
    ) -> None:
        """Take the labels of the model's outputs, its blank, how to decode, and what else is known of it.

        Raises:
            LabelsError: the labels cannot be used; the message says which and why.
            LanguageModelError: `model.lm` cannot be loaded.
        """
        self.labels = Labels(labels, blank)
        self.options = options or DecodingOptions()
        self.own = model or OwnModel()
        self.ngram = NGram(self.own.lm) if self.own.lm is not None else None
        self._tools = lru_cache(REMEMBERED)(self._make_tools)
        self._decoders = _Decoders(self)

    def transcribe(
        self,
        log_probs: ArrayLike,
        phrases: Phrases | None = None,
        options: DecodingOptions | None = None,
        bias: BiasOptions | None = None,
    ) -> Result:
        """Decode one utterance.

        Args:
            log_probs: natural log-probabilities (frames, labels), an array or a tensor on the CPU.
            phrases: names and terms to expect, as for `Recognizer.transcribe`.
            options: how to decode; by default those of the recognizer. `phone_weight` has no effect.
            bias: which ways of biasing are used and their constants; of a list of ways those in `NEED_MORE`
                have no effect.

        Raises:
            LogProbsError, LabelsError: they are no log-probs, or not of these labels.
            PhraseError: the phrase file cannot be read.
        """
        values, chosen = self.labels.fold(log_probs), options or self.options
        ways = _applicable(bias)
        if chosen.phone_weight:
            log.warning("phone_weight: needs phones of a model; with log-probs alone it has no effect")
        given = None if phrases is None else self._spellable(phrase_list(phrases))
        if not given:
            heard = plainly_heard(self._decoders.plain(chosen, ways).decode(values))
        else:
            silent = np.zeros((0, CLASSES), np.float32)
            heard = self._decoders.biased(given, chosen, ways).decode(values, silent)
        frames = len(np.asarray(log_probs))
        early = (len(values) - frames) * self.own.frame_seconds
        told = (
            None if given is None else report(given, [e.shifted(-early) for e in heard.events], _text(heard))
        )
        return Result(
            _segments(heard, early), frames * self.own.frame_seconds, model=self.own.name, bias=told
        )

    def transcribe_many(
        self,
        log_probs: Iterable[ArrayLike],
        phrases: Phrases | None = None,
        options: DecodingOptions | None = None,
        bias: BiasOptions | None = None,
    ) -> list[Result]:
        """Decode one utterance after the other with one phrase list; see `transcribe`."""
        given = None if phrases is None else phrase_list(phrases)
        return [self.transcribe(one, given, options, bias) for one in log_probs]

    def _spellable(self, phrases: PhraseList) -> PhraseList:
        """The list without the phrases that the labels cannot spell, which are told of as unusable."""
        kept, left_out = [], list(phrases.unusable)
        for entry in phrases:
            spellings = tuple(words for words in entry.spellings if self._spells(words))
            if spellings or not entry.spellings:
                kept.append(replace(entry, spellings=spellings))
                continue
            reason = "the model has no labels to spell it with"
            left_out.append(Unusable(entry.lines[0] if entry.lines else 0, entry.display, reason))
        return PhraseList(tuple(kept), tuple(left_out))

    def _spells(self, words: str) -> bool:
        try:
            return bool(self.labels.encode(words))
        except LabelsError:
            return False

    def _decoder(self, options: DecodingOptions, bias: BiasOptions) -> Decoder:
        words = None if self.ngram is None else WeightedNGram(self.ngram, options.word_weights)
        settings = SearchOptions(n_best=bias.n_best)
        return Decoder(self.labels, self.own.frame_seconds, options, words, settings)

    def _phrase_decoder(
        self, phrases: PhraseList, options: DecodingOptions, bias: BiasOptions
    ) -> PhraseDecoder:
        prepared = PreparedPhrases(phrases, self._tools(options, bias))
        plain = self._decoders.plain(options, bias)
        if prepared.words is None:
            return PhraseDecoder(plain, plain, prepared)
        settings = SearchOptions(n_best=bias.n_best)
        biased = Decoder(self.labels, self.own.frame_seconds, options, prepared.words, settings)
        return PhraseDecoder(plain, biased, prepared)

    def _make_tools(self, options: DecodingOptions, bias: BiasOptions) -> Tools:
        return Tools(self.labels, options, bias, self.ngram, Pronouncer.load())


class _Decoders(threading.local):
    """The latest decoders of one thread, by what they were made for."""

    def __init__(self, recognizer: LogProbRecognizer) -> None:
        self.plain = lru_cache(REMEMBERED)(recognizer._decoder)
        self.biased = lru_cache(REMEMBERED)(recognizer._phrase_decoder)


def _applicable(bias: BiasOptions | None) -> BiasOptions:
    """The options without what has no effect on log-probs alone; who asks for it is told in one line."""
    if bias is not None and (asked := [name for name in NEED_MORE if getattr(bias, name)]):
        log.warning(
            "%s: need states or phones of a model; with log-probs alone they are off", ", ".join(asked)
        )
    return (bias or BiasOptions()).without(*NEED_MORE)


def _text(heard: Heard) -> str:
    return " ".join(word.text for word in heard.plain)


def _segments(heard: Heard, early: float) -> tuple[Segment, ...]:
    """The words as one segment, their times `early` seconds sooner."""
    words = []
    for one in heard.words:
        start, end = max(0.0, one.word.start - early), max(0.0, one.word.end - early)
        words.append(Word(one.text, start, end, one.confidence, one.phrase))
    if not words:
        return ()
    text = " ".join(word.text for word in words)
    return (Segment(text, words[0].start, words[-1].end, tuple(words)),)
