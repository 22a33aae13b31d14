"""The denoiser in front of the recognizer: in time with the recording, harmless when off."""

import numpy as np
import pytest
from random_networks import random_network
from samples import RATE, tones
from typer.testing import CliRunner

from asr.audio import AudioError
from asr.cli import app
from asr.percepnet import DenoiseError, DenoiseOptions, Denoiser, DenoiserModelError, shipped
from asr.percepnet.listening import TUNED_MIX, denoised_blocks, listening_options
from asr.percepnet.model import save_model
from asr.recognizer import Recognizer


@pytest.fixture
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights drawn at random, as if they came with this version."""
    monkeypatch.setattr(shipped, "PRETRAINED", tmp_path)
    save_model(random_network(RATE), RATE, tmp_path / "denoiser-16k")


@pytest.mark.parametrize("count", [1, 159, 480, 481, 4000])
def test_blocks_stay_in_time_however_they_are_cut(random_model, count):
    generator = np.random.default_rng(count)
    samples = (0.1 * generator.normal(size=count)).astype(np.float32)
    cuts = np.sort(generator.integers(0, count + 1, 3))
    for mix in (0.0, 0.3, 1.0):
        denoiser = Denoiser(RATE, random_model(RATE), DenoiseOptions(mix=mix))
        blocks = list(denoised_blocks(np.split(samples, cuts), denoiser))
        np.testing.assert_array_equal(np.concatenate(blocks), denoiser.denoise(samples))
        if mix == 1.0:
            np.testing.assert_array_equal(np.concatenate(blocks), samples)


def test_samples_of_the_wrong_scale_are_no_audio(random_model):
    with pytest.raises(AudioError, match="full scale is 1"):
        list(denoised_blocks([np.full(10, 3000.0, np.float32)], Denoiser(RATE, random_model(RATE))))


def test_options_for_listening_leave_the_post_filter_out():
    assert listening_options(False) is None
    assert listening_options(True) == DenoiseOptions(mix=TUNED_MIX, post_filter=False)
    assert listening_options(0) == DenoiseOptions(mix=0.0)
    assert listening_options(1) == DenoiseOptions(mix=1.0)
    with pytest.raises(DenoiseError, match=r"mix is 1\.5"):
        listening_options(1.5)


def test_the_recognizer_hears_what_the_denoiser_says(recognizer, weights):
    samples = tones(2.0, 3).astype(np.float32)
    plain = recognizer.transcribe((samples, RATE))
    assert recognizer.transcribe((samples, RATE), denoise=1.0).segments == plain.segments
    for denoise, mix in ((True, TUNED_MIX), (0.0, 0.0), (0.2, 0.2)):
        clean = Denoiser(RATE, options=DenoiseOptions(mix=mix)).denoise(samples)
        heard = recognizer.transcribe((samples, RATE), denoise=denoise)
        assert heard.duration == plain.duration
        assert heard.segments == recognizer.transcribe((clean, RATE)).segments
    assert next(recognizer.transcribe_many([(samples, RATE)], denoise=1.0)).segments == plain.segments


def test_without_weights_one_line_says_so(recognizer, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "PRETRAINED", tmp_path)
    with pytest.raises(DenoiserModelError, match="no denoiser for 16000 Hz comes with this version"):
        recognizer.transcribe((tones(0.5, 1), RATE), denoise=True)
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    run = CliRunner().invoke(
        app, ["transcribe", str(tmp_path / "a.wav"), "--model", str(model_folder), "--denoise", "on"]
    )
    assert run.exit_code == 2
    assert "no denoiser for 16000 Hz" in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("share", ["1.5", "-0.1", "much", "nan"])
def test_a_share_that_is_none_is_refused(share, tmp_path):
    run = CliRunner().invoke(app, ["transcribe", str(tmp_path), f"--denoise={share}"])
    assert run.exit_code == 2
    assert "0 to 1" in run.stderr
