"""Pretrained encoders: padding never reaches the states, wrong files are refused, a model stands on them."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from encoders import write_moonshine, write_whisper
from samples import RATE, tones

from asr.decoding import DecodingError, DecodingOptions, save_decoding_options
from asr.encoder_files import EncoderFileError, cached_path, find_folder, known
from asr.features import FeatureError, LogMel, LogMelConfig
from asr.frontends import PretrainedConfig, make_frontend, pretrained_config
from asr.model import SIZES, ConformerCTC, ModelError, config_from_dict, read_config, save_model
from asr.pretrained_encoder import FrontendError
from asr.recognizer import Recognizer


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No file of the machine's own is found."""
    monkeypatch.setenv("ONOMA_CACHE", str(tmp_path / "cache"))
    for name in ("ONOMA_MOONSHINE_TINY", "ONOMA_WHISPER_BASE", "ONOMA_HUGGINGFACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["moonshine", "whisper"])
def encoder(request, tmp_path):
    file = tmp_path / "encoder.onnx"
    config = (write_moonshine if request.param == "moonshine" else write_whisper)(file)
    return make_frontend(config, file)


def test_padding_changes_nothing(encoder):
    sounds = [tones(seconds, index) for index, seconds in enumerate((0.004, 0.5, 1.71))]
    samples = torch.zeros(3, 40_000)
    for row, sound in zip(samples, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    together, lengths = encoder(samples, torch.tensor([len(sound) for sound in sounds]))
    assert together.shape == (3, int(lengths.max()), encoder.dim)
    for item, sound in enumerate(sounds):
        alone, (frames,) = encoder(torch.from_numpy(sound)[None], torch.tensor([len(sound)]))
        assert int(lengths[item]) == int(frames)
        assert abs(int(frames) - len(sound) / RATE * encoder.frame_rate) <= 2.5
        torch.testing.assert_close(together[item, :frames], alone[0])
        assert not together[item, frames:].any()


def test_whisper_on_the_real_length_gives_what_the_full_window_gives(tmp_path):
    import onnxruntime

    from asr.pretrained_encoder import WhisperMel

    file = tmp_path / "whisper.onnx"
    encoder = make_frontend(write_whisper(file), file)
    sound = tones(2.0, 4)
    full = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    with pytest.raises(Exception, match="Add node"):
        full.run(None, {"input_features": np.zeros((1, 80, 200), np.float32)})
    wanted = full.run(None, {"input_features": WhisperMel(80)(torch.from_numpy(sound), 3000).numpy()})[0][0]
    found = encoder.states(sound)
    assert len(found) == 100
    np.testing.assert_allclose(found[:98], wanted[:98], atol=1e-5)


def test_whisper_takes_long_audio_in_pieces(tmp_path):
    file = tmp_path / "whisper.onnx"
    encoder = make_frontend(write_whisper(file), file)
    sound = tones(31.0, 4)
    whole = encoder.states(sound)
    parts = [encoder.states(sound[: 30 * RATE]), encoder.states(sound[30 * RATE :])]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_a_missing_encoder_is_said_in_one_line_with_what_to_run():
    for name in ("moonshine-tiny", "whisper-base"):
        with pytest.raises(EncoderFileError) as told:
            make_frontend(pretrained_config(name))
        assert f"run: onoma models fetch {name}" in str(told.value)
        assert "\n" not in str(told.value)


def test_another_file_than_the_model_was_trained_on_is_refused(tmp_path, monkeypatch):
    write_moonshine(tmp_path / "a.onnx")
    config = write_moonshine(tmp_path / "b.onnx", seed=1)
    with pytest.raises(EncoderFileError, match=r"sha256 .* run: onoma models fetch moonshine-tiny"):
        make_frontend(config, tmp_path / "a.onnx")
    monkeypatch.setenv("ONOMA_MOONSHINE_TINY", str(tmp_path / "a.onnx"))
    with pytest.raises(EncoderFileError, match="unset ONOMA_MOONSHINE_TINY"):
        make_frontend(config)
    monkeypatch.setenv("ONOMA_MOONSHINE_TINY", str(tmp_path / "b.onnx"))
    assert make_frontend(config).dim == 288


def test_the_cache_is_looked_into_last(tmp_path):
    config = write_moonshine(tmp_path / "a.onnx")
    target = cached_path(known("moonshine-tiny"))
    target.parent.mkdir()
    target.write_bytes((tmp_path / "a.onnx").read_bytes())
    assert make_frontend(config).states(np.zeros(5000, np.float32)).shape[1] == 288


def test_a_file_that_is_no_encoder_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    file = tmp_path / "x.onnx"
    file.write_bytes(b"not a graph")
    config = dataclasses.replace(pretrained_config("moonshine-tiny"), sha256=_sha256(file))
    with pytest.raises(FrontendError, match="not an encoder"):
        make_frontend(config, file)


def _sha256(file):
    from asr.encoder_files import sha256_of

    return sha256_of(file)


def test_settings_that_no_encoder_has_are_refused():
    with pytest.raises(
        FeatureError, match=r"accepted are moonshine-tiny, whisper-base, whisper-base\.en, huggingface"
    ):
        PretrainedConfig("x", "", 1, 1.0)
    with pytest.raises(FeatureError, match="above 0"):
        PretrainedConfig("moonshine-tiny", "", 0, 1.0)
    with pytest.raises(EncoderFileError, match="accepted are moonshine-tiny"):
        pretrained_config("moonshine")
    with pytest.raises(ModelError, match="the front-end gives 288"):
        dataclasses.replace(SIZES["tiny"], frontend=pretrained_config("moonshine-tiny"))


def test_an_encoder_of_another_size_than_the_model_says_is_refused(tmp_path):
    file = tmp_path / "a.onnx"
    config = write_moonshine(file)
    with pytest.raises(FrontendError, match="gives 288 features"):
        make_frontend(dataclasses.replace(config, frame_rate=50.0), file)


def test_the_filterbank_needs_no_encoder():
    assert isinstance(make_frontend(LogMelConfig()), LogMel)


@pytest.fixture
def strong_folder(tmp_path, tokenizer_file, model_folder):
    """A model folder on a made-up encoder, which shares the language model of another."""
    file = tmp_path / "encoder.onnx"
    frontend = write_moonshine(file)
    encoder = dataclasses.replace(SIZES["tiny"].encoder, feature_dim=288, subsampling=2)
    torch.manual_seed(5)
    model = ConformerCTC(
        dataclasses.replace(SIZES["tiny"], frontend=frontend, encoder=encoder), make_frontend(frontend, file)
    )
    folder = tmp_path / "strong"
    save_model(model.eval(), folder, torch.float32)
    (folder / "tokenizer.model").write_bytes(tokenizer_file.read_bytes())
    (folder / "lm.path").write_text(f"{model_folder / 'lm.bin'}\n")
    save_decoding_options(DecodingOptions(beam=4, lm_weight=0.3), folder)
    return folder, file, model


def test_a_model_on_an_encoder_transcribes(strong_folder):
    folder, file, model = strong_folder
    recognizer = Recognizer.from_pretrained(folder, frontend=file)
    assert recognizer.ngram is not None
    assert recognizer.model.frame_seconds == pytest.approx(2 * 384 / RATE)
    sound = tones(2.0, 7)
    heard = recognizer.acoustics([sound])[0].log_probs
    with torch.inference_mode():
        wanted = model(torch.from_numpy(sound)[None], torch.tensor([len(sound)])).log_probs[0].numpy()
    np.testing.assert_allclose(heard, wanted, atol=1e-4)
    for options in (DecodingOptions(greedy=True), DecodingOptions(beam=4), recognizer.options):
        result = recognizer.transcribe((sound, RATE), options=options)
        assert all(0 <= word.start <= word.end <= 2.0 for word in result.words)
    assert recognizer.transcribe((np.zeros(100, np.float32), RATE)).duration == pytest.approx(100 / RATE)


def test_without_its_encoder_the_model_says_what_to_run(strong_folder):
    folder, _, _ = strong_folder
    with pytest.raises(EncoderFileError, match="onoma models fetch moonshine-tiny"):
        Recognizer.from_pretrained(folder)


def test_a_shared_language_model_that_is_not_there_is_named(strong_folder):
    folder, file, _ = strong_folder
    (folder / "lm.path").write_text("nowhere/lm.bin")
    with pytest.raises(DecodingError, match="nowhere"):
        Recognizer.from_pretrained(folder, frontend=file)


def test_the_settings_come_back_as_they_were(strong_folder):
    folder, _, model = strong_folder
    assert read_config(folder) == model.config
    values = json.loads((folder / "config.json").read_text())
    assert re.fullmatch("[0-9a-f]{64}", values["frontend"]["sha256"])
    with pytest.raises(ModelError, match="accepted are moonshine-tiny"):
        config_from_dict({**values, "frontend": {**values["frontend"], "encoder": "x"}})


def test_subsampling_other_than_that_of_a_filterbank_keeps_padding_out(strong_folder):
    _, _, model = strong_folder
    lengths = torch.tensor([40, 33])
    states = torch.randn(2, 40, 288)
    with torch.inference_mode():
        together = model.encode(states, lengths)
        alone = model.encode(states[1:, :33], lengths[1:])
    assert together.lengths.tolist() == [20, 17]
    torch.testing.assert_close(together.log_probs[1, :17], alone.log_probs[0], atol=1e-4, rtol=1e-4)


HUGGING_FACE = {
    "wav2vec2": "Wav2Vec2",
    "hubert": "Hubert",
    "wavlm": "WavLM",
    "whisper": "Whisper",
}


@pytest.mark.parametrize("kind", HUGGING_FACE)
def test_encoders_of_transformers(kind, tmp_path):
    transformers = pytest.importorskip("transformers")
    from asr.frontends import huggingface_config

    torch.manual_seed(1)
    common = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    speech = {
        "conv_dim": (8, 8),
        "conv_stride": (20, 16),
        "conv_kernel": (40, 16),
        "num_feat_extract_layers": 2,
    }
    whisper = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "max_source_positions": 100}
    whisper |= {"decoder_layers": 1, "decoder_attention_heads": 2, "vocab_size": 300, "pad_token_id": 0}
    settings = whisper if kind == "whisper" else common | speech | {"num_conv_pos_embeddings": 4}
    shape = getattr(transformers, f"{HUGGING_FACE[kind]}Config")(**settings)
    model = getattr(transformers, f"{HUGGING_FACE[kind]}Model")(shape).eval()
    model.save_pretrained(tmp_path / "encoder", safe_serialization=True)
    config = huggingface_config(tmp_path / "encoder")
    encoder = make_frontend(config, tmp_path / "encoder")
    assert (encoder.dim, encoder.frame_rate) == (16, 50.0)
    for seconds in (0.01, 1.0, 2.5):
        states = encoder.states(tones(seconds, 2))
        assert abs(len(states) - 50 * seconds) <= 2
        assert np.isfinite(states).all()
    with pytest.raises(EncoderFileError, match="give the folder"):
        make_frontend(dataclasses.replace(config, sha256="0" * 64), tmp_path / "encoder")


def test_a_hugging_face_folder_must_be_given_and_whole(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path / "model")
    for name in ("config.json", "model.safetensors"):
        Path(name).touch()
    with pytest.raises(EncoderFileError, match="not given; set ONOMA_HUGGINGFACE"):
        find_folder()
    with pytest.raises(EncoderFileError, match=r"no config\.json"):
        find_folder(tmp_path)
