"""The recognizer: a model folder in memory, audio in, results out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from asr.adapter_files import load_adapter
from asr.assembly import Part, assembled
from asr.audio import AudioSource, channel_count
from asr.bias_file import load_bias
from asr.decoding import Decoder, DecodingOptions, checked_options, find_lm, load_decoding_options
from asr.encoder_bias import EncoderBias
from asr.features import SAMPLE_RATE
from asr.hearing import Progress, heard_batches
from asr.log_prob_recognizer import LogProbRecognizer, OwnModel
from asr.model import ConformerCTC, ModelError, load_model
from asr.phrase_decoder import Heard, PhraseDecoder, plainly_heard
from asr.phrase_input import Phrases, phrase_list
from asr.prepared import PreparedPhrases, Tools
from asr.result import Result
from asr.search import SearchOptions
from asr.segmenter import AudioSegment, is_steady
from asr.tokenizer import TOKENIZER_FILE, Tokenizer, folder_tokenizer
from asr.workers import OnProgress
from biasing.g2p import Pronouncer
from biasing.options import BiasOptions
from biasing.phone_alignment import PhoneFrames, phone_frames
from biasing.phone_book import PhoneBook
from biasing.phrases import PhraseError, PhraseList
from lm.ngram import NGram, WeightedNGram, WordModel

PRETRAINED = Path(__file__).parent / "pretrained"
_MISSING: Any = object()
LISTS_KEPT = 16
"""Phrase lists that a recognizer remembers, prepared."""
DECODERS_KEPT = 4
"""Decoders that each thread remembers."""


def pretrained_names() -> tuple[str, ...]:
    """Names that `Recognizer.from_pretrained` knows without a path."""
    return tuple(sorted(file.parent.name for file in PRETRAINED.glob(f"*/{TOKENIZER_FILE}")))


def model_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a shipped model, or the one at a path. Raises `ModelError` when there is neither."""
    if os.fspath(name) in pretrained_names():
        return PRETRAINED / name
    if Path(name).is_dir():
        return Path(name)
    shipped = ", ".join(pretrained_names()) or "none"
    raise ModelError(f"{os.fspath(name)}: no such model; give a model folder or a shipped name ({shipped})")


@dataclass(frozen=True)
class Acoustics:
    """What the acoustic model says of one segment."""

    log_probs: NDArray[np.float32]
    """Sub-word log-probabilities `(T, V)`."""
    phone_log_probs: NDArray[np.float32]
    """Phone log-probabilities `(T, 40)`."""
    states: NDArray[np.float32] | None = None
    """States `(layers, T, D)` that the contextual adapter reads; None where the model has none."""

    @cached_property
    def phones(self) -> PhoneFrames:
        """The phones as alignment takes them. Raises `PhoneticError` where they are no log-probs."""
        return phone_frames(self.phone_log_probs)


