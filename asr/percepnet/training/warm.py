"""Weights that a run begins with: those of an earlier one, of the same rate or of another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from asr.percepnet.bands import Format, audio_format, band_weights
from asr.percepnet.model import CONFIG_FILE
from asr.percepnet.network import PercepNet
from asr.reasons import last_line
from asr.training.config import ConfigError

FLOAT_FILE = "weights.safetensors"
"""The averaged weights before they are rounded to 8 bits, in the run's folder."""
HEADS = ("gain_head", "strength_head")
Array = NDArray[np.float64]
Weights = dict[str, Tensor]


def begin_with(network: PercepNet, sample_rate: int, runs: Sequence[Path]) -> None:
    """Give a network the weights of a finished run, or of two of half its widths side by side.

    Weights of another rate are moved to the bands of this one.

    Raises:
        ConfigError: no finished run there, more than two, or other widths.
    """
    found = [_finished(run, sample_rate) for run in runs]
    if len(found) > 2:
        raise ConfigError(f"run.start names {len(found)} runs; a network begins with one, or with two")
    try:
        network.load_state_dict(found[0] if len(found) == 1 else side_by_side(*found))
    except (RuntimeError, KeyError) as error:
        told = " and ".join(map(str, runs))
        raise ConfigError(
            f"run.start: {told} has other widths than this network ({last_line(error)}); "
            "start from runs of the same shape"
        ) from error


def _finished(run: Path, sample_rate: int) -> Weights:
    try:
        config = json.loads((run / "model" / CONFIG_FILE).read_text(encoding="utf-8"))
        weights = load_file(run / FLOAT_FILE)
        own = audio_format(config["sample_rate"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = last_line(error)
        raise ConfigError(f"run.start: {run} is not the folder of a finished run ({reason})") from error
    return weights if own.sample_rate == sample_rate else moved(weights, own, audio_format(sample_rate))


def side_by_side(first: Weights, second: Weights) -> Weights:
    """Two networks as one of twice the widths, whose answers are the sigmoids of their mean logits."""
    result: Weights = {}
    for name, one in first.items():
        layer, other = name.split(".")[0], second[name]
        # Parts of the outputs (gates) and of the inputs (layers that are concatenated) stay together.
        outputs = 3 if "gru" in layer else 1
        inputs = {"gain_head": 5, "strength_gru": 2 if "_ih_" in name else 1}.get(layer, 1)
        if layer in HEADS:
            result[name] = _beside(one, other, inputs) / 2 if one.ndim > 1 else (one + other) / 2
        elif layer == "dense" or one.ndim == 1:
            pairs = zip(one.chunk(outputs), other.chunk(outputs), strict=True)
            result[name] = torch.cat([part for pair in pairs for part in pair])
        else:
            pairs = zip(one.chunk(outputs), other.chunk(outputs), strict=True)
            result[name] = torch.cat([_block(*pair, inputs) for pair in pairs])
    return result


def _beside(one: Tensor, other: Tensor, parts: int) -> Tensor:
    pairs = zip(one.chunk(parts, 1), other.chunk(parts, 1), strict=True)
    return torch.cat([part for pair in pairs for part in pair], 1)


def _block(one: Tensor, other: Tensor, parts: int) -> Tensor:
    """Each to its own outputs from its own inputs, of which there are so many parts."""
    return torch.cat(
        (_beside(one, torch.zeros_like(other), parts), _beside(torch.zeros_like(one), other, parts))
    )


def moved(weights: Weights, old: Format, new: Format) -> Weights:
    """A network's weights for the bands of another rate.

    What it hears in an old band is interpolated from the new ones, with the energies brought to the old
    scale; what it says of a new band is interpolated from the old ones. Bands above the old ones get what is
    said of the highest.
    """
    heard, told = interpolation(old, new), interpolation(new, old)
    dense = weights["dense.weight"].double().numpy()
    energy, coherence, pitch = np.split(dense, (old.bands, 2 * old.bands), axis=1)
    ratio = _sizes(old) / (heard @ _sizes(new))
    inputs = np.concatenate((energy @ heard, coherence @ heard, pitch), axis=1)
    result = {
        **weights,
        "dense.weight": torch.from_numpy(inputs).float(),
        "dense.bias": weights["dense.bias"] + torch.from_numpy(energy @ np.log10(ratio)).float(),
    }
    for head in HEADS:
        for part in ("weight", "bias"):
            values = weights[f"{head}.{part}"].double().numpy()
            result[f"{head}.{part}"] = torch.from_numpy(told @ values).float()
    return result


def interpolation(wanted: Format, given: Format) -> Array:
    """Matrix `(wanted bands, given bands)` that reads a curve over the given bands at the wanted ones."""
    columns = np.eye(given.bands)
    return np.stack([np.interp(wanted.edges, given.edges, column) for column in columns], axis=1)


def _sizes(form: Format) -> Array:
    """Energy of each band for noise of one density: bins, and the squared samples of a window."""
    return np.asarray(band_weights(form.edges, form.hop + 1).sum(1) * form.hop**2)
