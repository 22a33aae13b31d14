"""Laws of the stream: latency, chunks, reset, causality, mixing, odd input."""

import numpy as np
import pytest

from asr.percepnet import DenoiseError, DenoiseOptions, Denoiser, DenoiserModelError, DenoiserStream

RATES = (16_000, 48_000)
ODD = ("silence", "constant", "clipped", "denormal", "impulse", "alternating")


def noise(rate, seconds=0.3, seed=0):
    return (0.1 * np.random.default_rng(seed).normal(size=int(rate * seconds) + 13)).astype(np.float32)


def framewise(denoiser, samples):
    """What `process` and `flush` give for a signal padded to whole frames."""
    denoiser.reset()
    padded = np.pad(samples, (0, -len(samples) % denoiser.frame_size)).reshape(-1, denoiser.frame_size)
    return np.concatenate([*(denoiser.process(frame) for frame in padded), denoiser.flush()])


def odd(name, length):
    signals = {
        "silence": np.zeros(length),
        "constant": np.ones(length),
        "clipped": np.sign(np.random.default_rng(1).normal(size=length)),
        "denormal": np.full(length, 1e-40),
        "impulse": np.eye(1, length, length // 2)[0],
        "alternating": (-1.0) ** np.arange(length),
    }
    return signals[name].astype(np.float32)


@pytest.mark.parametrize(("rate", "latency"), [(16_000, 480), (48_000, 1440)])
def test_latency_is_thirty_milliseconds_exactly(random_model, rate, latency):
    denoiser = Denoiser(rate, random_model(rate), DenoiseOptions(floor_db=0.0))
    assert denoiser.latency_samples == latency
    # With no gain below 1, and noise, of which little repeats, the output is nearly the input.
    samples = noise(rate)
    out = framewise(denoiser, samples)
    lags = np.correlate(out[: len(samples) + 2 * latency], samples, "valid")
    assert np.argmax(np.abs(lags)) == latency


@pytest.mark.parametrize("rate", RATES)
def test_mix_of_one_is_the_delayed_input_bit_for_bit(random_model, rate):
    denoiser = Denoiser(rate, random_model(rate), DenoiseOptions(mix=1.0))
    samples, delay = noise(rate), denoiser.latency_samples
    out = framewise(denoiser, samples)
    np.testing.assert_array_equal(out[:delay], 0)
    np.testing.assert_array_equal(out[delay : delay + len(samples)], samples)
    np.testing.assert_array_equal(denoiser.denoise(samples), samples)


def test_mix_is_linear(random_model):
    model, samples = random_model(16_000), noise(16_000)
    none, half = (Denoiser(16_000, model, DenoiseOptions(mix=mix)).denoise(samples) for mix in (0.0, 0.5))
    np.testing.assert_allclose(half, 0.5 * none + 0.5 * samples, atol=1e-7)


@pytest.mark.parametrize("rate", RATES)
def test_stream_equals_whole_signal_under_any_chunks(random_model, rate):
    denoiser = Denoiser(rate, random_model(rate), DenoiseOptions(post_filter=True))
    samples, delay = noise(rate), denoiser.latency_samples
    whole, frames = denoiser.denoise(samples), framewise(denoiser, samples)
    np.testing.assert_array_equal(frames[delay : delay + len(samples)], whole)
    stream, generator = DenoiserStream(denoiser), np.random.default_rng(3)
    for _ in range(2):
        cuts = np.sort(generator.integers(0, len(samples), 9))
        parts = [stream.feed(chunk) for chunk in np.split(samples, cuts)]
        out = np.concatenate([*parts, stream.finish()])
        assert len(out) == len(samples) + delay
        np.testing.assert_array_equal(out, frames[: len(out)])


def test_long_signals_are_cut_into_blocks_unheard(random_model, monkeypatch):
    denoiser = Denoiser(16_000, random_model(16_000))
    samples = noise(16_000)
    whole, trace = denoiser.denoise(samples), denoiser.trace_of(samples)
    monkeypatch.setattr("asr.percepnet.denoiser.BLOCK", 4)
    np.testing.assert_array_equal(denoiser.denoise(samples), whole)
    for one, other in zip(denoiser.trace_of(samples), trace, strict=True):
        np.testing.assert_array_equal(one, other)


def test_reset_forgets_everything(random_model):
    denoiser = Denoiser(16_000, random_model(16_000), DenoiseOptions(mix=0.3))
    samples = noise(16_000)
    first = framewise(denoiser, samples)
    np.testing.assert_array_equal(framewise(denoiser, samples), first)
    assert not np.array_equal(denoiser.process(samples[:160]), first[:160] + 1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_output_knows_nothing_of_what_is_to_come(random_model, rate):
    denoiser = Denoiser(rate, random_model(rate))
    samples, hop = noise(rate), denoiser.frame_size
    changed = samples.copy()
    changed[15 * hop :] *= -1
    one, other = framewise(denoiser, samples), framewise(denoiser, changed)
    np.testing.assert_array_equal(one[: 15 * hop], other[: 15 * hop])
    assert not np.array_equal(one[15 * hop : 16 * hop], other[15 * hop : 16 * hop])


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("rate", RATES)
def test_odd_signals_give_finite_sound_and_leave_no_trace(random_model, rate, name):
    denoiser = Denoiser(rate, random_model(rate), DenoiseOptions(post_filter=True))
    out = framewise(denoiser, odd(name, 12 * denoiser.frame_size))
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 20
    after = np.concatenate([denoiser.process(np.zeros(denoiser.frame_size)) for _ in range(40)])
    np.testing.assert_array_equal(after[-10 * denoiser.frame_size :], 0)


def test_silence_stays_silence_and_nothing_becomes_denormal(random_model):
    denoiser = Denoiser(16_000, random_model(16_000))
    np.testing.assert_array_equal(framewise(denoiser, np.zeros(4800)), 0)
    quiet = framewise(denoiser, noise(16_000) * 1e-30)
    assert ((quiet == 0) | (np.abs(quiet) > np.finfo(np.float32).tiny)).all()


def test_signals_of_no_or_few_samples(random_model):
    denoiser = Denoiser(16_000, random_model(16_000))
    for length in (0, 1, 159, 160, 161):
        assert denoiser.denoise(noise(16_000)[:length]).shape == (length,)


def test_trace_tells_gains_of_the_finished_frame(random_model):
    denoiser = Denoiser(16_000, random_model(16_000))
    samples = noise(16_000)
    whole = denoiser.trace_of(samples)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    for number, frame in enumerate(frames):
        denoiser.process(frame)
        assert len(denoiser.trace.gains) == (number >= 2)
        if number >= 2:
            np.testing.assert_array_equal(denoiser.trace.gains[0], whole.gains[number - 2])
    assert ((whole.gains >= 0) & (whole.gains <= 1)).all()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(100, np.float32), "100 samples; process takes 160"),
        (np.zeros((160, 2), np.float32), "one channel"),
        (np.zeros(160, np.int16), "int16"),
        (np.full(160, np.nan, np.float32), "not finite"),
        (np.full(160, 20_000.0, np.float32), "divide 16-bit samples by 32768"),
    ],
)
def test_wrong_samples_are_refused(random_model, samples, message):
    with pytest.raises(DenoiseError, match=message):
        Denoiser(16_000, random_model(16_000)).process(samples)


def test_wrong_options_are_refused(random_model):
    with pytest.raises(DenoiseError, match="mix is 2"):
        DenoiseOptions(mix=2)
    with pytest.raises(DenoiseError, match="floor_db is 3"):
        DenoiseOptions(floor_db=3)
    with pytest.raises(DenoiserModelError, match="trained for 48000 Hz"):
        Denoiser(16_000, random_model(48_000))
    with pytest.raises(DenoiserModelError, match=r"nowhere.*missing"):
        Denoiser(16_000, "nowhere")
