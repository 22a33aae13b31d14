"""The network in compiled code, with weights of 8 bits: frame after frame, without torch.

All inputs of the quantised layers lie in [-1, 1], as outputs of tanh and of GRUs do, and are rounded to
`1 / ACTIVATION_STEPS`. Weights are whole numbers up to 127 with a scale for each output; sums are exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compiled, compiled_formula, compiled_part

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int16 = NDArray[np.int16]

ACTIVATION_STEPS = 2047
"""Steps from 0 to 1; products with weights summed over 2560 inputs stay within 32 bits."""
SATURATION = 4.97
"""Argument beyond which the approximation of tanh reaches 1."""


class Layer(NamedTuple):
    """Outputs `scale * (weights @ input) + bias`."""

    weights: NDArray[np.int8]
    """`(outputs, inputs)`."""
    scale: Float32
    """`(outputs,)`, for inputs of whole numbers."""
    bias: Float32
    """`(outputs,)`."""


class Recurrent(NamedTuple):
    """A GRU: gates reset, update and candidate, in this order."""

    inputs: Layer
    state: Layer


class Weights(NamedTuple):
    """All of a network; see `asr.percepnet.network`."""

    dense: Float32
    """`(dense, features + 1)`, the bias last: the features have no bounds, and are few."""
    conv1: Layer
    """Inputs are the frames in their order, oldest first."""
    conv2: Layer
    grus: tuple[Recurrent, Recurrent, Recurrent, Recurrent, Recurrent]
    """The three in a row, the one of the gains, the one of the strengths."""
    gain_head: Layer
    strength_head: Layer


class NetworkState(NamedTuple):
    """What the network remembers, and its scratch."""

    dense: Int16
    """Outputs of the dense layer in the last five frames, one after the other."""
    conv: Int16
    """Outputs of the first convolution in the last three frames."""
    hidden: tuple[Float32, Float32, Float32, Float32, Float32]
    """States of the GRUs."""
    skip: Int16
    """The gain head's input: second convolution and four GRUs."""
    strength_in: Int16
    """Input of the strengths' GRU: third GRU and second convolution."""
    strength_out: Int16
    """Its output."""
    work: Float32
    """Scratch `(2, widest)`."""


def new_network_state(weights: Weights) -> NetworkState:
    """The state before the first frame."""
    units = [gru.state.weights.shape[1] for gru in weights.grus]
    conv = weights.conv2.weights.shape[0]
    widest = max(
        conv, weights.conv1.weights.shape[0], len(weights.dense), 3 * max(units), len(weights.gain_head.bias)
    )

    def zeros(count: int) -> Int16:
        return np.zeros(count, np.int16)

    return NetworkState(
        zeros(weights.conv1.weights.shape[1]),
        zeros(weights.conv2.weights.shape[1]),
        tuple(np.zeros(count, np.float32) for count in units),  # type: ignore[arg-type]
        zeros(weights.gain_head.weights.shape[1]),
        zeros(weights.grus[4].inputs.weights.shape[1]),
        zeros(units[4]),
        np.zeros((2, widest), np.float32),
    )


@compiled_formula
def tanh(x: np.float32) -> np.float32:
    """Lambert's continued fraction for tanh, cut after seven terms: within 1e-4, and without a branch."""
    x = min(max(x, np.float32(-SATURATION)), np.float32(SATURATION))
    s = x * x
    above = x * (np.float32(135135) + s * (np.float32(17325) + s * (np.float32(378) + s)))
    below = np.float32(135135) + s * (np.float32(62370) + s * (np.float32(3150) + s * np.float32(28)))
    return min(max(above / below, np.float32(-1)), np.float32(1))


@compiled_formula
def sigmoid(x: np.float32) -> np.float32:
    """The logistic function, made of `tanh`."""
    return np.float32(0.5) + np.float32(0.5) * tanh(np.float32(0.5) * x)


