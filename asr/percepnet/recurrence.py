"""A GRU over whole sequences on a CPU, where torch spends most of its time between the steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.compiled import compiled
from asr.percepnet.inference import sigmoid, tanh

Float32 = NDArray[np.float32]


def recur(gru: nn.GRU, inputs: Tensor) -> Tensor:
    """Outputs `(B, T, H)` of a one-layer, batch-first GRU for `(B, T, I)`, begun with state 0.

    Gradients can be asked for once.
    """
    if inputs.device.type != "cpu":
        return gru(inputs)[0]  # type: ignore[no-any-return]
    weights = (gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0)
    return _Recurrence.apply(inputs, *weights)  # type: ignore[no-untyped-call, no-any-return]


class _Recurrence(torch.autograd.Function):
    """Large arrays are written over where nobody else sees them: fresh memory costs more than the sums."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        inputs = inputs.to(kind)
        gates = (inputs @ w_ih.to(kind).T).float()
        hidden = torch.empty(*gates.shape[:2], w_hh.shape[1])
        memory = torch.empty_like(hidden)
        matrix = w_hh.detach().float().T.contiguous()
        arrays = (gates, matrix, torch.stack((b_ih, b_hh)), hidden, memory)
        forward_steps(*(part.detach().numpy() for part in arrays))
        ctx.kind = kind
        ctx.save_for_backward(inputs, w_ih, w_hh, gates, hidden, memory)
        return hidden

    @staticmethod
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        inputs, w_ih, w_hh, gates, hidden, memory = ctx.saved_tensors
        arrays = (wanted.float().contiguous(), gates, w_hh.detach().float().contiguous(), hidden, memory)
        backward_steps(*(part.detach().numpy() for part in arrays))
        units, kind = w_hh.shape[1], ctx.kind
        before = torch.zeros(hidden.shape, dtype=kind)
        before[:, 1:] = hidden[:, :-1]
        before, outer = before.flatten(0, 1), gates.flatten(0, 1).to(kind)
        inner = memory.flatten(0, 1).to(kind)
        of_state = torch.cat((outer[:, : 2 * units].T @ before, inner.T @ before))
        bias = gates.sum((0, 1))
        return (
            (outer @ w_ih.to(kind)).view(inputs.shape),
            (outer.T @ inputs.flatten(0, 1)).float(),
            of_state.float(),
            bias,
            torch.cat((bias[: 2 * units], memory.sum((0, 1)))),
        )


@compiled
def forward_steps(gates: Float32, matrix: Float32, biases: Float32, hidden: Float32, memory: Float32) -> None:
    """Fill `hidden` (B, T, H), and turn the products `gates` (B, T, 3H) into reset, update and candidate.

    `matrix` is (H, 3H), `biases` (2, 3H) those of inputs and state; `memory` (B, T, H) gets what the reset
    gate scales.
    """
    batch, steps, units = hidden.shape
    state = np.zeros((batch, units), np.float32)
    product = np.empty((batch, 3 * units), np.float32)
    both, last = biases[0] + biases[1], biases[1, 2 * units :]
    both[2 * units :] = biases[0, 2 * units :]
    for t in range(steps):
        np.dot(state, matrix, product)
        for b in range(batch):
            gate, recalled, now = gates[b, t], product[b], state[b]
            kept, after = memory[b, t], hidden[b, t]
            # Short loops over few arrays: the compiler then works on several units at once.
            for n in range(2 * units):
                recalled[n] = sigmoid(gate[n] + recalled[n] + both[n])
            for n in range(units):
                kept[n] = recalled[2 * units + n] + last[n]
            for n in range(units):
                recalled[2 * units + n] = tanh(
                    gate[2 * units + n] + both[2 * units + n] + recalled[n] * kept[n]
                )
            for n in range(units):
                candidate = recalled[2 * units + n]
                now[n] = candidate + recalled[units + n] * (now[n] - candidate)
            for n in range(units):
                after[n] = now[n]
            for n in range(3 * units):
                gate[n] = recalled[n]


@compiled
def backward_steps(
    wanted: Float32, gates: Float32, matrix: Float32, hidden: Float32, memory: Float32
) -> None:
    """Turn `gates` into the gradients of what went into sigmoids and tanh, `memory` into those of itself.

    `wanted` (B, T, H) is the gradient of the outputs, `matrix` (3H, H).
    """
    batch, steps, units = hidden.shape
    one = np.float32(1)
    carried = np.zeros((batch, units), np.float32)
    direct = np.zeros((batch, units), np.float32)
    onto = np.empty((batch, 3 * units), np.float32)
    start = np.zeros(units, np.float32)
    for t in range(steps - 1, -1, -1):
        for b in range(batch):
            gate, row = gates[b, t], onto[b]
            before = hidden[b, t - 1] if t > 0 else start
            for n in range(units):
                reset, update, value = gate[n], gate[units + n], gate[2 * units + n]
                slope = wanted[b, t, n] + carried[b, n] + direct[b, n]
                inner = slope * (one - update) * (one - value * value)
                row[n] = inner * memory[b, t, n] * reset * (one - reset)
                row[units + n] = slope * (before[n] - value) * update * (one - update)
                row[2 * units + n] = inner * reset
                direct[b, n] = slope * update
                memory[b, t, n] = inner * reset
                gate[n], gate[units + n], gate[2 * units + n] = row[n], row[units + n], inner
        np.dot(onto, matrix, carried)
