"""Cutting long audio: the segments tile the input, and no sound between silences is split."""

import itertools
import tracemalloc

import numpy as np
import pytest

from asr.segmenter import SegmenterError, SegmenterOptions, cut_position, frame_levels_db, is_steady, segments

RATE = 16_000
SHORT = SegmenterOptions(max_segment_s=3.0, min_segment_s=1.0)


def blocks_of(samples, sizes):
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(samples):
            return
        yield samples[start : start + size]
        start += size


def cuts(samples, options=SHORT, sizes=(RATE,)):
    return [round(one.start_s * RATE) for one in segments(blocks_of(samples, sizes), options)]


def words_and_pauses(rng, seconds, level=0.2, noise=1e-3, longest_word=0.9):
    """Return noise with tone bursts in it, and the (start, end) samples of each burst."""
    samples = noise * rng.standard_normal(int(seconds * RATE))
    spans = []
    start = int(0.2 * RATE)
    while True:
        end = start + int(rng.uniform(0.05, longest_word) * RATE)
        if end + RATE // 5 > len(samples):
            return samples.astype(np.float32), spans
        time = np.arange(end - start) / RATE
        samples[start:end] += level * rng.uniform(0.2, 1) * np.sin(2 * np.pi * rng.uniform(150, 3000) * time)
        spans.append((start, end))
        start = end + int(rng.uniform(0.2, 0.6) * RATE)


INPUTS = {
    "words": lambda rng: words_and_pauses(rng, 20)[0],
    "noise": lambda rng: rng.standard_normal(17 * RATE + 123).astype(np.float32) * 0.1,
    "digital silence": lambda _: np.zeros(11 * RATE, np.float32),
    "tone": lambda _: np.sin(np.arange(10 * RATE + 7) * 0.2).astype(np.float32),
    "exactly the longest": lambda rng: rng.standard_normal(3 * RATE).astype(np.float32),
    "one more": lambda rng: rng.standard_normal(3 * RATE + 1).astype(np.float32),
    "one sample": lambda _: np.ones(1, np.float32),
}


@pytest.mark.parametrize("name", INPUTS)
def test_segments_tile_the_input_and_do_not_depend_on_the_blocks(name):
    samples = INPUTS[name](np.random.default_rng(1))
    expected = cuts(samples)
    for sizes in [(1, 50_000), (160,), (37, 0, 4001), (len(samples),), (3 * RATE,), (3 * RATE + 1,)]:
        parts = list(segments(blocks_of(samples, sizes), SHORT))
        joined = np.concatenate([part.samples for part in parts])
        assert joined.dtype == samples.dtype
        assert joined.tobytes() == samples.tobytes()
        assert [round(part.start_s * RATE) for part in parts] == expected
        assert all(part.samples.base is None for part in parts)
        lengths = [len(part.samples) for part in parts]
        assert expected == [0, *np.cumsum(lengths)[:-1]]
        assert max(lengths) <= 3 * RATE
        assert min([*lengths[:-1], RATE]) >= RATE


@pytest.mark.parametrize("noise", [0.0, 1e-4, 5e-3])
@pytest.mark.parametrize("seed", range(4))
def test_a_burst_between_silences_is_never_split(seed, noise):
    samples, spans = words_and_pauses(np.random.default_rng(seed), 60, noise=noise)
    found = cuts(samples)
    assert len(found) >= 60 / 3
    for cut in found[1:]:
        assert not [span for span in spans if span[0] <= cut <= span[1]]


def test_a_long_steady_tone_is_not_taken_for_its_own_background():
    options = SegmenterOptions(max_segment_s=30.0, min_segment_s=10.0, floor_window_s=1.0)
    samples = np.zeros(40 * RATE, np.float32)
    tone = slice(11 * RATE, 26 * RATE)
    samples[tone] = 0.3 * np.sin(np.arange(15 * RATE) * 0.3)
    samples += 1e-3 * np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    (cut,) = cuts(samples, options)[1:]
    assert not tone.start <= cut <= tone.stop


