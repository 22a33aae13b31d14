"""Whisper's encoder out of a ggml file as a folder that transformers reads."""

import json
import sys

import numpy as np
import pytest
from encoders import parts_of_whisper, write_ggml
from safetensors.numpy import load_file

from asr.ggml import GgmlError
from recipes.whisper import ggml
from recipes.whisper.ggml import convert


def test_the_folder_is_one_that_transformers_reads(tmp_path):
    transformers = pytest.importorskip("transformers")
    from asr.frontends import huggingface_config, make_frontend

    tensors = parts_of_whisper()
    folder = convert(write_ggml(tmp_path / "ggml.bin", tensors), tmp_path / "folder")
    weights = load_file(folder / "model.safetensors")
    settings = transformers.WhisperConfig.from_pretrained(folder, pad_token_id=0)
    wanted = transformers.WhisperModel(settings).encoder.state_dict()
    assert {name.removeprefix("model.encoder."): tensor.shape for name, tensor in weights.items()} == {
        name: tuple(tensor.shape) for name, tensor in wanted.items()
    }
    encoder = make_frontend(huggingface_config(folder, "huggingface-whisper"), folder)
    for layer, name, ours in ((0, "attn.query", "q_proj"), (1, "attn.out", "out_proj")):
        held = getattr(encoder.layers[layer].self_attn, ours).weight.numpy()
        np.testing.assert_array_equal(held, tensors[f"encoder.blocks.{layer}.{name}.weight"])
    assert encoder.states(np.zeros(1000, np.float32)).shape == (4, 16)


def test_the_settings_are_those_of_the_file(tmp_path):
    folder = convert(write_ggml(tmp_path / "ggml.bin", parts_of_whisper()), tmp_path / "folder")
    found = json.loads((folder / "config.json").read_text())
    wanted = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
    wanted |= {"max_source_positions": 100, "num_mel_bins": 80, "model_type": "whisper", "vocab_size": 300}
    assert wanted.items() <= found.items()


def test_other_and_cut_files_are_refused_in_one_line(tmp_path, monkeypatch, capsys):
    whole = write_ggml(tmp_path / "whole.bin", parts_of_whisper()).read_bytes()
    quantised = write_ggml(tmp_path / "quantised.bin", parts_of_whisper(), kind=8).read_bytes()
    bare = write_ggml(tmp_path / "bare.bin", {}).read_bytes()
    cases = (
        (b"GGUF" + whole[4:], "not a ggml file"),
        (quantised, "quantised"),
        (bare, "0 of the 37 tensors"),
    )
    cuts = np.random.default_rng(2).integers(0, whole.index(b"decoder."), 25)
    cases += tuple((whole[:cut], "cut off|of the 37 tensors") for cut in cuts)
    for content, told in cases:
        (tmp_path / "ggml.bin").write_bytes(content)
        with pytest.raises(GgmlError, match=told) as error:
            convert(tmp_path / "ggml.bin", tmp_path / "folder")
        assert "\n" not in str(error.value)
    monkeypatch.setattr(sys, "argv", ["ggml", str(tmp_path / "none.bin"), "--out", str(tmp_path / "folder")])
    with pytest.raises(SystemExit, match=r"none\.bin"):
        ggml.main()
    assert not (tmp_path / "folder").exists()
