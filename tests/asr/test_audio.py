"""Reading sound: every way to hand over the same sound gives the same samples, and faults are named."""

import io
import logging
import os
import struct
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio import AudioError, AudioMissingError, duration, read_audio, stream_audio

RATE = 16_000
FORMATS = {
    "wav": ("WAV", "PCM_16", 1e-4),
    "flac": ("FLAC", "PCM_16", 1e-4),
    "ogg": ("OGG", "VORBIS", 0.08),
    "opus": ("OGG", "OPUS", 0.08),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.08),
}


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int, kind: str = "wav") -> bytes:
    file = io.BytesIO()
    container, subtype, _ = FORMATS[kind]
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def pipe_with(content: bytes) -> io.BufferedReader:
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as end:
            end.write(content)

    threading.Thread(target=write).start()
    return os.fdopen(reading, "rb")


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_and_rate_gives_the_tone_at_16_khz(tmp_path, kind, rate):
    path = saved(tmp_path / f"tone.{kind}", encoded(tone(rate), rate, kind))
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(RATE, abs=2)
    middle = slice(1000, 15_000)
    assert np.abs(samples[middle] - tone(RATE)[middle]).max() < FORMATS[kind][2]
    assert duration(path) == pytest.approx(1.0, abs=0.001)


def test_no_python_runs_inside_the_decoder_of_a_plain_file(tmp_path):
    """What a signal raises there is lost, and the decoder takes the file for damaged."""

    def called_back(source):
        called = []
        sys.setprofile(lambda frame, _event, _argument: called.append(frame.f_code.co_name))
        try:
            read_audio(source)
        finally:
            sys.setprofile(None)
        return "vio_read" in called

    path = saved(tmp_path / "a.wav", encoded(tone(RATE), RATE))
    assert not called_back(path)
    assert called_back(io.BytesIO(path.read_bytes()))
    with path.open("rb") as file:
        file.read(1000)
        assert not called_back(file)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000])
def test_resampling_is_the_ideal_one_within_70_db_and_removes_what_would_alias(rate):
    expected = tone(RATE, hertz=1000.0)[2000:-2000]
    got = read_audio((tone(rate, hertz=1000.0), rate))[2000 : 2000 + len(expected)]
    assert np.abs(got - expected).max() < 0.4 * 10 ** (-70 / 20)
    if rate > 2 * 10_000:
        assert np.abs(read_audio((tone(rate, hertz=10_000.0), rate))[2000:-2000]).max() < 1e-3


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("block_seconds", [0.01, 0.3, 1.0, 100.0])
def test_blocks_joined_are_the_whole_bit_for_bit(rate, block_seconds):
    source = (noise(rate * 2 + 17, 2), rate)
    blocks = list(stream_audio(source, block_seconds=block_seconds))
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(source))
    assert {len(block) for block in blocks[:-1]} <= {round(block_seconds * RATE)}
    assert 0 < len(blocks[-1]) <= round(block_seconds * RATE)


def test_path_file_object_pipe_and_standard_input_agree(tmp_path, monkeypatch):
    content = encoded(noise(22_050, 2), 22_050)
    path = saved(tmp_path / "a.wav", content)
    expected = read_audio(path)
    np.testing.assert_array_equal(read_audio(str(path)), expected)
    np.testing.assert_array_equal(read_audio(io.BytesIO(content)), expected)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_audio(file), expected)
        np.testing.assert_array_equal(read_audio(file), expected)
    for as_stdin in (True, False):
        with pipe_with(content) as pipe, io.TextIOWrapper(pipe) as text:
            monkeypatch.setattr(sys, "stdin", text)
            np.testing.assert_array_equal(read_audio("-" if as_stdin else pipe), expected)


def test_arrays_of_every_type_agree_with_the_file(tmp_path):
    floats = noise(RATE, 2)
    small = np.round(floats * 32768).astype(np.int16)
    path = tmp_path / "a.wav"
    soundfile.write(path, small, RATE)
    expected = read_audio(path)
    for array in (small, small.astype(np.int32) * 65536, small / 32768, (small / 32768).astype(np.float32)):
        np.testing.assert_array_equal(read_audio((array, RATE)), expected)
    assert duration((small, RATE)) == 1.0


def test_channels_are_averaged_or_picked():
    sound = noise(RATE, 3)
    np.testing.assert_allclose(read_audio((sound, RATE)), sound.mean(axis=1), atol=1e-7)
    for channel in range(3):
        np.testing.assert_array_equal(read_audio((sound, RATE), channel=channel), sound[:, channel])
    for channel in (-1, 3):
        with pytest.raises(AudioError, match="channels 0 to 2"):
            read_audio((sound, RATE), channel=channel)


