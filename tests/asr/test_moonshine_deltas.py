"""Moonshine in torch gives what transformers does on the weights of the file; padding stays out; deltas."""

import dataclasses
import sys

import numpy as np
import onnx
import pytest
import torch
from encoders import write_moonshine, write_moonshine_graph
from samples import RATE, tones

from asr import moonshine
from asr.frontends import make_frontend
from asr.lora import LoraConfig
from asr.moonshine import MoonshineTorch
from asr.pretrained_encoder import FrontendError

DELTAS = LoraConfig(rank=2, targets=("*_proj", "dense", "fc1", "fc2"))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("moonshine") / "encoder.onnx"


@pytest.fixture(scope="module")
def config(file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moonshine, "LAYERS", 2)
        yield write_moonshine_graph(file)


@pytest.fixture
def encoder(config, file):
    return MoonshineTorch(config, file)


def moved(encoder):
    """Deltas other than nothing."""
    torch.manual_seed(4)
    for name, tensor in encoder.named_parameters():
        if name.endswith("lora_b"):
            torch.nn.init.normal_(tensor, std=0.2)
    return encoder


def unpacked(file):
    """Every weight of the file by the name that transformers gives it, by the rules of ONNX's operators."""
    graph = onnx.load(str(file)).graph
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = {name: value for name, value in held.items() if name.endswith(("norm.weight", "bias"))}
    for number in (1, 2, 3):
        name = f"conv{number}.weight"
        found[name] = held[f"{name}_quantized"] * held[f"{name}_scale"] + held[f"{name}_zero_point"]
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            whole = held[node.input[1]].astype(np.int32) - held[node.input[3]]
            scale = held[node.input[1].replace("_quantized", "_scale")]
            place = node.name.removesuffix("/MatMul_quant")[1:].replace("/", ".")
            found[place.replace("dense", "o_proj") + ".weight"] = (whole * scale).T
        else:
            found[{"Mul": "groupnorm.weight", "Add": "groupnorm.bias"}[node.op_type]] = held[node.input[1]][
                :, 0
            ]
    return {name: torch.tensor(np.asarray(value, np.float32)) for name, value in found.items()}


def test_it_is_what_transformers_gives_on_the_weights_of_the_file(encoder, file):
    from transformers import MoonshineConfig
    from transformers.models.moonshine.modeling_moonshine import MoonshineEncoder

    reference = MoonshineEncoder(MoonshineConfig(encoder_num_hidden_layers=2)).eval()
    weights = unpacked(file)
    del weights["conv1.bias"]  # a constant that neither has
    reference.load_state_dict(weights)
    sound = tones(2.0, 4)
    with torch.no_grad():
        wanted = reference(torch.from_numpy(sound)[None]).last_hidden_state[0].numpy()
    assert np.abs(wanted).max() > 0.5
    np.testing.assert_allclose(encoder.states(sound), wanted, atol=2e-5)


def test_padding_changes_nothing(config, file):
    encoder = moved(MoonshineTorch(dataclasses.replace(config, lora=DELTAS), file))
    sounds = [tones(seconds, seed) for seed, seconds in enumerate((0.004, 0.064, 0.5, 1.71, 2.0))]
    samples = torch.zeros(len(sounds), round(2.3 * RATE))
    for row, sound in zip(samples, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    with torch.no_grad():
        together, frames = encoder(samples, torch.tensor([len(sound) for sound in sounds]))
    for row, count, sound in zip(together, frames.tolist(), sounds, strict=True):
        alone = encoder.states(sound)
        assert len(alone) == count >= 1
        np.testing.assert_allclose(row[:count].numpy(), alone, atol=1e-4)
        assert not row[count:].any()


@pytest.mark.parametrize("bf16", [False, True])
def test_deltas_begin_as_nothing_and_are_all_that_is_trained(config, encoder, file, bf16):
    samples, lengths = torch.from_numpy(tones(1.0, 3))[None], torch.tensor([RATE])
    adapted = MoonshineTorch(dataclasses.replace(config, lora=DELTAS), file).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        frozen, _ = encoder(samples, lengths)
        begun, _ = adapted(samples, lengths)
    assert torch.equal(begun, frozen)
    moved(adapted)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        states, _ = adapted(samples, lengths)
    states.square().sum().backward()
    names = {name for name, _ in adapted.named_parameters()}
    assert names == set(adapted.state_dict())
    assert len(names) == 2 * 6 * 2  # layers, linear layers of each, A and B
    assert all(tensor.grad.any() for tensor in adapted.parameters())


def test_only_what_has_deltas_runs_in_torch(config, file, tmp_path):
    assert isinstance(make_frontend(dataclasses.replace(config, lora=DELTAS), file), MoonshineTorch)
    plain = write_moonshine(tmp_path / "plain.onnx")
    assert not isinstance(make_frontend(plain, tmp_path / "plain.onnx"), MoonshineTorch)


def test_another_graph_is_refused_in_one_line(tmp_path):
    other = write_moonshine(tmp_path / "other.onnx")
    with pytest.raises(FrontendError, match="not Moonshine-tiny's encoder") as error:
        MoonshineTorch(dataclasses.replace(other, lora=DELTAS), tmp_path / "other.onnx")
    assert "\n" not in str(error.value)


def test_without_onnx_one_line_says_what_to_install(config, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(FrontendError, match=r"pip install 'onoma\[frontends\]'") as error:
        MoonshineTorch(config, file)
    assert "\n" not in str(error.value)
