"""Moonshine's encoder in torch, with the weights of its ONNX file, so that it can be adapted.

Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice Commands", section 3:
three convolutions over the samples with strides 64, 3 and 2, then transformer layers with rotary positions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.adaptable import AdaptableEncoder, attended
from asr.conformer import length_mask
from asr.encoder_files import find_encoder, known
from asr.features import SAMPLE_RATE
from asr.pretrained_encoder import FrontendError
from asr.reasons import first_line

if TYPE_CHECKING:
    from asr.frontends import PretrainedConfig

DIM, HEADS, LAYERS = 288, 8, 6
KERNELS, STRIDES = (127, 7, 3), (64, 3, 2)
SHORTEST = 1024
"""Samples that the convolutions need for a frame; shorter utterances are continued with silence."""
ROTATED = 32
"""Values of a head, of 36, that turn with the position."""


class MoonshineTorch(AdaptableEncoder):
    """Moonshine-tiny with the eight-bit weights of its ONNX file in float32; licence MIT."""

    dim = DIM
    frame_rate = SAMPLE_RATE / 384

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        super().__init__()
        file = find_encoder(known(config.encoder), config.sha256, path)
        with torch.device("meta"):  # which draws no random weights for those of the file to replace
            self.conv1 = nn.Conv1d(1, DIM, KERNELS[0], STRIDES[0], bias=False)
            self.groupnorm = nn.GroupNorm(1, DIM)
            self.conv2 = nn.Conv1d(DIM, 2 * DIM, KERNELS[1], STRIDES[1])
            self.conv3 = nn.Conv1d(2 * DIM, DIM, KERNELS[2], STRIDES[2])
            self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
            self.layer_norm = nn.LayerNorm(DIM, bias=False)
        self.load_state_dict(read_weights(file, self), assign=True)
        self.settle(config.lora)

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Frontend`."""
        lengths = lengths.clamp(min=SHORTEST)
        samples = F.pad(samples, (0, max(0, SHORTEST - samples.shape[1])))
        frames = frames_after(lengths, 3)
        with torch.no_grad():
            x = self._convolved(samples, frames_after(lengths, 1))
        real = length_mask(frames, x.shape[1])
        turn = rotations(x.shape[1], x.device)
        for layer in self.layers:
            x = layer(x, turn, real)
        return self.layer_norm(x).float() * real[..., None], frames

    def _convolved(self, samples: Tensor, frames: Tensor) -> Tensor:
        """`(B, N)` samples, with `frames` of the first convolution, to `(B, T, D)`."""
        with torch.autocast(samples.device.type, enabled=False):
            x = self._normed(torch.tanh(self.conv1(samples[:, None])), frames)
        x = F.gelu(self.conv3(F.gelu(self.conv2(x))))
        return x.transpose(1, 2)

    def _normed(self, x: Tensor, frames: Tensor) -> Tensor:
        """Group norm over all values `(B, D, T)` of an utterance's own frames, as if it were alone."""
        real = length_mask(frames, x.shape[2])[:, None]
        count = (frames * DIM)[:, None, None]
        mean = (x * real).sum((1, 2), keepdim=True) / count
        variance = ((x - mean).square() * real).sum((1, 2), keepdim=True) / count
        normed = (x - mean) * (variance + self.groupnorm.eps).rsqrt()
        return normed * self.groupnorm.weight[:, None] + self.groupnorm.bias[:, None]


class Layer(nn.Module):
    """Attention, then two linear layers, each added to what it was given after a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(DIM, bias=False)
        self.self_attn = Attention()
        self.post_attention_layernorm = nn.LayerNorm(DIM, bias=False)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(DIM, 4 * DIM), "fc2": nn.Linear(4 * DIM, DIM)})

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], real: Tensor) -> Tensor:
        """States `(B, T, D)`, of which the `real` `(B, T)` are looked at, to states."""
        x = x + self.self_attn(self.input_layernorm(x), turn, real)
        out: Tensor = x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.post_attention_layernorm(x))))
        return out


class Attention(nn.Module):
    """Attention of all frames to all frames, by turned queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.dense = (
            nn.Linear(DIM, DIM, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], real: Tensor) -> Tensor:
        """See `Layer.forward`."""
        projected = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        out: Tensor = self.dense(attended(*projected, HEADS, real, lambda part: turned(part, turn)))
        return out


def frames_after(samples: Tensor, convolutions: int) -> Tensor:
    """Frames that so many convolutions make of each of these numbers of samples."""
    for kernel, stride in list(zip(KERNELS, STRIDES, strict=True))[:convolutions]:
        samples = torch.div(samples - kernel, stride, rounding_mode="floor") + 1
    return samples


def rotations(frames: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines `(frames, ROTATED / 2)` of rotary positions (Su et al. 2021, eq. 15)."""
    rates = 10_000.0 ** (-torch.arange(0, ROTATED, 2, device=device) / ROTATED)
    angles = torch.arange(frames, device=device)[:, None] * rates
    return angles.cos(), angles.sin()


def turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """`(B, H, T, 36)` with each pair of the first `ROTATED` values turned by its angle (eq. 34)."""
    cos, sin = turn
    even, odd = x[..., :ROTATED:2], x[..., 1:ROTATED:2]
    pairs = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1)
    return torch.cat((pairs.flatten(-2), x[..., ROTATED:]), -1).to(x.dtype)


def read_weights(file: Path, module: nn.Module) -> dict[str, Tensor]:
    """The weights that a module needs, out of the ONNX file, eight-bit ones multiplied out.

    Raises:
        FrontendError: the package `onnx` is missing, or the file holds another graph.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise FrontendError(
            f"{file}: onnx is needed to read an encoder with deltas; pip install 'onoma[frontends]'"
        ) from error
    try:
        graph = onnx.load(str(file)).graph
        held = {tensor.name: tensor for tensor in graph.initializer}
        inputs = {node.name: list(node.input) for node in graph.node}
        return {
            name: _weight(name, held, inputs, onnx.numpy_helper.to_array).view(like.shape)
            for name, like in module.state_dict().items()
        }
    except Exception as error:  # damaged protocol buffers and other graphs fail in a dozen ways
        raise FrontendError(f"{file}: not Moonshine-tiny's encoder ({first_line(error)})") from error


def _weight(name: str, held: dict[str, Any], inputs: dict[str, list[str]], array: Any) -> Tensor:
    """One weight, by the name that it has in this module."""

    def floats(key: str) -> Tensor:
        return torch.tensor(array(held[key])).float()

    layer = name.rpartition(".")[0]
    if layer == "groupnorm":
        node = {"weight": "Mul", "bias": "Add"}[name.rpartition(".")[2]]
        return floats(inputs[f"/groupnorm/{node}"][1])
    if name in held:
        return floats(name)
    if f"{name}_quantized" in held:  # (w * scale) + offset, the graph's two nodes
        return floats(f"{name}_quantized") * floats(f"{name}_scale") + floats(f"{name}_zero_point")
    stored = inputs[f"/{layer.replace('.', '/').replace('layers/', 'layers.')}/MatMul_quant"][1]
    base = stored.removesuffix("_quantized")
    return ((floats(stored) - floats(f"{base}_zero_point")) * floats(f"{base}_scale")).T
