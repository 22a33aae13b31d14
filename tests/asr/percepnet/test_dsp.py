"""Laws of the bands, the transform, the pitch tracker, the comb filter and the synthesis."""

import numpy as np
import pytest

from asr.compiled import compiled
from asr.percepnet.analysis import Analysis, analyse, empty_analysis, new_analysis_state
from asr.percepnet.bands import COMB_ORDER, LOOKAHEAD, FormatError, audio_format, band_weights
from asr.percepnet.comb import comb, noise_power, periods_ahead
from asr.percepnet.fourier import irfft, make_fourier, rfft
from asr.percepnet.synthesis import Shaping, new_synthesis_state, shape, synthesise
from asr.percepnet.targets import analyse_signal, band_products

RATES = (16_000, 48_000)
PLAIN = Shaping(0.0, False)
WIDEBAND = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 25, 28, 31, 34, 38, 42, 46, 51, 56, 62, 68, 75, 83, 91)
WIDEBAND += (100, 110, 121, 133, 146, 160)
FULLBAND = (
    0,
    2,
    4,
    6,
    8,
    10,
    12,
    15,
    18,
    21,
    24,
    28,
    32,
    36,
    41,
    47,
    53,
    60,
    68,
    77,
    87,
    98,
    110,
    124,
    140,
    157,
)
FULLBAND += (176, 198, 223, 251, 282, 317, 356, 400)


@compiled
def transform_there_and_back(tables, frame, work, spectrum, back):
    rfft(tables, frame, work, spectrum)
    irfft(tables, spectrum, work, back)


@compiled
def run_comb(form, samples, begin, period, out):
    comb(form.comb, form.kernel, samples, begin, period, out)


@compiled
def run_shape(gains, energies, floor, sharpen, out):
    shape(gains, energies, floor, sharpen, out)


def resynthesised(form, found, gains, strengths, shaping=PLAIN):
    """Output of the whole engine, in time with the input that `found` was analysed from."""
    out = np.zeros((len(gains), form.hop))
    synthesise(form, new_synthesis_state(form), found.spectra, found.combed, gains, strengths, shaping, out)
    return out.ravel()[form.hop :]


