"""The folder a denoiser lives in: shape and 8-bit weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from asr.files import write_text_atomic
from asr.percepnet.bands import FormatError, audio_format
from asr.percepnet.inference import ACTIVATION_STEPS, Layer, Recurrent, Weights

if TYPE_CHECKING:
    from asr.percepnet.network import PercepNet

CONFIG_FILE, WEIGHTS_FILE = "config.json", "weights.safetensors"
FIRST_KERNEL, SECOND_KERNEL = 5, 3
"""Frames that the convolutions see."""
LARGEST = 127
"""Of the whole numbers that weights are rounded to."""
GRUS = ("gru1", "gru2", "gru3", "gain_gru", "strength_gru")
Array = NDArray[np.float32]


class DenoiserModelError(ValueError):
    """A model folder that cannot be used."""


@dataclass(frozen=True)
class DenoiserModel:
    """What the denoiser needs of a folder."""

    name: str
    sample_rate: int
    weights: Weights


def quantised(network: PercepNet) -> dict[str, NDArray[np.generic]]:
    """The arrays of a model file: matrices rounded to 8 bits with a scale for each output, biases as float32.

    Source of the rounding: symmetric, the largest weight of each output at 127.
    """
    values = {name: tensor.detach().cpu().float().numpy() for name, tensor in network.state_dict().items()}
    arrays: dict[str, NDArray[np.generic]] = {
        "dense": np.concatenate((values["dense.weight"], values["dense.bias"][:, None]), 1)
    }
    matrices = {
        name: (values[f"{name}.weight"], values[f"{name}.bias"]) for name in ("gain_head", "strength_head")
    }
    for name in ("conv1", "conv2"):
        kernel = values[f"{name}.weight"].transpose(0, 2, 1)  # (outputs, frames, inputs)
        matrices[name] = (kernel.reshape(len(kernel), -1), values[f"{name}.bias"])
    for name in GRUS:
        for part, letters in (("inputs", "ih"), ("state", "hh")):
            matrices[f"{name}.{part}"] = (
                values[f"{name}.weight_{letters}_l0"],
                values[f"{name}.bias_{letters}_l0"],
            )
    for name, (matrix, bias) in matrices.items():
        scale = np.maximum(np.abs(matrix).max(1), 1e-8) / LARGEST
        arrays[f"{name}.weights"] = np.rint(matrix / scale[:, None]).astype(np.int8)
        arrays[f"{name}.scale"] = scale.astype(np.float32)
        arrays[f"{name}.bias"] = bias
    return arrays


def assemble(arrays: dict[str, NDArray[np.generic]]) -> Weights:
    """The arrays of a model file as compiled code wants them. Raises `KeyError` where one is missing."""

    def layer(name: str) -> Layer:
        return Layer(
            np.ascontiguousarray(arrays[f"{name}.weights"], np.int8),
            (np.asarray(arrays[f"{name}.scale"], np.float32) / np.float32(ACTIVATION_STEPS)),
            np.ascontiguousarray(arrays[f"{name}.bias"], np.float32),
        )

    first, second, third, gain, strength = (
        Recurrent(layer(f"{name}.inputs"), layer(f"{name}.state")) for name in GRUS
    )
    return Weights(
        np.ascontiguousarray(arrays["dense"], np.float32),
        layer("conv1"),
        layer("conv2"),
        (first, second, third, gain, strength),
        layer("gain_head"),
        layer("strength_head"),
    )


def save_model(network: PercepNet, sample_rate: int, folder: Path) -> None:
    """Write shape and 8-bit weights into a model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (WEIGHTS_FILE + ".partial")
    save_file(quantised(network), partial)
    partial.replace(folder / WEIGHTS_FILE)
    config = {"sample_rate": sample_rate, "network": asdict(network.config)}
    write_text_atomic(folder / CONFIG_FILE, json.dumps(config, indent=2) + "\n")


def load_model(folder: Path) -> DenoiserModel:
    """Read a model folder. Raises `DenoiserModelError` saying what is wrong with it."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise DenoiserModelError(
                f"{folder}: {name} is missing; a denoiser's folder holds {CONFIG_FILE} and {WEIGHTS_FILE}"
            )
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        sample_rate, shape = int(config["sample_rate"]), dict(config["network"])
        form = audio_format(sample_rate)
        arrays = load_file(folder / WEIGHTS_FILE)
        if wrong := mismatches(arrays, expected_shapes(shape)):
            raise DenoiserModelError(f"{folder / WEIGHTS_FILE}: does not fit {CONFIG_FILE}: {wrong[0]}")
    except (KeyError, TypeError, FormatError, json.JSONDecodeError, SafetensorError) as error:
        raise DenoiserModelError(f"{folder}: cannot be used ({error}); restore or train it anew") from error
    if shape["bands"] != form.bands:
        raise DenoiserModelError(f"{folder}: {shape['bands']} bands; {sample_rate} Hz has {form.bands}")
    return DenoiserModel(folder.name, sample_rate, assemble(arrays))


def expected_shapes(shape: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of all arrays of a model file, for the network of these widths."""
    bands, dense, conv, gru, last = (
        shape[name] for name in ("bands", "dense", "conv", "gru", "strength_gru")
    )
    matrices = {
        "conv1": (conv, FIRST_KERNEL * dense),
        "conv2": (conv, SECOND_KERNEL * conv),
        "gain_head": (bands, conv + 4 * gru),
        "strength_head": (bands, last),
        "strength_gru.inputs": (3 * last, gru + conv),
        "strength_gru.state": (3 * last, last),
    }
    for name in GRUS[:4]:
        matrices[f"{name}.inputs"] = (3 * gru, conv if name == "gru1" else gru)
        matrices[f"{name}.state"] = (3 * gru, gru)
    shapes: dict[str, tuple[int, ...]] = {"dense": (dense, 2 * bands + 3)}
    for name, (rows, columns) in matrices.items():
        shapes[f"{name}.weights"] = (rows, columns)
        shapes[f"{name}.scale"] = shapes[f"{name}.bias"] = (rows,)
    return shapes


def mismatches(arrays: dict[str, NDArray[np.generic]], expected: dict[str, tuple[int, ...]]) -> list[str]:
    """What is missing, unknown or of the wrong shape, a sentence each."""
    found = {name: array.shape for name, array in arrays.items()}
    return [
        f"{name} is {found.get(name, 'missing')}, expected {expected.get(name, 'nothing of that name')}"
        for name in sorted(set(found) | set(expected))
        if found.get(name) != expected.get(name)
    ]
