"""Reading sound: any usual file, stream or array becomes mono float32 samples at the rate asked for.

Everything goes through one streaming path (decode, check, mix down, resample with soxr's HQ recipe), so
reading at once and reading in blocks give the same samples bit for bit.
"""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Samples: TypeAlias = NDArray[np.float32]
AudioSource: TypeAlias = "str | os.PathLike[str] | IO[bytes] | tuple[NDArray[Any], int]"

ACCEPTED = (
    "accepted are wav, flac, ogg (Vorbis or Opus) and mp3; convert others first (ffmpeg -i FILE out.wav)"
)
LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000
MOST_CHANNELS = 64
# Float audio lies in -1..1. A little more is clipping, 40 dB more is integer samples in the wrong type.
HIGHEST_PEAK = 100.0
# A damaged file loses at most this much at the damage: a failing read gives nothing of its piece.
DECODED_AT_ONCE = 4096
IN_MEMORY_BYTES = 64 * 2**20
# Programs that write a wav header before they know the length put this much or more into it.
UNKNOWN_WAV_BYTES = 0x7FFF0000
# The length an mp3 states may include the padding of its encoder.
NEGLIGIBLE_SECONDS = 0.1
_WAV_SHORTFALL = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)


class AudioError(ValueError):
    """Sound that cannot be used; the message names it and says what is accepted."""


class AudioMissingError(AudioError, FileNotFoundError):
    """There is no such file."""


class _ForwardDecoder(soundfile.SoundFile):  # type: ignore[misc]
    """A decoder read from beginning to end.

    SoundFile seeks to where it already is after every read; an mp3 decoder then forgets the bits a frame
    borrows from the ones before, and the sound is damaged where two reads meet.
    """

    def seekable(self) -> bool:
        return False


@dataclass(frozen=True)
class _Recording:
    """An opened source; `pieces` yields its samples as float32 (frames, channels) in order."""

    name: str
    rate: int
    channels: int
    frames: int
    pieces: Callable[[], Iterator[Samples]]


def read_audio(source: AudioSource, sample_rate: int = 16_000, channel: int | None = None) -> Samples:
    """Read a whole recording as mono samples (T,) float32 at `sample_rate` Hz, full scale -1..1.

    Args:
        source: a path, "-" for standard input, a binary file object (read from its beginning), or a pair
            (samples, rate in Hz) with samples (n,) or (n, channels) of type int16, int32 or float.
        sample_rate: rate of the result in Hz.
        channel: the channel to take, counted from 0; all channels are averaged when None.

    Raises:
        AudioError: not readable as audio, no samples, samples that are not finite, or an absurd rate.
        AudioMissingError: no such file (also a FileNotFoundError).
    """
    return np.concatenate(list(stream_audio(source, sample_rate, channel=channel)))


def stream_audio(
    source: AudioSource,
    sample_rate: int = 16_000,
    block_seconds: float = 10.0,
    channel: int | None = None,
    on_open: Callable[[float], None] | None = None,
) -> Iterator[Samples]:
    """Yield a recording in blocks of `block_seconds` (the last may be shorter), in bounded memory.

    The blocks joined are exactly what `read_audio` returns for the same source, and errors are the same;
    they are raised when the first block is asked for, those of damaged samples when these are reached.
    Only a stream that cannot be rewound, such as a pipe, is copied first (to disk when it is large).
    `on_open` hears the length in seconds that the source states, as `duration` returns it.
    """
    _check_rate(sample_rate, "sample_rate")
    if not block_seconds > 0:
        raise AudioError(f"block_seconds must be above 0, not {block_seconds}")
    size = max(1, round(block_seconds * sample_rate))
    with _opened(source) as recording:
        if on_open is not None:
            on_open(recording.frames / recording.rate)
        if channel is not None and not 0 <= channel < recording.channels:
            raise AudioError(
                f"{recording.name}: no channel {channel}; it has channels 0 to {recording.channels - 1}"
            )
        silent = True
        for block in _regrouped(_resampled(_mono(recording, channel), recording.rate, sample_rate), size):
            silent = False
            yield block
        if silent:
            raise AudioError(f"{recording.name}: holds no samples; a recording of some length is needed")


