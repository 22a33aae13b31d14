"""The whole Conformer encoder in one file, small parts first.

Gulati et al. 2020, "Conformer: Convolution-augmented Transformer for Speech Recognition". Departures, each
for a reason: rotary positions (Su et al. 2021) let attention run through `scaled_dot_product_attention`;
layer normalisation stands in the convolution module where the paper has batch normalisation, so that
results depend neither on batch padding nor on how a batch is split over processes; the middle layers may
run at half the frame rate (the temporal U-Net of Kim et al. 2022, "Squeezeformer"), which nearly halves the
cost of training and of recognition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class EncoderConfigError(ValueError):
    """A shape that no encoder can have."""


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the encoder."""

    feature_dim: int = 80
    """Features per input frame."""
    layers: int = 12
    """Conformer blocks."""
    dim: int = 256
    """Width of the encoder states."""
    heads: int = 4
    """Attention heads; `dim / heads` must be even for rotary positions."""
    feed_forward_mult: int = 4
    """Width of the feed-forward modules over `dim`."""
    kernel_size: int = 15
    """Taps of the depth-wise convolution, odd."""
    subsampling: Literal[1, 2, 4] = 4
    """Input frames per encoder frame: 4 for a filterbank, 1 or 2 for the states of a pretrained encoder."""
    subsampling_channels: int = 32
    """Channels of the two strided convolutions in front, where `subsampling` is 4."""
    dropout: float = 0.1
    """Dropout in every module."""
    half_rate: tuple[int, int] | None = None
    """First and last layer (counted from 1) that run on half the frames, or None to keep all throughout."""

    def __post_init__(self) -> None:
        if self.layers < 1 or self.heads < 1 or self.dim % (2 * self.heads):
            raise EncoderConfigError(
                f"layers {self.layers}, dim {self.dim}, heads {self.heads}: needed are 1 or more layers and "
                "heads, and a dim that 2 x heads divides"
            )
        if self.subsampling not in (1, 2, 4):
            raise EncoderConfigError(f"subsampling is {self.subsampling}; accepted are 1, 2 and 4")
        if self.kernel_size % 2 == 0:
            raise EncoderConfigError(f"kernel_size is {self.kernel_size}; give an odd number")
        if self.half_rate is not None and not 1 <= self.half_rate[0] <= self.half_rate[1] < self.layers:
            raise EncoderConfigError(
                f"half_rate is {self.half_rate}; the last of {self.layers} layers must run at the full rate"
            )

    def is_half_rate(self, layer: int) -> bool:
        """Whether `layer` (counted from 1) runs on half the frames."""
        return self.half_rate is not None and self.half_rate[0] <= layer <= self.half_rate[1]


def length_mask(lengths: Tensor, frames: int) -> Tensor:
    """True on real frames: `(B,)` lengths to `(B, T)`."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


class ConvSubsampling(nn.Module):
    """Two 3x3 convolutions of stride 2: a quarter of the frames, 40 ms each from 10 ms features."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        channels = config.subsampling_channels
        self.conv1 = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.out = nn.Linear(channels * self.halve(self.halve(config.feature_dim)), config.dim)

    @staticmethod
    def halve(length: int) -> int:
        """Frames (or bands) left by one convolution of stride 2."""
        return (length + 1) // 2

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, F)` features to `(B, ceil(T / 4), D)`; padding is zeroed before a convolution reads it."""
        x = features[:, None].to(memory_format=torch.channels_last)
        for conv in (self.conv1, self.conv2):
            x = F.relu(conv(x * length_mask(lengths, x.shape[2])[:, None, :, None]))
            lengths = torch.div(lengths + 1, 2, rounding_mode="floor")
        batch, channels, frames, bands = x.shape
        return self.out(x.transpose(1, 2).reshape(batch, frames, channels * bands)), lengths


class StateProjection(nn.Module):
    """States of a pretrained encoder to the width of this one: a norm, then a convolution of three frames."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.stride = config.subsampling
        self.norm = nn.LayerNorm(config.feature_dim)
        self.conv = nn.Conv1d(config.feature_dim, config.dim, 3, stride=self.stride, padding=1)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, F)` states to `(B, ceil(T / stride), D)`; padding is zeroed before it is read."""
        x = self.norm(features) * length_mask(lengths, features.shape[1])[..., None]
        lengths = torch.div(lengths + self.stride - 1, self.stride, rounding_mode="floor")
        return self.conv(x.transpose(1, 2)).transpose(1, 2), lengths


def rotary_table(frames: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines `(T, head_dim / 2)` of the rotary angles (Su et al. 2021, eq. 15)."""
    rates = 10000.0 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angles = torch.arange(frames, device=device, dtype=torch.float32)[:, None] * rates
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn query or key `(B, H, T, d)` by its position, halves as pairs."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, key_mask: Tensor) -> Tensor:
    """Scaled dot-product attention `(B, H, T, d)`; `key_mask` `(B, 1, 1, T)` is True where it may look.

    The fused kernel's backward pass on a CPU is several times slower than plain products on short utterances,
    so those train without it.
    """
    if torch.is_grad_enabled() and query.device.type == "cpu":
        bias = torch.zeros(key_mask.shape, dtype=query.dtype).masked_fill(~key_mask, -1e4)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias
        attended: Tensor = scores.softmax(-1) @ value
        return attended
    return F.scaled_dot_product_attention(query, key, value, attn_mask=key_mask)


