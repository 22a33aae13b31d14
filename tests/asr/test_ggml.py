"""Whisper's encoder in a ggml file: exactly what was put in, run as any other, refused when damaged."""

import struct
from pathlib import Path

import numpy as np
import pytest
from encoders import GGML_FACTS, parts_of_whisper, write_ggml
from samples import tones

from asr.encoder_files import sha256_of
from asr.frontends import PretrainedConfig, huggingface_config, make_frontend
from asr.ggml import GgmlError, GgmlFile, read_ggml
from asr.pretrained_encoder import FrontendError
from asr.whisper import WhisperBaseEn
from recipes.whisper.ggml import convert


def config_of(file):
    return PretrainedConfig("whisper-base.en", sha256_of(file), 16, 50.0)


def test_what_is_written_comes_back(tmp_path):
    tensors = parts_of_whisper()
    read = read_ggml(write_ggml(tmp_path / "ggml.bin", tensors))
    assert read.facts == GGML_FACTS
    np.testing.assert_array_equal(read.filters.ravel(), np.arange(80 * 201))
    assert set(read.encoder) == {name for name in tensors if name.startswith("encoder.")}
    for name, tensor in read.encoder.items():
        assert tensor.dtype == tensors[name].dtype
        np.testing.assert_array_equal(tensor, tensors[name])


def test_the_file_is_heard_with_as_the_folder_made_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(WhisperBaseEn, "dim", 16)
    file = write_ggml(tmp_path / "ggml.bin", parts_of_whisper())
    folder = convert(file, tmp_path / "folder")
    sound = tones(1.3, 2)
    wanted = make_frontend(huggingface_config(folder, "huggingface-whisper"), folder).states(sound)
    found = make_frontend(config_of(file), file).states(sound)
    assert found.shape == (65, 16)
    np.testing.assert_array_equal(found, wanted)


def test_names_that_are_none_of_the_encoder_are_refused():
    tensors = {name: tensor for name, tensor in parts_of_whisper().items() if name.startswith("encoder.")}
    taken = tensors.pop("encoder.ln_post.bias")
    for name in ("encoder.blocks.0.attn.other.weight", "encoder.heads.0.attn.key.weight", "encoder.x"):
        with pytest.raises(GgmlError, match="no tensor of Whisper's encoder"):
            GgmlFile(Path("a"), GGML_FACTS, np.zeros((1, 1), np.float32), tensors | {name: taken}).renamed()


def test_a_damaged_file_is_refused_in_one_line(tmp_path):
    whole = write_ggml(tmp_path / "whole.bin", parts_of_whisper()).read_bytes()
    wrong = write_ggml(
        tmp_path / "wrong.bin", parts_of_whisper() | {"encoder.ln_post.bias": np.zeros(3, np.float32)}
    )
    bands = [
        whole[:48] + struct.pack("<2i", *sizes) + whole[56:] for sizes in ((2**31 - 1, 2**31 - 1), (-2, -2))
    ]
    place = whole.index(b"decoder.") - 8
    negative = whole[:place] + struct.pack("<2i", -3, -4) + whole[place + 8 :]
    for content in (b"GGUF" + whole[4:], whole[:5000], wrong.read_bytes(), *bands, negative):
        file = tmp_path / "ggml.bin"
        file.write_bytes(content)
        with pytest.raises(
            FrontendError, match=r"ggml\.bin: (not an encoder|not a ggml file|cut off|damaged)"
        ) as error:
            WhisperBaseEn(config_of(file), file)
        assert "\n" not in str(error.value)