@pytest.mark.parametrize("seed", range(4))
def test_the_background_may_change_and_the_transmission_drop_out(seed):
    rng = np.random.default_rng(seed)
    samples, spans = words_and_pauses(rng, 60, level=0.5, noise=1e-4)
    samples[9 * RATE :] += 0.01 * rng.standard_normal(51 * RATE).astype(np.float32)
    for start, end in spans:
        samples[(start + end) // 2 : (start + end) // 2 + 640] = 0
    found = cuts(samples, SegmenterOptions())[1:]
    assert len(found) >= 2
    for cut in found:
        assert not [span for span in spans if span[0] <= cut <= span[1]]


def test_faint_and_digital_silence_by_turns_are_one_silence():
    rng = np.random.default_rng(0)
    samples = 0.2 * rng.standard_normal(4 * RATE).astype(np.float32)
    samples[round(1.3 * RATE) : round(1.7 * RATE)] = 0
    faint = slice(round(2.0 * RATE), round(2.8 * RATE))
    samples[faint] *= 5e-4 * (np.arange(len(samples[faint])) // 800 % 2)
    assert cuts(samples)[1] == pytest.approx(2.4 * RATE, abs=320)


def test_the_longest_silence_is_cut_in_its_middle():
    rng = np.random.default_rng(0)
    samples = 0.2 * rng.standard_normal(4 * RATE).astype(np.float32)
    for start_s, end_s in [(0.2, 0.9), (1.3, 1.6), (2.0, 2.5), (2.7, 2.9)]:
        samples[int(start_s * RATE) : int(end_s * RATE)] *= 1e-3
    assert cuts(samples)[1] == pytest.approx(2.25 * RATE, abs=320)


def test_without_silence_the_cut_is_in_the_quietest_frame():
    rng = np.random.default_rng(0)
    samples = 0.2 * rng.standard_normal(4 * RATE).astype(np.float32)
    samples[2 * RATE + 320 : 2 * RATE + 480] *= 0.3
    assert cuts(samples)[1] == 2 * RATE + 400
    levels = frame_levels_db(samples[: 3 * RATE], 160)
    assert cut_position(samples[: 3 * RATE], SHORT) // 160 == 100 + np.argmin(levels[100:])


@pytest.mark.parametrize("gain", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_neither_loudness_nor_a_constant_offset_moves_a_cut(gain, offset):
    samples = words_and_pauses(np.random.default_rng(5), 30)[0].astype(np.float64)
    assert cuts(gain * samples + offset) == cuts(samples)


def test_an_hour_passes_through_bounded_memory():
    block = words_and_pauses(np.random.default_rng(2), 12)[0]
    total = longest = 0
    tracemalloc.start()
    for part in segments(block.copy() for _ in range(300)):
        total += len(part.samples)
        longest = max(longest, len(part.samples))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 3600 * RATE
    assert longest <= 30 * RATE
    # An hour is 230 MB of samples; a segment is 2 MB, its float64 squares and its windows are the rest.
    assert peak < 25_000_000


def test_nothing_gives_nothing():
    assert list(segments([])) == []
    assert list(segments([np.zeros(0, np.float32)])) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"sample_rate": 0},
        {"min_segment_s": 0.0},
        {"min_segment_s": 30.0},
        {"max_segment_s": float("nan")},
        {"min_silence_ms": 0.0},
        {"floor_window_s": -1.0},
    ],
)
def test_contradictory_options_are_refused(fields):
    with pytest.raises(SegmenterError, match=next(iter(fields))):
        SegmenterOptions(**fields)


@pytest.mark.parametrize("level", [1e-5, 1e-3, 1.0])
@pytest.mark.parametrize("seconds", [1.0, 7.3, 30.0])
def test_hiss_and_hum_are_steady_and_what_comes_and_goes_is_not(level, seconds):
    rng, time = np.random.default_rng(5), np.arange(round(seconds * RATE)) / RATE
    hiss = rng.normal(size=len(time))
    hum = np.sin(2 * np.pi * 100 * time)
    word = np.where((time > 0.4) & (time < 0.6), 1.0, 0.0) * rng.normal(size=len(time))
    for sound, steady in ((hiss, True), (hum + 0.5, True), (0.5 * hiss + word, False), (0 * hiss, True)):
        assert is_steady((level * sound).astype(np.float32)) is steady
    assert not is_steady(hiss[: RATE // 2].astype(np.float32))
