"""Encoders with random weights, made for the tests."""

import struct
from pathlib import Path

import numpy as np
import pytest

from asr import moonshine
from asr.encoder_files import sha256_of
from asr.frontends import ENCODERS, PretrainedConfig
from asr.ggml import FACTS, MAGIC

GGML_FACTS = dict(zip(FACTS, (300, 100, 16, 2, 2, 20, 16, 2, 1, 80, 1), strict=True))


def write_moonshine(file: Path, seed: int = 0) -> PretrainedConfig:
    """One convolution with Moonshine's stride and a norm over time, as its first layers have."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weight = np.random.default_rng(seed).normal(0, 0.05, (288, 1, 1024)).astype(np.float32)
    nodes = [
        helper.make_node("Unsqueeze", ["input_values", "one"], ["rows"]),
        helper.make_node("Conv", ["rows", "weight"], ["seen"], strides=[384]),
        helper.make_node("ReduceMean", ["seen"], ["mean"], axes=[2], keepdims=1),
        helper.make_node("Sub", ["seen", "mean"], ["level"]),
        helper.make_node("Add", ["level", "seen"], ["both"]),
        helper.make_node("Transpose", ["both"], ["last_hidden_state"], perm=[0, 2, 1]),
    ]
    constants = {"weight": weight, "one": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "moonshine",
        [helper.make_tensor_value_info("input_values", 1, ["batch", "samples"])],
        [helper.make_tensor_value_info("last_hidden_state", 1, ["batch", "frames", 288])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return _written(helper, graph, file, "moonshine-tiny")


def write_whisper(file: Path) -> PretrainedConfig:
    """A convolution and a fixed table of 1500 positions, which demands 30 s as Whisper's graph does."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    from asr.pretrained_encoder import whisper_positions

    weight = np.random.default_rng(1).normal(0, 0.1, (512, 80, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input_features", "weight"], ["seen"], strides=[2], pads=[1, 1]),
        helper.make_node("Transpose", ["seen"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("Add", ["rows", "embed_positions.weight"], ["last_hidden_state"]),
    ]
    constants = {"weight": weight, "embed_positions.weight": whisper_positions(1500, 512)}
    graph = helper.make_graph(
        nodes,
        "whisper",
        [helper.make_tensor_value_info("input_features", 1, ["batch", 80, "frames"])],
        [helper.make_tensor_value_info("last_hidden_state", 1, ["batch", "half", 512])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return _written(helper, graph, file, "whisper-base")


def write_moonshine_graph(file: Path, seed: int = 0) -> PretrainedConfig:
    """What `asr.moonshine` reads out of the real file: its constants, and the nodes that name them."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    generator = np.random.default_rng(seed)
    constants: dict[str, np.ndarray] = {}
    nodes = []

    def quantized(name, kind, *shape):
        constants[f"{name}_quantized"] = generator.integers(0, 256, shape).astype(np.uint8).view(kind)
        constants[f"{name}_scale"] = np.full(1, 0.4 / 128 / np.sqrt(np.prod(shape[1:])), np.float32)

    def drawn(name, mean, *shape):
        constants[name] = generator.normal(mean, 0.1, shape).astype(np.float32)

    for place, node in enumerate(("Mul", "Add")):
        drawn(f"onnx::{node}_{place}", 1 - place, moonshine.DIM, 1)
        nodes.append(helper.make_node(node, ["x", f"onnx::{node}_{place}"], ["y"], name=f"/groupnorm/{node}"))
    for number, shape in enumerate(((1, 288, 127), (288, 576, 7), (576, 288, 3)), 1):
        quantized(f"conv{number}.weight", np.int8, shape[1], shape[0], shape[2])
        constants[f"conv{number}.weight_zero_point"] = np.full(1, 1e-3, np.float32)
        drawn(f"conv{number}.bias", 0, shape[1])
    drawn("layer_norm.weight", 1, 288)
    for layer in range(moonshine.LAYERS):
        at = f"layers.{layer}"
        drawn(f"{at}.input_layernorm.weight", 1, 288)
        drawn(f"{at}.post_attention_layernorm.weight", 1, 288)
        drawn(f"{at}.mlp.fc1.bias", 0, 1152)
        drawn(f"{at}.mlp.fc2.bias", 0, 288)
        for part, inputs, outputs in (
            *((f"self_attn/{name}", 288, 288) for name in ("q_proj", "k_proj", "v_proj", "dense")),
            ("mlp/fc1", 288, 1152),
            ("mlp/fc2", 1152, 288),
        ):
            name = f"onnx::MatMul_{len(constants)}"
            quantized(name, np.uint8, inputs, outputs)
            constants[f"{name}_zero_point"] = np.array(127, np.uint8)
            nodes.append(
                helper.make_node(
                    "MatMulInteger",
                    ["x", f"{name}_quantized", "zero", f"{name}_zero_point"],
                    ["y"],
                    name=f"/{at}/{part}/MatMul_quant",
                )
            )
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return _written(helper, helper.make_graph(nodes, "moonshine", [], [], held), file, "moonshine-tiny")


def parts_of_whisper(seed=0):
    """Tensors under OpenAI's names, as a file has them: matrices in float16, the rest in float32."""
    width, bands = GGML_FACTS["n_audio_state"], GGML_FACTS["n_mels"]
    shapes = {
        "encoder.positional_embedding": (100, width),
        "encoder.conv1.weight": (width, bands, 3),
        "encoder.conv1.bias": (width, 1),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width, 1),
        "encoder.ln_post.weight": (width,),
        "encoder.ln_post.bias": (width,),
    }
    for layer in range(GGML_FACTS["n_audio_layer"]):
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
    out = [struct.pack("<12i", MAGIC, *GGML_FACTS.values()), struct.pack("<2i", 80, 201)]
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


def _written(helper, graph, file: Path, name: str) -> PretrainedConfig:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    file.write_bytes(model.SerializeToString())
    return PretrainedConfig(name, sha256_of(file), ENCODERS[name].dim, ENCODERS[name].frame_rate)
