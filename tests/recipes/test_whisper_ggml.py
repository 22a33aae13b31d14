"""Whisper's encoder out of a ggml file: exactly what was put in, and what is no such file is refused."""

import json
import struct
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from recipes.whisper import ggml
from recipes.whisper.ggml import FACTS, MAGIC, GgmlError, convert, huggingface_name, read_ggml

SHAPE = dict(zip(FACTS, (300, 100, 16, 2, 2, 20, 16, 2, 1, 80, 1), strict=True))


def parts_of_whisper(seed=0):
    """Tensors under OpenAI's names, as a file has them: matrices in float16, the rest in float32."""
    width, bands = SHAPE["n_audio_state"], SHAPE["n_mels"]
    shapes = {
        "encoder.positional_embedding": (100, width),
        "encoder.conv1.weight": (width, bands, 3),
        "encoder.conv1.bias": (width, 1),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width, 1),
        "encoder.ln_post.weight": (width,),
        "encoder.ln_post.bias": (width,),
    }
    for layer in range(SHAPE["n_audio_layer"]):
        block = f"encoder.blocks.{layer}."
        for name, rows, columns in (
            *((f"attn.{part}", width, width) for part in ("query", "key", "value", "out")),
            ("mlp.0", 4 * width, width),
            ("mlp.2", width, 4 * width),
        ):
            shapes[f"{block}{name}.weight"] = (rows, columns)
            shapes |= {} if name == "attn.key" else {f"{block}{name}.bias": (rows,)}
        for name in ("attn_ln", "mlp_ln"):
            shapes |= {f"{block}{name}.weight": (width,), f"{block}{name}.bias": (width,)}
    shapes["decoder.token_embedding.weight"] = (300, width)
    chance = np.random.default_rng(seed)
    return {
        name: chance.normal(0, 0.2, shape).astype(np.float16 if name.endswith("weight") else np.float32)
        for name, shape in shapes.items()
    }


def write_ggml(file, tensors, kind=None):
    """A ggml file, written by the description of the format."""
    out = [struct.pack("<12i", MAGIC, *SHAPE.values()), struct.pack("<2i", 80, 201)]
    out.append(np.arange(80 * 201, dtype="<f4").tobytes())
    words = [b"a", "\u00e9\u00df".encode(), b""]
    out.append(struct.pack("<i", len(words)))
    out += [struct.pack("<i", len(word)) + word for word in words]
    for name, tensor in tensors.items():
        type_ = (1 if tensor.dtype == np.float16 else 0) if kind is None else kind
        out.append(struct.pack("<3i", tensor.ndim, len(name), type_))
        out.append(struct.pack(f"<{tensor.ndim}i", *tensor.shape[::-1]) + name.encode() + tensor.tobytes())
    file.write_bytes(b"".join(out))
    return file


def test_what_is_written_comes_back(tmp_path):
    tensors = parts_of_whisper()
    read = read_ggml(write_ggml(tmp_path / "ggml.bin", tensors))
    assert read.facts == SHAPE
    np.testing.assert_array_equal(read.filters.ravel(), np.arange(80 * 201))
    assert set(read.encoder) == {name for name in tensors if name.startswith("encoder.")}
    for name, tensor in read.encoder.items():
        assert tensor.dtype == tensors[name].dtype
        np.testing.assert_array_equal(tensor, tensors[name])


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
        held = getattr(encoder.encoder.layers[layer].self_attn, ours).weight.numpy()
        np.testing.assert_array_equal(held, tensors[f"encoder.blocks.{layer}.{name}.weight"])
    assert encoder.states(np.zeros(1000, np.float32)).shape == (4, 16)


def test_the_settings_are_those_of_the_file(tmp_path):
    folder = convert(write_ggml(tmp_path / "ggml.bin", parts_of_whisper()), tmp_path / "folder")
    found = json.loads((folder / "config.json").read_text())
    wanted = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
    wanted |= {"max_source_positions": 100, "num_mel_bins": 80, "model_type": "whisper", "vocab_size": 300}
    assert wanted.items() <= found.items()


def test_names_that_are_none_of_the_encoder_are_refused():
    for name in ("encoder.blocks.0.attn.other.weight", "encoder.heads.0.attn.key.weight", "encoder.x"):
        with pytest.raises(GgmlError, match="no tensor of Whisper's encoder"):
            huggingface_name(name)


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
