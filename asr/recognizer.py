"""The recognizer: a model folder in memory, audio in, results out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asr.audio import AudioSource, stream_audio
from asr.decoding import Decoder, DecodingOptions, find_lm, load_decoding_options
from asr.features import SAMPLE_RATE
from asr.model import TOKENIZER_FILE, ConformerCTC, ModelError, load_model
from asr.result import Result, Segment, Word
from asr.segmenter import AudioSegment, segments
from asr.tokenizer import Tokenizer
from lm.ngram import NGram

Progress = Callable[[float], None]
"""Told the seconds of audio done so far."""

PRETRAINED = Path(__file__).parent / "pretrained"
BATCH_SECONDS = 60.0
"""Audio that goes through the encoder at once, padding included: two cores kept busy in little memory."""


def pretrained_names() -> tuple[str, ...]:
    """Names that `Recognizer.from_pretrained` knows without a path."""
    return (
        tuple(sorted(folder.name for folder in PRETRAINED.iterdir() if folder.is_dir()))
        if PRETRAINED.is_dir()
        else ()
    )


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


class Recognizer:
    """A loaded model, on the CPU. Safe to use from several threads: each keeps a decoder of its own."""

    def __init__(
        self,
        model: ConformerCTC,
        tokenizer: Tokenizer,
        ngram: NGram | None,
        options: DecodingOptions,
        name: str,
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
        self._decoders = threading.local()

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
            TokenizerError, LanguageModelError, DecodingError: that file of the folder cannot be used.
        """
        folder = model_folder(name)
        lm = find_lm(folder)
        return cls(
            load_model(folder, Path(frontend) if frontend else None),
            Tokenizer(folder / TOKENIZER_FILE),
            NGram(lm) if lm else None,
            load_decoding_options(folder),
            folder.name,
        )

    def transcribe(
        self, audio: AudioSource, options: DecodingOptions | None = None, on_progress: Progress | None = None
    ) -> Result:
        """Transcribe a file, `-` for standard input, a binary file object, or an `(array, sample rate)` pair.

        Hours of audio are cut at silences and take no more memory than a minute does. `options` default to
        those tuned for the model; `on_progress` hears the seconds done.

        Raises:
            AudioError: the audio cannot be read; the message names it and what is accepted.
        """
        decoder = self._kept_decoder(options or self.options)
        found: list[Segment] = []
        done = 0.0
        for batch in _batches(segments(stream_audio(audio, SAMPLE_RATE))):
            for segment, acoustics in zip(
                batch, self.acoustics([part.samples for part in batch]), strict=True
            ):
                seconds = len(segment.samples) / SAMPLE_RATE
                found += _segment(decoder, acoustics.log_probs, segment.start_s, seconds)
                done = segment.start_s + seconds
            if on_progress is not None:
                on_progress(done)
        source = os.fspath(audio) if isinstance(audio, str | os.PathLike) else ""
        return Result(tuple(found), done, audio=source, model=self.name)

    def transcribe_many(
        self, audios: Iterable[AudioSource], options: DecodingOptions | None = None
    ) -> Iterator[Result]:
        """Transcribe one after the other; see `transcribe`."""
        return (self.transcribe(audio, options) for audio in audios)

    def decoder(self, options: DecodingOptions) -> Decoder:
        """A decoder with this model's tokens and language model; it remembers scores, so keep it."""
        return Decoder(self.tokenizer, self.model.frame_seconds, options, self.ngram)

    def _kept_decoder(self, options: DecodingOptions) -> Decoder:
        """This thread's decoder, kept while the options stay the same."""
        kept: Decoder | None = getattr(self._decoders, "last", None)
        if kept is None or kept.options != options:
            kept = self._decoders.last = self.decoder(options)
        return kept

    @torch.inference_mode()
    def acoustics(self, parts: list[NDArray[np.float32]]) -> list[Acoustics]:
        """Log-probabilities of segments of samples at 16 kHz, computed as one batch."""
        lengths = torch.tensor([len(part) for part in parts])
        samples = torch.zeros(len(parts), int(lengths.max()))
        for row, part in zip(samples, parts, strict=True):
            row[: len(part)] = torch.from_numpy(part)
        output = self.model(samples, lengths)
        return [
            Acoustics(output.log_probs[item, :frames].numpy(), output.phone_log_probs[item, :frames].numpy())
            for item, frames in enumerate(output.lengths.tolist())
        ]


def _batches(parts: Iterator[AudioSegment]) -> Iterator[list[AudioSegment]]:
    """Group consecutive segments up to `BATCH_SECONDS` of padded audio."""
    batch: list[AudioSegment] = []
    for part in parts:
        longest = max(len(one.samples) for one in [*batch, part])
        if batch and longest * (len(batch) + 1) > BATCH_SECONDS * SAMPLE_RATE:
            yield batch
            batch = []
        batch.append(part)
    if batch:
        yield batch


def _segment(decoder: Decoder, log_probs: NDArray[np.float32], start: float, seconds: float) -> list[Segment]:
    """The words of one segment at their place in the recording, or nothing when it is silent."""
    heard = decoder.decode(log_probs)
    if not heard:
        return []
    words = [
        Word(word.text, min(word.start, seconds), min(word.end, seconds), word.confidence) for word in heard
    ]
    text = " ".join(word.text for word in words)
    local = Segment(text, words[0].start, words[-1].end, tuple(words))
    return [local.shifted(start)]
