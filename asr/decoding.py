"""How log-probs become words: the options, and a decoder made of a search and a language model."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.align import TimedWord, ctc_align
from asr.calibration import Calibration
from asr.files import write_text_atomic
from asr.scorer import Surroundings
from asr.search import BeamSearch, Hypothesis, SearchOptions, greedy, words_from_tokens
from asr.settings import ConfigError, build
from asr.tokenizer import SubWords
from biasing.graph import ContextGraph
from biasing.options import BiasOptions
from biasing.phone_alignment import PhoneFrames
from biasing.phone_book import PhoneBook
from biasing.phonetic import PhoneticOptions, rescore
from lm.ngram import LMOptions, TokenScorer, WordModel

LM_FILE = "lm.bin"
SHARED_LM_FILE = "lm.path"
"""Names the language model of another folder, relative to this one, so that two models can share it."""
DECODING_FILE = "decoding.json"


WIDEST_BEAM = 10_000
"""Readings beyond which a beam search takes gigabytes, and finds nothing more."""


class DecodingError(ValueError):
    """Decoding options that cannot be used."""


@dataclass(frozen=True)
class DecodingOptions:
    """How a recognizer decodes."""

    greedy: bool = False
    """Take the best token of each frame: no beam, no language model."""
    beam: int = 16
    """Readings kept alive by the beam search."""
    lm: bool = True
    """Add the language model of the model folder."""
    lm_weight: float = 0.5
    """Factor on the language model's natural log-probabilities."""
    word_bonus: float = 0.0
    """Nats added for every word, against the language model's liking for few words."""
    unk_penalty: float = -5.0
    """Nats added for a word that the language model does not know, before the weight."""
    phone_weight: float = 0.0
    """Nats taken from a reading of the search per nat that its phones cost; 0 for the search alone."""
    confidence_slope: float = 1.0
    """Factor on the log-odds of a word's confidence; with the shift, its calibration on dev."""
    confidence_shift: float = 0.0
    """Added to these log-odds."""

    def __post_init__(self) -> None:
        if not 1 <= self.beam <= WIDEST_BEAM:
            raise DecodingError(f"beam is {self.beam}; give 1 to {WIDEST_BEAM}")
        if not 0.0 <= self.phone_weight < math.inf:
            raise DecodingError(f"phone_weight is {self.phone_weight}; give 0 or a positive number")

    @property
    def word_weights(self) -> LMOptions:
        """What the language model has to say."""
        return LMOptions(self.lm_weight, self.word_bonus, self.unk_penalty)


def checked_options(options: DecodingOptions, bias: BiasOptions) -> tuple[DecodingOptions, BiasOptions]:
    """Both as they are. Raises `DecodingError` where a caller gave something else, such as a dict."""
    for given, kind in ((options, DecodingOptions), (bias, BiasOptions)):
        if not isinstance(given, kind):
            raise DecodingError(
                f"{given!r:.60} ({type(given).__name__}) in the place of {kind.__name__}; give "
                f"{kind.__name__}(...), whose fields are the options"
            )
    return options, bias


def load_decoding_options(folder: Path) -> DecodingOptions:
    """The options that were tuned for a model, or the defaults where its folder has none.

    Raises:
        DecodingError: the file is not what `save_decoding_options` writes.
    """
    file = folder / DECODING_FILE
    if not file.is_file():
        return DecodingOptions()
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise DecodingError(f"{values!r:.60} is no JSON object")
        return build(DecodingOptions, values, str(file))
    except ConfigError as error:  # which names the file and the setting
        raise DecodingError(str(error)) from error
    except ValueError as error:
        known = ", ".join(f.name for f in fields(DecodingOptions))
        raise DecodingError(f"{file}: not decoding options ({error}); accepted are {known}") from error


def find_lm(folder: Path) -> Path | None:
    """A model folder's own language model or the one it shares, or None where it has neither.

    Raises:
        DecodingError: it names one that is not there.
    """
    own, link = folder / LM_FILE, folder / SHARED_LM_FILE
    if own.is_file() or not link.is_file():
        return own if own.is_file() else None
    shared = folder / link.read_text(encoding="utf-8").strip()
    if not shared.is_file():
        raise DecodingError(f"{link}: names {shared}, which is no file; put a language model there")
    return shared


def save_decoding_options(options: DecodingOptions, folder: Path) -> None:
    """Write the options that a model was tuned to into its folder."""
    write_text_atomic(folder / DECODING_FILE, json.dumps(asdict(options), indent=2) + "\n")


