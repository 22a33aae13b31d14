"""`onoma denoise`: what goes in comes out in its rate, channels, length and format; mistakes are one line."""

import numpy as np
import pytest
import soundfile
from random_networks import random_network
from typer.testing import CliRunner

from asr.cli import app
from asr.percepnet import shipped as shipped_models
from asr.percepnet.model import save_model
from asr.percepnet.recordings import shipped_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("denoiser")
    save_model(random_network(16_000), 16_000, folder)
    return folder


def onoma(*arguments):
    return CliRunner().invoke(app, ["denoise", *map(str, arguments)])


def write(file, rate=16_000, channels=1, seconds=0.21, **kind):
    noise = np.random.default_rng(0).normal(size=(int(rate * seconds), channels))
    soundfile.write(file, 0.05 * noise, rate, **kind)
    return file


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.wav", {"rate": 16_000, "subtype": "PCM_24"}),
        ("a.flac", {"rate": 8_000, "channels": 2}),
        ("a.ogg", {"rate": 44_100}),
    ],
)
def test_rate_channels_length_and_format_stay(model, tmp_path, caplog, name, kind):
    source = write(tmp_path / name, **kind)
    done = onoma(source, "-o", tmp_path / "out", "--model", model)
    assert done.exit_code == 0, done.output
    assert ("is lost" in caplog.text) == (kind["rate"] > 16_000)
    before, after = soundfile.info(source), soundfile.info(tmp_path / "out" / name)
    for field in ("samplerate", "channels", "frames", "format", "subtype"):
        assert getattr(before, field) == getattr(after, field)
    assert not np.array_equal(soundfile.read(source)[0], soundfile.read(tmp_path / "out" / name)[0])


@pytest.mark.parametrize(
    ("rate", "asked"), [(8_000, 16_000), (16_000, 16_000), (22_050, 48_000), (48_000, 48_000)]
)
def test_the_shipped_model_keeps_what_a_recording_holds(monkeypatch, tmp_path, rate, asked):
    for shipped in (16_000, 48_000):
        save_model(random_network(shipped), shipped, tmp_path / f"denoiser-{shipped // 1000}k")
    monkeypatch.setattr(shipped_models, "PRETRAINED", tmp_path)
    shipped_model.cache_clear()
    assert shipped_model(rate).sample_rate == asked
    shipped_model.cache_clear()


def test_a_full_band_recording_keeps_its_treble(tmp_path):
    source = write(tmp_path / "a.wav", rate=48_000, seconds=1.0)
    assert onoma(source, "-o", tmp_path / "out", "--mix", 0.5).exit_code == 0
    before, after = (
        np.abs(np.fft.rfft(soundfile.read(file)[0])) for file in (source, tmp_path / "out" / "a.wav")
    )
    assert after[10_000:18_000].mean() > 0.3 * before[10_000:18_000].mean()


def test_mix_of_one_changes_nothing_in_any_channel(model, tmp_path):
    source = write(tmp_path / "a.wav", channels=2)
    assert onoma(source, "-o", tmp_path / "out", "--model", model, "--mix", 1).exit_code == 0
    np.testing.assert_array_equal(soundfile.read(source)[0], soundfile.read(tmp_path / "out" / "a.wav")[0])


def test_plot_and_overwrite(model, tmp_path):
    source = write(tmp_path / "a.wav")
    done = onoma(source, "-o", tmp_path / "out", "--model", model, "--plot")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "a.png").stat().st_size > 10_000
    stamp = (tmp_path / "out" / "a.wav").stat().st_mtime_ns
    again = onoma(source, "-o", tmp_path / "out", "--model", model)
    assert "exist already" in again.output
    assert (tmp_path / "out" / "a.wav").stat().st_mtime_ns == stamp
    onoma(source, "-o", tmp_path / "out", "--model", model, "--overwrite")
    assert (tmp_path / "out" / "a.wav").stat().st_mtime_ns != stamp


def test_one_bad_recording_does_not_stop_the_others(model, tmp_path, caplog):
    write(tmp_path / "good.wav")
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    done = onoma(tmp_path, "-o", tmp_path / "out", "--model", model)
    assert done.exit_code == 1
    assert "bad.wav: not an audio file" in caplog.text
    assert (tmp_path / "out" / "good.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "-o", "out"), "standard input"),
        (("a.wav", "-o", "."), "over itself"),
        (("a.wav", "b/a.wav", "-o", "out"), "would both be written"),
        (("a.wav", "-o", "out", "--model", "nowhere"), "config.json is missing"),
    ],
)
def test_mistakes_are_named(model, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    write(tmp_path / "a.wav")
    write(tmp_path / "b" / "a.wav")
    model = () if "--model" in arguments else ("--model", model)
    done = onoma(*arguments, *model)
    assert done.exit_code == 2
    assert message in done.output
