"""Whisper's encoder in torch: what transformers gives, padding kept out, with deltas in a model folder."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from samples import RATE, tones

from asr.encoder_files import EncoderFileError
from asr.evaluation.acoustics import ACOUSTIC_FILES, digest_files
from asr.features import FeatureError
from asr.frontends import PretrainedConfig, huggingface_config, make_frontend
from asr.lora import LoraConfig, LoraError
from asr.model import SIZES, ConformerCTC, ModelError, load_model, read_config, save_model
from asr.pretrained_encoder import FrontendError, WhisperMel
from asr.recognizer import Recognizer
from asr.training.adapter.trainer import export
from biasing.adapter import ContextualAdapter
from biasing.adapter_parts import AdapterConfig


@pytest.fixture(autouse=True)
def no_folder_of_the_machine(monkeypatch):
    monkeypatch.delenv("ONOMA_HUGGINGFACE", raising=False)


@pytest.fixture
def config(whisper_folder):
    return huggingface_config(whisper_folder, "huggingface-whisper")


@pytest.fixture
def encoder(config, whisper_folder):
    return make_frontend(config, whisper_folder)


def with_deltas(config, folder, moved=True):
    """The encoder with deltas, which `moved` makes other than nothing."""
    torch.manual_seed(4)
    encoder = make_frontend(dataclasses.replace(config, lora=LoraConfig(rank=2)), folder)
    for name, tensor in encoder.named_parameters():
        if moved and name.endswith("lora_b"):
            torch.nn.init.normal_(tensor, std=0.2)
    return encoder


def padded(seconds):
    sounds = [tones(length, seed) for seed, length in enumerate(seconds)]
    samples = torch.zeros(len(sounds), round((max(seconds) + 0.3) * RATE))
    for row, sound in zip(samples, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    return sounds, samples, torch.tensor([len(sound) for sound in sounds])


def test_on_the_full_window_it_is_what_transformers_gives(encoder, whisper_folder):
    from transformers import WhisperModel

    reference = WhisperModel.from_pretrained(whisper_folder).eval().encoder
    sound = tones(2.0, 4)
    with torch.no_grad():
        wanted = reference(WhisperMel(80)(torch.from_numpy(sound), 200)).last_hidden_state[0].numpy()
    np.testing.assert_allclose(encoder.states(sound), wanted, atol=1e-6)


def test_the_real_length_takes_no_more_frames_than_it_has(encoder):
    for samples in (1, 319, 320, 321, 16_000):
        assert encoder.states(tones(samples / RATE, 2)).shape == (-(-samples // 320), 16)


@pytest.mark.parametrize("moved", [False, True])
def test_padding_changes_nothing(config, whisper_folder, moved):
    encoder = with_deltas(config, whisper_folder, moved)
    sounds, samples, lengths = padded((0.004, 0.5, 1.71, 2.0, 3.3))
    with torch.no_grad():
        together, frames = encoder(samples, lengths)
    for row, count, sound in zip(together, frames.tolist(), sounds, strict=True):
        np.testing.assert_allclose(row[:count].numpy(), encoder.states(sound), atol=1e-5)
        assert not row[count:].any()


def test_long_audio_goes_through_in_pieces(encoder):
    sound = tones(4.5, 4)
    parts = [encoder.states(sound[at : at + 2 * RATE]) for at in (0, 2 * RATE, 4 * RATE)]
    np.testing.assert_allclose(encoder.states(sound), np.concatenate(parts), atol=1e-6)


@pytest.mark.parametrize("bf16", [False, True])
def test_deltas_begin_as_nothing_bit_for_bit(config, encoder, whisper_folder, bf16):
    _, samples, lengths = padded((0.7, 1.5))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), torch.no_grad():
        frozen, _ = encoder(samples, lengths)
        begun, _ = with_deltas(config, whisper_folder, moved=False)(samples, lengths)
        moved, _ = with_deltas(config, whisper_folder)(samples, lengths)
    assert torch.equal(begun, frozen)
    assert not torch.allclose(moved, frozen, atol=1e-2)


def test_nothing_but_the_deltas_is_trained_or_saved(config, encoder, whisper_folder):
    assert not [*encoder.parameters(), *encoder.state_dict()]
    adapted = with_deltas(config, whisper_folder).train()
    assert not any(part.training for part in adapted.modules())
    names = {name for name, _ in adapted.named_parameters()}
    assert names == set(adapted.state_dict())
    assert len(names) == 2 * 2 * 2  # layers, projections, A and B
    _, samples, lengths = padded((0.7, 1.5))
    adapted(samples, lengths)[0].square().sum().backward()
    assert all(tensor.grad.any() for tensor in adapted.parameters())


def test_an_encoder_without_a_decoder_is_enough(encoder, whisper_folder, tmp_path):
    shutil.copyfile(whisper_folder / "config.json", tmp_path / "config.json")
    weights = load_file(whisper_folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if name.startswith("encoder.")}
    assert 0 < len(kept) < len(weights)
    for prefix in ("", "model."):
        save_file({prefix + name: tensor for name, tensor in kept.items()}, tmp_path / "model.safetensors")
        alone = make_frontend(huggingface_config(tmp_path, "huggingface-whisper"), tmp_path)
        np.testing.assert_array_equal(alone.states(tones(1.0, 3)), encoder.states(tones(1.0, 3)))


def test_a_folder_that_holds_no_whisper_is_refused_in_one_line(whisper_folder, tmp_path):
    settings = json.loads((whisper_folder / "config.json").read_text())
    weights = load_file(whisper_folder / "model.safetensors")
    fewer = {name: tensor for name, tensor in weights.items() if name != "encoder.conv1.bias"}
    cases = (
        (settings | {"model_type": "wav2vec2"}, weights, "holds a wav2vec2 model"),
        (settings | {"d_model": 18}, weights, "not an encoder"),
        (settings, fewer, "not an encoder"),
    )
    for config, tensors, told in cases:
        (tmp_path / "config.json").write_text(json.dumps(config))
        save_file(tensors, tmp_path / "model.safetensors")
        with pytest.raises(FrontendError, match=told) as error:
            huggingface_config(tmp_path, "huggingface-whisper")
        assert "\n" not in str(error.value)


def test_deltas_stand_on_no_other_encoder():
    with pytest.raises(FeatureError, match=r"deltas stand on moonshine-tiny or .* alone"):
        PretrainedConfig("whisper-base", "0" * 64, 512, 50.0, LoraConfig())


def test_a_target_that_the_encoder_lacks_is_named(config, whisper_folder):
    with pytest.raises(LoraError, match="'query' is no linear layer; there are fc1, fc2, k_proj, out_proj"):
        make_frontend(dataclasses.replace(config, lora=LoraConfig(targets=("query",))), whisper_folder)


@pytest.fixture
def adapted_folder(config, whisper_folder, tokenizer_file, tmp_path):
    """A model folder with deltas, and the model that it was made of."""
    encoder = dataclasses.replace(SIZES["tiny"].encoder, feature_dim=16, subsampling=2)
    frontend = with_deltas(config, whisper_folder)
    shape = dataclasses.replace(
        SIZES["tiny"], encoder=encoder, frontend=dataclasses.replace(config, lora=LoraConfig(rank=2))
    )
    torch.manual_seed(5)
    model = ConformerCTC(shape, frontend).eval()
    folder = tmp_path / "adapted"
    save_model(model, folder, torch.float32)
    shutil.copyfile(tokenizer_file, folder / "tokenizer.model")
    return folder, model


def test_a_model_folder_holds_the_deltas_and_reads_them_merged(adapted_folder, whisper_folder):
    folder, model = adapted_folder
    assert read_config(folder) == model.config
    held = [name for file in folder.glob("*.safetensors") for name in load_file(file)]
    assert set(held) == set(model.state_dict())
    recognizer = Recognizer.from_pretrained(folder, frontend=whisper_folder)
    assert not any("lora" in name for name in recognizer.model.state_dict())
    sound = tones(1.6, 7)
    with torch.inference_mode():
        wanted = model(torch.from_numpy(sound)[None], torch.tensor([len(sound)])).log_probs[0].numpy()
    np.testing.assert_allclose(recognizer.acoustics([sound])[0].log_probs, wanted, atol=1e-4)
    assert 0 <= recognizer.transcribe((sound, RATE)).duration <= 1.6


def test_a_model_without_deltas_leaves_none_of_another_in_its_folder(
    adapted_folder, config, encoder, tmp_path
):
    folder, model = adapted_folder
    plain = ConformerCTC(dataclasses.replace(model.config, frontend=config), encoder)
    for place in (folder, tmp_path / "new"):
        save_model(plain, place)
    names = [
        sorted(file.name for file in place.glob("*.safetensors")) for place in (folder, tmp_path / "new")
    ]
    assert names == [["model.safetensors"]] * 2


def test_without_its_encoder_or_with_another_the_model_is_refused(adapted_folder, whisper_folder, tmp_path):
    folder, _ = adapted_folder
    other = tmp_path / "other"
    shutil.copytree(whisper_folder, other)
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor + 1e-3 for name, tensor in weights.items()}, other / "model.safetensors")
    with pytest.raises(EncoderFileError, match="set ONOMA_HUGGINGFACE") as missing:
        Recognizer.from_pretrained(folder)
    with pytest.raises(EncoderFileError, match="give the folder that the model was trained on") as wrong:
        Recognizer.from_pretrained(folder, frontend=other)
    assert "\n" not in str(missing.value) + str(wrong.value)


def test_other_deltas_are_another_model_and_go_along_with_an_adapter(adapted_folder, tmp_path):
    folder, model = adapted_folder
    before = digest_files(folder, ACOUSTIC_FILES)
    shape = AdapterConfig(state_dim=model.config.encoder.dim, layers=3, dim=16, hidden=8, context=5)
    export(ContextualAdapter(shape, model.head.linear.weight), folder, tmp_path / "with-adapter")
    assert digest_files(tmp_path / "with-adapter", ACOUSTIC_FILES) == before
    deltas = load_file(folder / "deltas.safetensors")
    save_file({name: tensor + 1.0 for name, tensor in deltas.items()}, folder / "deltas.safetensors")
    assert digest_files(folder, ACOUSTIC_FILES) != before


def test_a_model_folder_without_its_deltas_is_refused(adapted_folder, whisper_folder):
    folder, _ = adapted_folder
    (folder / "deltas.safetensors").unlink()
    with pytest.raises(ModelError, match=r"deltas\.safetensors.*restore the file"):
        load_model(folder, whisper_folder)


@pytest.mark.parametrize("lora", [3, {"rank": 0, "targets": ["v_proj"]}, {"rank": "x"}, {"ranks": 2}])
def test_settings_of_deltas_that_cannot_be_are_refused(adapted_folder, whisper_folder, lora):
    folder, _ = adapted_folder
    values = json.loads((folder / "config.json").read_text())
    values["frontend"]["lora"] = lora
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"config\.json: model settings that cannot be used"):
        load_model(folder, whisper_folder)