def analysed(form, signal, chunks=(1,)):
    """All rows of an analysis fed in chunks of the given numbers of hops, over and over."""
    hops = np.resize(signal, (len(signal) // form.hop, form.hop))
    state, rows, done = new_analysis_state(form), [], 0
    while done < len(hops):
        part = hops[done : done + chunks[len(rows) % len(chunks)]]
        rows.append(empty_analysis(form, len(part)))
        analyse(form, state, part, rows[-1])
        done += len(part)
    return Analysis(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def white_coherence(form, period):
    """Coherence of white noise with its comb output: they share the tap in the middle alone."""
    weights = form.comb[: COMB_ORDER + 1 + periods_ahead(form.hop, period)]
    return form.comb[COMB_ORDER] / np.sqrt((weights**2).sum())


def glide(rate, low, high, seconds):
    """A buzz with nine harmonics that rises evenly, and its frequency at each sample."""
    frequency = np.linspace(low, high, int(rate * seconds))
    phase = 2 * np.pi * np.cumsum(frequency) / rate
    return sum(np.cos(k * phase) / k for k in range(1, 10)) / 10, frequency


@pytest.mark.parametrize(("rate", "edges"), [(16_000, WIDEBAND), (48_000, FULLBAND)])
def test_bands_are_the_published_tables_and_cover_every_bin(rate, edges):
    form = audio_format(rate)
    assert tuple(form.edges) == edges
    assert np.diff(form.edges).min() >= 2
    assert (form.bands, form.features) == ((32, 66) if rate == 16_000 else (34, 70))
    weights = band_weights(form.edges, form.hop + 1)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-12)
    bins = np.arange(form.hop + 1)
    np.testing.assert_allclose(weights[form.band, bins], 1 - form.share, atol=1e-12)
    np.testing.assert_allclose(weights[form.band + 1, bins], form.share, atol=1e-12)


def test_other_rates_are_refused():
    with pytest.raises(FormatError, match=r"44100.*16000 and 48000"):
        audio_format(44_100)


@pytest.mark.parametrize("rate", RATES)
def test_window_is_power_complementary(rate):
    form = audio_format(rate)
    power = form.window**2
    assert np.abs(power[: form.hop] + power[form.hop :] - 1).max() < 1e-12


@pytest.mark.parametrize("length", [2, 4, 12, 30, 320, 960])
def test_transform_equals_numpy(length):
    frame = np.random.default_rng(length).normal(size=length)
    spectrum, back = np.zeros(length // 2 + 1, np.complex128), np.zeros(length)
    transform_there_and_back(make_fourier(length), frame, np.zeros((4, length // 2)), spectrum, back)
    np.testing.assert_allclose(spectrum, np.fft.rfft(frame), atol=1e-11)
    np.testing.assert_allclose(back, frame, atol=1e-13)


def test_transform_refuses_other_factors():
    with pytest.raises(ValueError, match="14 samples"):
        make_fourier(14)


@pytest.mark.parametrize("rate", RATES)
def test_gain_one_reconstructs_perfectly(rate):
    form = audio_format(rate)
    signal = np.random.default_rng(0).normal(size=20 * form.hop + 7)
    found = analyse_signal(form, signal)
    ones = np.ones((len(found.pitch), form.bands))
    assert np.abs(resynthesised(form, found, ones, 0 * ones)[: len(signal)] - signal).max() < 1e-12


@pytest.mark.parametrize("rate", RATES)
def test_analysis_does_not_depend_on_chunks(rate):
    form = audio_format(rate)
    signal = glide(rate, 100, 200, 0.4)[0] + np.random.default_rng(1).normal(size=int(0.4 * rate)) * 0.01
    whole, parts = analysed(form, signal, (1000,)), analysed(form, signal, (1, 3, 2))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rate", RATES)
def test_what_is_to_come_changes_nothing_before_it(rate):
    form = audio_format(rate)
    signal = np.random.default_rng(2).normal(size=30 * form.hop)
    changed = signal.copy()
    changed[20 * form.hop :] *= -0.5
    for one, other in zip(analysed(form, signal), analysed(form, changed), strict=True):
        np.testing.assert_array_equal(one[:20], other[:20])
        assert not np.array_equal(one[20:], other[20:])


@pytest.mark.parametrize("rate", RATES)
def test_pitch_follows_a_glide(rate):
    form = audio_format(rate)
    signal, frequency = glide(rate, 100, 200, 2.0)
    found = analyse_signal(form, signal + 1e-4 * np.random.default_rng(3).normal(size=len(signal)))
    frames = np.arange(10, len(signal) // form.hop - 10)
    heard = rate / found.pitch[frames, 0]
    errors = np.abs(heard / frequency[frames * form.hop] - 1)
    assert errors.max() < 0.02
    assert np.median(errors) < 0.005


@pytest.mark.parametrize("period", [40, 57, 100, 125])
def test_a_pulse_train_has_its_shortest_period(period):
    form = audio_format(16_000)
    signal = np.zeros(16_000)
    signal[::period] = 1.0
    found = analyse_signal(form, signal + 1e-3 * np.random.default_rng(4).normal(size=16_000))
    np.testing.assert_allclose(found.pitch[20:80, 0], period, rtol=0.01)
    assert found.pitch[20:80, 1].min() > 0.9


def test_comb_passes_what_is_periodic_and_nothing_outside_its_reach():
    form = audio_format(16_000)
    for period in (20, 37, 64.5, 100, 256):
        history = COMB_ORDER * form.highest_lag + 4
        begin, length = history, 2 * form.hop
        samples = np.cos(2 * np.pi * np.arange(history + length + LOOKAHEAD * form.hop) / period)
        out = np.zeros(length)
        run_comb(form, samples, begin, float(period), out)
        tolerance = 1e-10 if period == int(period) else 2e-3  # interpolated between samples
        assert np.abs(out - samples[begin : begin + length]).max() < tolerance


def test_comb_lets_through_the_stated_share_of_white_noise():
    form = audio_format(16_000)
    noise = np.random.default_rng(5).normal(size=200_000)
    out = np.zeros(2 * form.hop)
    for period in (30.0, 100.0, 200.0):
        powers = []
        for begin in range(COMB_ORDER * form.highest_lag + 4, len(noise) - 4 * form.hop, form.hop):
            run_comb(form, noise, begin, period, out)
            powers.append(np.mean(out**2))
        assert abs(10 * np.log10(np.mean(powers) / noise_power(form, period))) < 0.2
    assert 10 * np.log10(noise_power(form, 30.0)) == pytest.approx(-9.03, abs=0.01)
    assert noise_power(form, 30.0) < noise_power(form, 100.0) < noise_power(form, 200.0)


@pytest.mark.parametrize("rate", RATES)
def test_coherence_is_one_for_what_repeats_and_as_computed_for_noise_at_any_level(rate):
    form = audio_format(rate)
    generator = np.random.default_rng(6)
    buzz, noise = glide(rate, 100, 100, 0.5)[0], generator.normal(size=rate // 2)
    bands = slice(form.bands, 2 * form.bands)
    voiced = analyse_signal(form, buzz).features[20:40, bands]
    assert voiced[:, 2:6].min() > 0.99
    found = analyse_signal(form, noise)
    random = found.features[:, bands]
    assert np.abs(random).max() <= 1
    expected = np.mean([white_coherence(form, period) for period in found.pitch[20:40, 0]])
    assert random[20:40].mean() == pytest.approx(expected, abs=0.04)
    assert expected + 0.05 < voiced.mean()
    scaled = analyse_signal(form, 100 * noise).features[:, bands]
    np.testing.assert_allclose(scaled, random, atol=1e-5)


@pytest.mark.parametrize("gain", [0.1, 10.0])
def test_level_moves_the_log_energies_alone(gain):
    form = audio_format(16_000)
    signal = np.random.default_rng(7).normal(size=8000)
    one, other = analyse_signal(form, signal), analyse_signal(form, gain * signal)
    inside = slice(2, 45)
    energy = slice(0, form.bands)
    shift = other.features[inside, energy] - one.features[inside, energy]
    np.testing.assert_allclose(shift, 2 * np.log10(gain), atol=1e-4)
    np.testing.assert_allclose(
        one.features[inside, form.bands :], other.features[inside, form.bands :], atol=1e-4
    )


def test_post_filter_keeps_full_and_zero_gains_and_has_a_bounded_lift():
    generator = np.random.default_rng(8)
    energies, out = generator.random(32), np.zeros(32)
    hard = generator.integers(0, 2, 32).astype(float)
    run_shape(hard, energies, 0.0, True, out)
    np.testing.assert_allclose(out, hard, atol=1e-12)
    run_shape(np.zeros(32), energies, 0.0, True, out)
    np.testing.assert_array_equal(out, 0)
    for _ in range(50):
        gains = generator.random(32) ** generator.uniform(0.2, 5)
        run_shape(gains, energies, 0.0, True, out)
        lift = out / (gains * np.sin(0.5 * np.pi * gains))
        assert np.ptp(lift) < 1e-9
        assert 20 * np.log10(lift[0]) < 5.572
        assert (np.diff(out[np.argsort(gains)]) >= 0).all()


def test_floor_is_the_least_gain():
    out = np.zeros(32)
    run_shape(np.linspace(0, 1, 32), np.ones(32), 0.2, False, out)
    np.testing.assert_array_equal(out, np.maximum(np.linspace(0, 1, 32), 0.2))


def test_the_comb_filter_keeps_the_envelope():
    form = audio_format(16_000)
    generator = np.random.default_rng(9)
    noise = generator.normal(size=16_000)
    found = analyse_signal(form, glide(16_000, 120, 160, 1.0)[0] + 0.05 * noise)
    strengths = generator.random((len(found.pitch), 1)) * np.ones((1, form.bands))
    ones = np.ones_like(strengths)
    combed = analyse_signal(form, resynthesised(form, found, ones, strengths)[:16_000])
    before = band_products(form, found.spectra, found.spectra)[10:90]
    after = band_products(form, combed.spectra, combed.spectra)[10:90]
    errors = np.abs(10 * np.log10(after / before))
    assert np.median(errors) < 1.0
    assert np.quantile(errors, 0.95) < 4.0