def test_streaming_a_long_file_keeps_little_in_memory(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros((48_000 * 60, 2), np.int16), 48_000)
    total = 0
    tracemalloc.start()
    for block in stream_audio(path, block_seconds=1.0):
        total += len(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == RATE * 60
    assert peak < 2_000_000


def wav_bytes(frames: int) -> bytes:
    return encoded(noise(frames), RATE)


UNUSABLE = {
    "text.wav": (b"this is no sound at all\n" * 50, "not an audio file that can be read; accepted are wav"),
    "empty.wav": (b"", "is empty"),
    "silentless.wav": (wav_bytes(0), "holds no samples"),
    "headless.raw": (b"\0" * 5000, "not an audio file"),
    "stub.flac": (encoded(noise(RATE), RATE, "flac")[:400], "nothing in it can be decoded"),
    "stub.mp3": (encoded(noise(RATE), RATE, "mp3")[:20], "not an audio file"),
    "stub.wav": (wav_bytes(100)[:44], "holds no samples"),
    "slow.wav": (encoded(noise(100), 100), "its rate of 100 Hz; accepted are whole rates from 4000"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_files_are_named_in_one_line(tmp_path, name):
    content, words = UNUSABLE[name]
    path = saved(tmp_path / name, content)
    with pytest.raises(AudioError, match=words) as caught:
        read_audio(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(AudioError, match=words):
        read_audio(io.BytesIO(content))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(AudioMissingError, match=r"absent\.wav: no such file") as caught:
        read_audio(tmp_path / "absent.wav")
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(AudioError, match="is a folder"):
        duration(tmp_path)
    with pytest.raises(AudioError, match="open it with mode 'rb'"):
        read_audio(io.StringIO("text"))


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_a_file_cut_short_gives_what_can_be_read_and_a_warning(tmp_path, caplog, kind):
    whole = encoded(tone(RATE, 4.0), RATE, kind)
    path = saved(tmp_path / f"cut.{kind}", whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING, logger="asr.audio"):
        samples = read_audio(path)
    assert 1.2 * RATE < len(samples) < 2.8 * RATE
    complete = read_audio(io.BytesIO(whole))
    np.testing.assert_allclose(samples[: RATE + 1], complete[: RATE + 1], atol=1e-3)
    assert [record.message for record in caplog.records] == [
        f"{path}: cut short or damaged, only {len(samples) / RATE:.2f} s of 4.00 s can be read"
    ]


def test_a_wav_written_to_a_pipe_has_no_length_and_is_whole(caplog):
    content = bytearray(wav_bytes(RATE))
    struct.pack_into("<I", content, 4, 0xFFFFFFFF)
    struct.pack_into("<I", content, 40, 0xFFFFFFFF)
    np.testing.assert_array_equal(
        read_audio(io.BytesIO(bytes(content))), read_audio(io.BytesIO(wav_bytes(RATE)))
    )
    assert not caplog.records


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_not_finite_are_refused_where_they_stand(bad):
    sound = noise(RATE, 2).astype(np.float64)
    sound[12_000, 1] = bad
    with pytest.raises(AudioError, match=r"NaN or infinite sample at 0\.750 s"):
        read_audio((sound, RATE))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ((np.zeros(0, np.int16), RATE), "holds no samples"),
        ((np.zeros((1, RATE), np.float32), RATE), r"transpose \(channels, n\)"),
        ((np.zeros((4, 4, 4), np.float32), RATE), r"shape \(4, 4, 4\)"),
        ((np.zeros(100, np.uint8), RATE), "type uint8; accepted are int16"),
        ((np.zeros(100, np.int64), RATE), "type int64"),
        ((np.zeros(100, np.complex64), RATE), "type complex64"),
        ((np.full(100, 12_000.0), RATE), "reach 12000"),
        ((np.zeros(100), 0), "rate of 0 Hz"),
        ((np.zeros(100), -16_000), "rate of -16000"),
        ((np.zeros(100), 10**9), "rate of 1000000000"),
        ((np.zeros(100), 16_000.5), r"rate of 16000\.5"),
        ((np.zeros(100), float("nan")), "rate of nan"),
        ((np.zeros(100), "16k"), "rate of '16k'"),
        (np.zeros(100), "pair"),
    ],
)
def test_unusable_arrays_are_refused(source, words):
    with pytest.raises(AudioError, match=words):
        read_audio(source)


def test_unusable_requests_are_refused():
    with pytest.raises(AudioError, match="sample_rate of 0"):
        read_audio((noise(10), RATE), sample_rate=0)
    with pytest.raises(AudioError, match="block_seconds must be above 0"):
        next(stream_audio((noise(10), RATE), block_seconds=0))