def drop_channels(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout with one mask for all frames (Gal & Ghahramani 2016): `(B, T, D)` to `(B, T, D)`.

    On a CPU, drawing a mask for every frame costs more than the matrix products it regularises.
    """
    if not training or rate == 0.0:
        return x
    return x * F.dropout(torch.ones_like(x[:, :1]), rate)


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.dropout
        self.norm = nn.LayerNorm(config.dim)
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.out = nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor, key_mask: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """`(B, T, D)` to `(B, T, D)`; `key_mask` is `(B, 1, 1, T)`, True where attention may look."""
        batch, frames, dim = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, frames, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = attend(rotate(query, *rotary), rotate(key, *rotary), value, key_mask)
        out: Tensor = self.out(attended.transpose(1, 2).reshape(batch, frames, dim))
        return drop_channels(out, self.dropout, self.training)


class FeedForward(nn.Module):
    """Pre-norm feed-forward with Swish."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.norm = nn.LayerNorm(config.dim)
        self.up = nn.Linear(config.dim, config.dim * config.feed_forward_mult)
        self.down = nn.Linear(config.dim * config.feed_forward_mult, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T, D)` to `(B, T, D)`."""
        return drop_channels(self.down(F.silu(self.up(self.norm(x)))), self.dropout, self.training)


def depthwise_over_time(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """A depth-wise `conv` over the frames of `(B, T, D)`.

    It runs as a 2-d convolution with channels last, which takes half the time on a CPU.
    """
    rows = x.transpose(1, 2)[:, :, None]
    mixed = F.conv2d(
        rows, conv.weight[:, :, None], conv.bias, padding=(0, conv.kernel_size[0] // 2), groups=conv.groups
    )
    return mixed[:, :, 0].transpose(1, 2)


class ConvModule(nn.Module):
    """Gated point-wise, then depth-wise convolution over time."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.norm = nn.LayerNorm(config.dim)
        self.gate = nn.Linear(config.dim, 2 * config.dim)
        self.depthwise = nn.Conv1d(
            config.dim, config.dim, config.kernel_size, padding=config.kernel_size // 2, groups=config.dim
        )
        self.mid_norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor, frame_mask: Tensor) -> Tensor:
        """`(B, T, D)` to `(B, T, D)`; `frame_mask` `(B, T, 1)` keeps padding out of the convolution."""
        gated = F.glu(self.gate(self.norm(x)), dim=-1) * frame_mask
        mixed = depthwise_over_time(gated, self.depthwise)
        return drop_channels(self.out(F.silu(self.mid_norm(mixed))), self.dropout, self.training)


class ConformerLayer(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, norm (Gulati et al. 2020, eq. 1)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.feed_forward1 = FeedForward(config)
        self.attention = SelfAttention(config)
        self.conv = ConvModule(config)
        self.feed_forward2 = FeedForward(config)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, frame_mask: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """`(B, T, D)` to `(B, T, D)`; `frame_mask` is `(B, T)`, True on real frames."""
        x = x + 0.5 * self.feed_forward1(x)
        x = x + self.attention(x, frame_mask[:, None, None, :], rotary)
        x = x + self.conv(x, frame_mask[:, :, None])
        x = x + 0.5 * self.feed_forward2(x)
        out: Tensor = self.norm(x)
        return out


def halve_frames(x: Tensor, frame_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of each pair of real frames: `(B, T, D)` and `(B, T)` to `(B, ceil(T / 2), D)` and its mask."""
    odd = x.shape[1] % 2
    x, frame_mask = F.pad(x, (0, 0, 0, odd)), F.pad(frame_mask, (0, odd))
    batch, frames, dim = x.shape
    weight = frame_mask.reshape(batch, frames // 2, 2, 1).to(x.dtype)
    pairs = (x.reshape(batch, frames // 2, 2, dim) * weight).sum(2) / weight.sum(2).clamp(min=1)
    return pairs, frame_mask[:, ::2]


def double_frames(x: Tensor, frames: int) -> Tensor:
    """Each frame twice: `(B, ceil(T / 2), D)` to `(B, T, D)`."""
    return x.repeat_interleave(2, dim=1)[:, :frames]


LayerHook = Callable[[int, Tensor], Tensor]
"""Sees a layer's number (from 1) and its states `(B, T', D)` at that layer's rate; returns what goes on."""


class ConformerEncoder(nn.Module):
    """Features to states; the hook sees every layer's, for intermediate heads and the contextual adapter."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.subsampling = (ConvSubsampling if config.subsampling == 4 else StateProjection)(config)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.layers))
        self.restore = nn.Linear(config.dim, config.dim) if config.half_rate else None

    def forward(
        self, features: Tensor, lengths: Tensor, hook: LayerHook | None = None
    ) -> tuple[Tensor, Tensor]:
        """`(B, T, F)` features to the last layer's `(B, ceil(T / subsampling), D)` states and lengths."""
        x, lengths = self.subsampling(features, lengths)
        x = drop_channels(x, self.config.dropout, self.training)
        frames = x.shape[1]
        full_mask = length_mask(lengths, frames)
        rotary = rotary_table(frames, self.config.dim // self.config.heads, x.device)
        half_rotary = (rotary[0][: (frames + 1) // 2], rotary[1][: (frames + 1) // 2])
        mask, skip = full_mask, x
        for number, layer in enumerate(self.layers, start=1):
            half, was_half = self.config.is_half_rate(number), self.config.is_half_rate(number - 1)
            if half and not was_half:
                skip = x
                x, mask = halve_frames(x, full_mask)
            elif self.restore is not None and was_half and not half:
                x, mask = skip + double_frames(self.restore(x), frames), full_mask
            x = layer(x, mask, half_rotary if half else rotary)
            if hook is not None:
                x = hook(number, x)
        return x, lengths