def duration(source: AudioSource) -> float:
    """Return the length in seconds that the source states, without decoding it.

    The length of a damaged file may be overstated. Standard input is consumed by this.

    Raises:
        AudioError: as `read_audio`, as far as the header shows it.
    """
    with _opened(source) as recording:
        return recording.frames / recording.rate


def channel_count(source: AudioSource) -> int:
    """Return how many channels the source has.

    Raises:
        AudioError: standard input, which cannot be read once more afterwards, or as `read_audio`.
    """
    if isinstance(source, str) and source == "-":
        raise AudioError("standard input cannot be read channel by channel; name a file")
    with _opened(source) as recording:
        return recording.channels


def _mono(recording: _Recording, channel: int | None) -> Iterator[Samples]:
    """Yield checked samples (n,): one channel, or the mean of all."""
    position = 0
    for piece in recording.pieces():
        peak = float(np.abs(piece).max())
        if not peak <= HIGHEST_PEAK:
            _refuse_samples(piece, recording, position)
        position += len(piece)
        yield piece.mean(axis=1, dtype=np.float32) if channel is None else piece[:, channel]


def _refuse_samples(piece: Samples, recording: _Recording, position: int) -> None:
    finite = np.isfinite(piece).all(axis=1)
    if finite.all():
        raise AudioError(
            f"{recording.name}: samples reach {np.abs(piece).max():.0f}, but float audio lies in -1 to 1; "
            "divide by the full scale, or give integers"
        )
    seconds = (position + int(np.argmin(finite))) / recording.rate
    raise AudioError(
        f"{recording.name}: NaN or infinite sample at {seconds:.3f} s; all samples must be finite"
    )


def _resampled(blocks: Iterable[Samples], rate: int, sample_rate: int) -> Iterator[Samples]:
    if rate == sample_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _regrouped(blocks: Iterable[Samples], size: int) -> Iterator[Samples]:
    """Yield the same samples in blocks of exactly `size`, the last one shorter but not empty."""
    held: list[Samples] = []
    count = 0
    for block in blocks:
        rest = block
        while count + len(rest) >= size:
            taken = size - count
            yield np.concatenate([*held, rest[:taken]])
            held, count, rest = [], 0, rest[taken:]
        held.append(rest)
        count += len(rest)
    if count:
        yield np.concatenate(held)


@contextmanager
def _opened(source: AudioSource) -> Iterator[_Recording]:
    if isinstance(source, tuple):
        if len(source) != 2:
            raise AudioError(f"a tuple of {len(source)}; an array is given as the pair (samples, rate in Hz)")
        yield _from_array(*source)
    elif isinstance(source, np.ndarray):
        raise AudioError("an array needs its rate: pass the pair (samples, rate in Hz)")
    elif source == "-":
        with _from_file(sys.stdin.buffer, "standard input") as recording:
            yield recording
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        with _binary(path) as file, _from_file(file, str(path)) as recording:
            yield recording
    elif not hasattr(source, "read"):
        raise AudioError(
            f"audio is {source!r:.60} ({type(source).__name__}); accepted are a path, - for standard input, "
            "a binary file object, and a pair (samples, rate in Hz)"
        )
    else:
        with _from_file(source, str(getattr(source, "name", "audio stream"))) as recording:
            yield recording


def _binary(path: Path) -> IO[bytes]:
    if path.is_dir():
        raise AudioError(f"{path}: is a folder; name an audio file")
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise AudioMissingError(f"{path}: no such file; name an audio file") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror})") from error


def _read_by_c(file: IO[bytes]) -> IO[bytes] | int:
    """Return the descriptor of a plain file, rewound, and anything else as it is.

    A decoder calls Python for what is no plain file. Ctrl-C during such a call is lost, and the decoder takes
    the file for damaged.
    """
    raw = getattr(file, "raw", file)
    if not isinstance(raw, io.FileIO):
        return file
    os.lseek(raw.fileno(), 0, os.SEEK_SET)
    return raw.fileno()