class Recognizer:
    """A loaded model, on the CPU. Safe to use from several threads: each keeps a decoder of its own."""

    def __init__(
        self,
        model: ConformerCTC,
        tokenizer: Tokenizer,
        ngram: NGram | None,
        options: DecodingOptions,
        name: str,
        encoder_bias: EncoderBias | None = None,
        bias: BiasOptions | None = None,
    ) -> None:
        if len(tokenizer) != model.config.vocab_size:
            raise ModelError(
                f"{name}: the tokenizer has {len(tokenizer)} pieces and the model {model.config.vocab_size}; "
                "put the tokenizer that it was trained with into its folder"
            )
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.ngram = ngram
        self.options = options
        self.name = name
        self.encoder_bias = encoder_bias
        self.bias = bias or BiasOptions()
        self._prepared = lru_cache(LISTS_KEPT)(self._prepare)
        self._tools = lru_cache(DECODERS_KEPT)(self._make_tools)
        self._decoders = _Decoders(self)

    @classmethod
    def from_pretrained(
        cls, name: str | os.PathLike[str] = "base-en", frontend: str | os.PathLike[str] | None = None
    ) -> Recognizer:
        """Load a shipped model by name, or a model folder by path; nothing is downloaded.

        A model on a pretrained encoder finds it at `frontend`, else where its environment variable says, else
        where `onoma models fetch` put it.

        Raises:
            ModelError: no such model, or a file of it is missing or does not fit.
            EncoderFileError: the encoder is missing or another one; the message says what to run.
            FrontendError: onnxruntime or transformers is not installed, or cannot run the encoder.
            TokenizerError, LanguageModelError, DecodingError, AdapterError, ConfigError: that file of the
                folder cannot be used.
        """
        folder = model_folder(name)
        lm = find_lm(folder)
        model = load_model(folder, Path(frontend) if frontend else None)
        adapter = load_adapter(folder, model)
        return cls(
            model,
            folder_tokenizer(folder),
            NGram(lm) if lm else None,
            load_decoding_options(folder),
            folder.name,
            EncoderBias(adapter, model.head, model.frame_seconds) if adapter else None,
            load_bias(folder),
        )

    @staticmethod
    def from_log_probs(
        labels: Sequence[str] | Mapping[str, int],
        blank: int | str | None = None,
        options: DecodingOptions | None = None,
        model: OwnModel | None = None,
    ) -> LogProbRecognizer:
        """A recognizer of a model that is not ours: it takes log-probs in place of audio.

        Args:
            labels: of the model's outputs in their order, or a dict of their numbers.
            blank: number or name of the blank; None looks for a usual name such as <pad>.
            options: how to decode.
            model: language model and frame rate of that model.

        Raises:
            LabelsError, LanguageModelError: these cannot be used; the message says why.
        """
        return LogProbRecognizer(labels, blank, options, model)

    def transcribe(
        self,
        audio: AudioSource,
        phrases: Phrases | None = None,
        options: DecodingOptions | None = None,
        bias: BiasOptions | None = None,
        on_progress: OnProgress | None = None,
        denoise: bool | float = False,
    ) -> Result:
        """Transcribe a file, `-` for standard input, a binary file object, or an `(array, sample rate)` pair.

        Hours of audio are cut at silences and take no more memory than a minute does.

        Args:
            audio: what to transcribe.
            phrases: names and terms to expect: a phrase file, a list of strings and `Phrase`s, or a
                `PhraseList`. What became of each is in `Result.bias`.
            options: how to decode; by default as was tuned for the model.
            bias: which ways of biasing are used and their constants, by default as was tuned for the model;
                they need the beam search, adapter, spotting and pronunciation lookup excepted.
            on_progress: hears the seconds done and the seconds in all, as the recording states them; in the
                end they are equal.
            denoise: True takes noise out first and mixes back as much of the recording as was tuned; a number
                from 0 (denoised speech alone) to 1 mixes back that share.

        Raises:
            AudioError: the audio cannot be read; the message names it and what is accepted.
            DenoiseError, DenoiserModelError: no such share, or no denoiser comes with this version.
            PhraseError: the phrase file cannot be read, or what was given is no list of phrases.
            DecodingError: `options` or `bias` are something else.
        """
        return self._heard(audio, (None,), phrases, (options, bias, denoise), on_progress)

    def transcribe_channels(
        self,
        audio: AudioSource,
        phrases: Phrases | None = None,
        options: DecodingOptions | None = None,
        bias: BiasOptions | None = None,
        on_progress: OnProgress | None = None,
        denoise: bool | float = False,
    ) -> Result:
        """Transcribe each channel of a recording by itself, as of a call with a speaker on each.

        The segments stand in the order of time, each with the number of its channel, from 1 on. Everything
        else is as in `transcribe`; standard input cannot be read twice and is refused.

        Raises:
            AudioError and others: as `transcribe`.
        """
        channels = range(channel_count(audio))
        return self._heard(audio, tuple(channels), phrases, (options, bias, denoise), on_progress)

    def _heard(
        self,
        audio: AudioSource,
        channels: Sequence[int | None],
        phrases: Phrases | None,
        how: tuple[DecodingOptions | None, BiasOptions | None, bool | float],
        on_progress: OnProgress | None,
    ) -> Result:
        """What is heard in some channels, None being the mean of all."""
        options, bias, denoise = how
        given = None if phrases is None else phrase_list(phrases)
        decode = self._decode_with(*checked_options(options or self.options, bias or self.bias), given)
        parts: list[Part] = []
        done, progress = 0.0, Progress(on_progress, len(channels))
        for channel in channels:
            for batch in heard_batches(audio, denoise, channel, progress):
                for segment, heard in zip(batch, self._said(batch, decode), strict=True):
                    seconds = len(segment.samples) / SAMPLE_RATE
                    number = None if channel is None else channel + 1
                    parts.append(Part(segment.start_s, seconds, heard, number))
                    done = segment.start_s + seconds
                progress.heard(done)
        progress.finished(done)
        source = os.fspath(audio) if isinstance(audio, str | os.PathLike) else ""
        return assembled(parts, given, Result((), done, audio=source, model=self.name))

    def _said(self, batch: Sequence[AudioSegment], decode: Callable[[Acoustics], Heard]) -> Iterator[Heard]:
        """What is said in each segment: in a steady sound nothing, whatever the model hears in it."""
        steady = [is_steady(segment.samples) for segment in batch]
        others = [segment.samples for segment, still in zip(batch, steady, strict=True) if not still]
        acoustics = iter(self.acoustics(others) if others else ())
        for still in steady:
            yield Heard() if still else decode(next(acoustics))

    def transcribe_many(
        self,
        audios: Iterable[AudioSource],
        phrases: Phrases | None = None,
        options: DecodingOptions | None = None,
        bias: BiasOptions | None = None,
        denoise: bool | float = False,
        lists: Iterable[Phrases | None] | None = None,
    ) -> Iterator[Result]:
        """Transcribe one after the other, with one phrase list for all or one of `lists` for each.

        Raises:
            PhraseError: `phrases` and `lists` are given both, or not as many lists as recordings.
            Others: as `transcribe`.
        """
        if phrases is not None and lists is not None:
            raise PhraseError("give phrases, one list for all recordings, or a phrase list for each in lists")
        same = None if phrases is None else phrase_list(phrases)
        for audio, given in zip_longest(audios, lists if lists is not None else (), fillvalue=_MISSING):
            if audio is _MISSING or (lists is not None and given is _MISSING):
                raise PhraseError("not as many phrase lists as recordings; give one for each, None for none")
            own = same if lists is None else given
            yield self.transcribe(audio, own, options, bias, denoise=denoise)

    def decoder(
        self, options: DecodingOptions, bias: BiasOptions | None = None, words: WordModel | None = None
    ) -> Decoder:
        """A decoder with this model's tokens; it remembers scores, so keep it.

        `words` takes the place of the model's own language model.
        """
        settings = SearchOptions(n_best=(bias or self.bias).n_best)
        if words is None and self.ngram is not None:
            words = WeightedNGram(self.ngram, options.word_weights)
        book = PhoneBook(Pronouncer.load()) if options.phone_weight else None
        return Decoder(self.tokenizer, self.model.frame_seconds, options, words, settings, book)

    def phrase_decoder(
        self, phrases: PhraseList, options: DecodingOptions | None = None, bias: BiasOptions | None = None
    ) -> PhraseDecoder:
        """This thread's decoder for a phrase list; the latest ones are kept."""
        return self._decoders.biased(phrases, options or self.options, bias or self.bias)

    def _decode_with(
        self, options: DecodingOptions, bias: BiasOptions, phrases: PhraseList | None
    ) -> Callable[[Acoustics], Heard]:
        """What turns a segment into words; a list without usable phrases decodes as none does."""
        if not phrases:
            plain = self._decoders.plain(options, bias)
            return lambda acoustics: plainly_heard(plain.decode(acoustics.log_probs, acoustics.phones))
        decoder = self.phrase_decoder(phrases, options, bias)
        return lambda acoustics: decoder.decode(
            acoustics.log_probs, acoustics.phone_log_probs, acoustics.states
        )

    def _make_phrase_decoder(
        self, phrases: PhraseList, options: DecodingOptions, bias: BiasOptions
    ) -> PhraseDecoder:
        prepared = self._prepared(phrases, options, bias)
        plain = self._decoders.plain(options, bias)
        biased = plain if prepared.words is None else self.decoder(options, bias, prepared.words)
        return PhraseDecoder(plain, biased, prepared)

    def _prepare(self, phrases: PhraseList, options: DecodingOptions, bias: BiasOptions) -> PreparedPhrases:
        return PreparedPhrases(phrases, self._tools(options, bias))

    def _make_tools(self, options: DecodingOptions, bias: BiasOptions) -> Tools:
        pronouncer = Pronouncer.load()
        return Tools(self.tokenizer, options, bias, self.ngram, pronouncer, self.encoder_bias)

    @torch.inference_mode()
    def acoustics(self, parts: list[NDArray[np.float32]]) -> list[Acoustics]:
        """Log-probabilities of segments of samples at 16 kHz, computed as one batch."""
        lengths = torch.tensor([len(part) for part in parts])
        samples = torch.zeros(len(parts), int(lengths.max()))
        for row, part in zip(samples, parts, strict=True):
            row[: len(part)] = torch.from_numpy(part)
        output = self.model(samples, lengths)
        found = []
        for item, frames in enumerate(output.lengths.tolist()):
            heads = output.log_probs[item, :frames].numpy(), output.phone_log_probs[item, :frames].numpy()
            read = [x[item, :frames] for x in output.states] if self.encoder_bias else None
            found.append(Acoustics(*heads, torch.stack(read).numpy() if read else None))
        return found


class _Decoders(threading.local):
    """The latest decoders of one thread, by what they were made for."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.plain = lru_cache(DECODERS_KEPT)(recognizer.decoder)
        self.biased = lru_cache(DECODERS_KEPT)(recognizer._make_phrase_decoder)
