"""Sets in noise: the ratio is what it says, the same noise each time, and nothing is mixed twice."""

import json

import numpy as np
import pytest
from samples import tones, write_wav

from asr.audio import read_audio
from asr.manifest import read_manifest
from recipes.entities.ablation import Bench
from recipes.entities.noisy import noisy_manifest


@pytest.fixture
def data(tmp_path):
    rows = []
    for number in range(3):
        write_wav(tmp_path / "speech" / "clips" / f"u{number}.wav", 0.3 * tones(1.0 + number / 4, number))
        row = {"audio_filepath": f"clips/u{number}.wav", "duration": 1.0, "text": "a b", "entities": ["a"]}
        rows.append(json.dumps(row))
    (tmp_path / "speech" / "dev.jsonl").write_text("\n".join(rows))
    rng = np.random.default_rng(0)
    for name in "xyz":
        write_wav(
            tmp_path / "noise" / "test" / f"{name}.wav", 0.1 * rng.standard_normal(9000).astype(np.float32)
        )
    return tmp_path


@pytest.mark.parametrize("snr_db", [10, 5])
def test_noise_has_the_power_that_was_asked_for(data, snr_db):
    bench = Bench(data, "base-en", data / "cache")
    mixed = read_manifest(bench.manifest(f"dev-{snr_db}dB"), check_audio=True)
    clean = read_manifest(bench.manifest("dev"))
    for a, b in zip(clean, mixed, strict=True):
        assert (a.id, a.text, a.entities, a.duration) == (b.id, b.text, b.entities, b.duration)
        speech, heard = read_audio(a.audio), read_audio(b.audio)
        scale = np.dot(speech, heard) / np.dot(speech, speech)
        noise = heard - scale * speech
        ratio = 10 * np.log10(scale**2 * np.mean(speech**2) / np.mean(noise**2))
        assert ratio == pytest.approx(snr_db, abs=0.3)


def test_it_is_the_same_each_time_and_a_killed_run_goes_on(data):
    manifest, noise = data / "speech" / "dev.jsonl", data / "noise" / "test"
    first = noisy_manifest(manifest, noise, 5.0, data / "a")
    again = noisy_manifest(manifest, noise, 5.0, data / "b")
    assert first.read_text() == again.read_text()
    for one in read_manifest(first):
        assert one.audio.read_bytes() == (again.parent / one.audio.name).read_bytes()
    kept = again.parent / "u0.flac"
    before = kept.stat().st_mtime_ns
    again.unlink()
    (again.parent / "u1.flac").unlink()
    noisy_manifest(manifest, noise, 5.0, data / "b")
    assert kept.stat().st_mtime_ns == before
    assert (again.parent / "u1.flac").read_bytes() == (first.parent / "u1.flac").read_bytes()


def test_a_folder_without_noise_is_named(data):
    (data / "empty").mkdir()
    with pytest.raises(SystemExit, match="holds no recordings of noise"):
        noisy_manifest(data / "speech" / "dev.jsonl", data / "empty", 5.0, data / "c")
