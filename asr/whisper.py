"""Whisper's encoder in torch, on the real length of what it hears, out of either of two kinds of files.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2: two
convolutions over log-mel frames, positions, transformer layers that norm before they attend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.adaptable import AdaptableEncoder, attended
from asr.conformer import length_mask
from asr.encoder_files import find_encoder, known
from asr.features import SAMPLE_RATE
from asr.ggml import read_ggml
from asr.lora import LoraConfig
from asr.pretrained_encoder import WHISPER_FRAME, FrontendError, WhisperMel, whisper_frames
from asr.reasons import last_line

if TYPE_CHECKING:
    from asr.frontends import PretrainedConfig


@dataclass(frozen=True)
class WhisperShape:
    """The sizes in which Whispers differ."""

    dim: int
    """Values of a state."""
    heads: int
    """Heads of its attention."""
    layers: int
    """Transformer layers."""
    inner: int
    """Values between the two linear layers of each."""
    mels: int
    """Mel bands that it hears."""
    positions: int
    """States of the longest window, 20 ms each."""


class WhisperTorch(AdaptableEncoder):
    """Whisper's encoder for many utterances at once, T = ceil(N / 320)."""

    def __init__(self, shape: WhisperShape, weights: Mapping[str, Tensor], lora: LoraConfig | None) -> None:
        """Take weights by the names that `transformers` has for them.

        Raises:
            RuntimeError: weights are missing, too many or of another size.
        """
        super().__init__()
        with torch.device("meta"):  # which draws no random weights for the given ones to replace
            self.conv1 = nn.Conv1d(shape.mels, shape.dim, 3, padding=1)
            self.conv2 = nn.Conv1d(shape.dim, shape.dim, 3, stride=2, padding=1)
            unset = torch.empty(shape.positions, shape.dim)
            self.embed_positions = nn.Embedding.from_pretrained(unset)  # type: ignore[no-untyped-call]
            self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
            self.layer_norm = nn.LayerNorm(shape.dim)
        self.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
        self.mel = WhisperMel(shape.mels)
        self.dim, self.frame_rate = shape.dim, SAMPLE_RATE / WHISPER_FRAME
        self.longest = shape.positions * WHISPER_FRAME
        self.settle(lora)

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Frontend`; what is longer than the trained positions reach goes through in pieces."""
        places = range(0, max(samples.shape[1], 1), self.longest)
        windows = [
            self._window(samples[:, at : at + self.longest], (lengths - at).clamp(0, self.longest))
            for at in places
        ]
        frames = torch.div(lengths + WHISPER_FRAME - 1, WHISPER_FRAME, rounding_mode="floor").clamp(min=1)
        states = torch.cat(windows, 1)
        return states * length_mask(frames, states.shape[1])[..., None], frames

    def _window(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """`(B, N)` samples to `(B, ceil(N / 320), D)` states, those beyond an utterance's end arbitrary."""
        frames = whisper_frames(samples.shape[1])
        own = [whisper_frames(length) for length in lengths.tolist()]
        rows = [
            F.pad(self.mel(row[:length], 2 * count), (0, 2 * (frames - count)))
            for row, length, count in zip(samples, lengths.tolist(), own, strict=True)
        ]
        real = length_mask(torch.tensor(own, device=samples.device), frames)
        x = F.gelu(self.conv1(torch.cat(rows))) * real.repeat_interleave(2, dim=1)[:, None]
        x = F.gelu(self.conv2(x)).transpose(1, 2) + self.embed_positions.weight[:frames]
        for layer in self.layers:
            x = layer(x, real)
        states: Tensor = self.layer_norm(x).float()
        return states


class Layer(nn.Module):
    """Attention, then two linear layers, each added to what it was given after a layer norm."""

    def __init__(self, shape: WhisperShape) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(shape.dim)
        self.self_attn = Attention(shape.dim, shape.heads)
        self.final_layer_norm = nn.LayerNorm(shape.dim)
        self.fc1 = nn.Linear(shape.dim, shape.inner)
        self.fc2 = nn.Linear(shape.inner, shape.dim)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """States `(B, T, D)`, of which the `real` `(B, T)` are looked at, to states."""
        x = x + self.self_attn(self.self_attn_layer_norm(x), real)
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return out


class Attention(nn.Module):
    """Attention of all frames to all frames; keys have no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.k_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """See `Layer.forward`."""
        out: Tensor = self.out_proj(
            attended(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.heads, real)
        )
        return out


class WhisperBaseEn(WhisperTorch):
    """Whisper-base.en (Radford et al. 2022) in float16, out of its ggml file; licence MIT."""

    dim = 512
    frame_rate = SAMPLE_RATE / WHISPER_FRAME

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        file = find_encoder(known(config.encoder), config.sha256, path)
        try:
            read = read_ggml(file)
            facts = read.facts
            shape = WhisperShape(
                facts["n_audio_state"],
                facts["n_audio_head"],
                facts["n_audio_layer"],
                4 * facts["n_audio_state"],
                facts["n_mels"],
                facts["n_audio_ctx"],
            )
            weights = {name: torch.tensor(tensor) for name, tensor in read.renamed().items()}
            super().__init__(shape, weights, config.lora)
        except RuntimeError as error:
            raise FrontendError(f"{file}: not an encoder ({last_line(error)})") from error