@contextmanager
def _from_file(file: IO[bytes], name: str) -> Iterator[_Recording]:
    if isinstance(file.read(0), str):
        raise AudioError(
            f"{name}: not a binary file object but {type(file).__name__}; open it with mode 'rb'"
        )
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as copy:
        if not file.seekable():
            shutil.copyfileobj(file, copy)
        rewindable = file if file.seekable() else copy
        if rewindable.seek(0, os.SEEK_END) == 0:
            raise AudioError(f"{name}: is empty (0 bytes); {ACCEPTED}")
        rewindable.seek(0)
        try:
            decoder = _ForwardDecoder(_read_by_c(rewindable), closefd=False)
        except (soundfile.LibsndfileError, TypeError) as error:
            raise AudioError(f"{name}: not an audio file that can be read; {ACCEPTED}") from error
        with decoder:
            _check_rate(decoder.samplerate, f"{name}: its rate")
            if decoder.frames <= 0:
                raise AudioError(f"{name}: holds no samples; a recording of some length is needed")
            pieces = partial(_decoded, decoder, name)
            yield _Recording(name, decoder.samplerate, decoder.channels, decoder.frames, pieces)


def _decoded(decoder: _ForwardDecoder, name: str) -> Iterator[Samples]:
    """Yield what can be decoded; a file cut short is worth a warning, one that gives nothing is an error."""
    _warn_of_short_wav(decoder, name)
    done = 0
    while done < decoder.frames:
        try:
            piece = decoder.read(DECODED_AT_ONCE, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            if done == 0:
                raise AudioError(f"{name}: damaged, nothing in it can be decoded; {ACCEPTED}") from error
            break
        if len(piece) == 0:
            break
        done += len(piece)
        yield piece
    if done < decoder.frames:
        _warn_of_truncation(name, done / decoder.samplerate, decoder.frames / decoder.samplerate)


def _warn_of_short_wav(decoder: _ForwardDecoder, name: str) -> None:
    """Find a wav that ends before its header says; the decoder corrects its length but notes it in a log."""
    shortfall = _WAV_SHORTFALL.search(decoder.extra_info)
    if shortfall and int(shortfall[1]) < UNKNOWN_WAV_BYTES:
        readable = decoder.frames / decoder.samplerate
        _warn_of_truncation(name, readable, readable * int(shortfall[1]) / max(1, int(shortfall[2])))


def _warn_of_truncation(name: str, readable: float, stated: float) -> None:
    if stated - readable > NEGLIGIBLE_SECONDS:
        logger.warning("%s: cut short or damaged, only %.2f s of %.2f s can be read", name, readable, stated)


def _from_array(samples: NDArray[Any], rate: int) -> _Recording:
    array = np.asarray(samples)
    _check_rate(rate, "array: its rate")
    if array.dtype not in (np.int16, np.int32) and not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"array: samples of type {array.dtype}; accepted are int16, int32 and float")
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MOST_CHANNELS):
        raise AudioError(
            f"array: shape {array.shape}; accepted are (n,) and (n, channels) with at most {MOST_CHANNELS} "
            "channels, so transpose (channels, n)"
        )
    if len(array) == 0:
        raise AudioError("array: holds no samples; a recording of some length is needed")
    frames = array.reshape(len(array), -1)
    return _Recording("array", int(rate), frames.shape[1], len(frames), partial(_array_pieces, frames))


def _array_pieces(frames: NDArray[Any]) -> Iterator[Samples]:
    full_scale = np.iinfo(frames.dtype).max + 1 if np.issubdtype(frames.dtype, np.integer) else 1
    for start in range(0, len(frames), DECODED_AT_ONCE):
        piece = frames[start : start + DECODED_AT_ONCE]
        # Beyond the range of float32 lies infinity, which the check of the samples refuses by name.
        with np.errstate(over="ignore"):
            yield piece.astype(np.float32) / np.float32(full_scale)


def _check_rate(rate: object, what: str) -> None:
    whole = (
        isinstance(rate, (int, float, np.integer, np.floating))
        and not isinstance(rate, bool)
        and rate == rate // 1
    )
    if not whole or not LOWEST_RATE <= rate <= HIGHEST_RATE:  # type: ignore[operator]
        raise AudioError(
            f"{what} of {rate!r} Hz; accepted are whole rates from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
        )