class Stretch(NamedTuple):
    """Where a part of an utterance stands in it."""

    before: Sequence[str] = ()
    """The words before it."""
    last: bool = True
    """Whether none follow it."""
    start: int = 0
    """The frame of the utterance that it begins with."""


WHOLE = Stretch()


class Decoder:
    """Log-probs to timed words. One decoder serves one thread; the language model may be shared."""

    def __init__(
        self,
        tokenizer: SubWords,
        frame_seconds: float,
        options: DecodingOptions,
        words: WordModel | None,
        settings: SearchOptions | None = None,
        book: PhoneBook | None = None,
    ) -> None:
        """Prepare to decode with `words` as the model of what is likely to be said, None for any words.

        `settings` are those of the search beyond `options`; `book` says how words sound, for `phone_weight`.
        """
        self.options = options
        self._book = book if options.phone_weight else None
        self._tokenizer = tokenizer
        self.frame_seconds = frame_seconds
        self._calibration = Calibration(options.confidence_slope, options.confidence_shift)
        self._scorer = TokenScorer(words, tokenizer.pieces) if words is not None and options.lm else None
        largest_step = 4.0 + max(options.word_bonus, 0.0)
        settings = replace(settings or SearchOptions(), beam=options.beam, largest_step=largest_step)
        self._search = BeamSearch(settings, () if self._scorer is None else (self._scorer,))

    def decode(
        self, log_probs: NDArray[np.float32], phones: PhoneFrames | None = None
    ) -> tuple[TimedWord, ...]:
        """Words of an utterance from its log-probs `(T, V)`, times in seconds from its first frame."""
        return self.words(self.best(log_probs, phones), log_probs)

    def best(self, log_probs: NDArray[np.float32], phones: PhoneFrames | None = None) -> Hypothesis:
        """The reading of an utterance that search and, where they have a weight, its phones agree on."""
        readings = self.readings(log_probs)
        if self._book is None or phones is None or len(readings) == 1:
            return readings[0]
        texts, scores = [self.text(one).split() for one in readings], [one.score for one in readings]
        options = PhoneticOptions(weight=self.options.phone_weight)
        return readings[rescore(texts, scores, phones, self._book, options).order[0]]

    def readings(
        self, log_probs: NDArray[np.float32], graph: ContextGraph | None = None, stretch: Stretch = WHOLE
    ) -> list[Hypothesis]:
        """Readings of an utterance from its log-probs `(T, V)`, best first, phrases of `graph` favoured.

        The log-probs may be those of a stretch of an utterance.

        Where no frame prefers a token to the blank, nothing was said: over a long silence the beam search
        would add up the small chances of a token in every frame until one seems to have been there.
        """
        if self.options.greedy or not log_probs.argmax(axis=1).any():
            return [greedy(log_probs)]
        return self._search.decode(log_probs, graph, self._surroundings(stretch))

    def _surroundings(self, stretch: Stretch) -> Surroundings | None:
        scorer = self._scorer
        if scorer is None or stretch == WHOLE:
            return None
        finish = scorer.finish if stretch.last else scorer.close
        return Surroundings(scorer.after(stretch.before), finish)

    def words(
        self, reading: Hypothesis, log_probs: NDArray[np.float32], start: int = 0
    ) -> tuple[TimedWord, ...]:
        """The words of a reading, aligned with the log-probs it was found in: the frames from `start` on."""
        if len(reading.spans) != len(reading.tokens):
            reading = replace(reading, spans=ctc_align(log_probs, reading.tokens))
        if start:
            spans = (replace(one, start=start + one.start, end=start + one.end) for one in reading.spans)
            reading = replace(reading, spans=tuple(spans))
        words = words_from_tokens(reading, self._tokenizer.pieces, self.frame_seconds)
        return tuple(replace(word, confidence=self._calibration(word.confidence)) for word in words)

    def part(
        self, text: str, log_probs: NDArray[np.float32], start: int, end: int, first: int = 0
    ) -> tuple[TimedWord, ...]:
        """The words of a text that is said in the frames `start` to `end` - 1 of the log-probs.

        The log-probs are those of the frames from `first` on.
        """
        reading = Hypothesis(tuple(self._tokenizer.encode(text)), 0.0)
        return self.words(reading, log_probs[start:end], first + start)

    def text(self, reading: Hypothesis) -> str:
        """The words of a reading without times."""
        return self._tokenizer.decode(reading.tokens)