@compiled_part
def _apply(layer: Layer, inputs: Int16, out: Float32) -> None:
    """The layer's outputs, in the first places of `out`."""
    weights = layer.weights
    for row in range(weights.shape[0]):
        total = np.int32(0)
        for column in range(weights.shape[1]):
            total += np.int32(weights[row, column]) * np.int32(inputs[column])
        # Cut to 32 bits here, so that the compiler may do so all along: it then multiplies in pairs.
        out[row] = np.float32(np.int32(total)) * layer.scale[row] + layer.bias[row]


@compiled_part
def _keep(values: Float32, out: Int16) -> None:
    """Round values in [-1, 1] to whole steps."""
    for n in range(len(out)):
        out[n] = np.int16(np.rint(values[n] * np.float32(ACTIVATION_STEPS)))


@compiled_part
def _push(history: Int16, values: Float32, count: int) -> None:
    """Append `count` values through tanh to a history and drop its oldest."""
    kept = len(history) - count
    for n in range(kept):
        history[n] = history[n + count]
    for n in range(count):
        values[n] = tanh(values[n])
    _keep(values, history[kept:])


@compiled_part
def _recur(gru: Recurrent, inputs: Int16, hidden: Float32, work: Float32, out: Int16) -> None:
    """One step of a GRU (Cho et al. 2014, with the reset after the product); `out` holds the state as steps.

    `out` must hold the last step's state when this is called.
    """
    units = len(hidden)
    _apply(gru.inputs, inputs, work[0])
    _apply(gru.state, out, work[1])
    for n in range(units):
        reset = sigmoid(work[0, n] + work[1, n])
        update = sigmoid(work[0, units + n] + work[1, units + n])
        candidate = tanh(work[0, 2 * units + n] + reset * work[1, 2 * units + n])
        hidden[n] = candidate + update * (hidden[n] - candidate)
    _keep(hidden, out)


@compiled
def infer(
    weights: Weights, state: NetworkState, features: Float32, gains: Float64, strengths: Float64
) -> None:
    """Gains and strengths `(n, bands)` of features `(n, features)`."""
    conv, units = len(weights.conv2.bias), len(state.hidden[0])
    skip, work = state.skip, state.work
    for i in range(len(features)):
        _dense(weights.dense, features[i], work[0])
        _push(state.dense, work[0], len(weights.dense))
        _apply(weights.conv1, state.dense, work[0])
        _push(state.conv, work[0], len(weights.conv1.bias))
        _apply(weights.conv2, state.conv, work[0])
        _push(skip[:conv], work[0], conv)
        a, b, c, d = conv, conv + units, conv + 2 * units, conv + 3 * units
        _recur(weights.grus[0], skip[:conv], state.hidden[0], work, skip[a:b])
        _recur(weights.grus[1], skip[a:b], state.hidden[1], work, skip[b:c])
        _recur(weights.grus[2], skip[b:c], state.hidden[2], work, skip[c:d])
        _recur(weights.grus[3], skip[c:d], state.hidden[3], work, skip[d:])
        # Loops: compiling the assignment of one slice to another takes seconds.
        for n in range(units):
            state.strength_in[n] = skip[c + n]
        for n in range(conv):
            state.strength_in[units + n] = skip[n]
        _recur(weights.grus[4], state.strength_in, state.hidden[4], work, state.strength_out)
        _head(weights.gain_head, skip, work[0], gains[i])
        _head(weights.strength_head, state.strength_out, work[0], strengths[i])


@compiled_part
def _dense(weights: Float32, features: Float32, out: Float32) -> None:
    count = len(features)
    for row in range(len(weights)):
        total = weights[row, count]
        for column in range(count):
            total += weights[row, column] * features[column]
        out[row] = total


@compiled_part
def _head(layer: Layer, inputs: Int16, work: Float32, out: Float64) -> None:
    _apply(layer, inputs, work)
    for n in range(len(out)):
        out[n] = sigmoid(work[n])
