"""Encoders in the folders of Hugging Face's `transformers`, in torch: frozen, or Whisper's with deltas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F

from asr.adaptable import AdaptableEncoder
from asr.conformer import length_mask
from asr.encoder_files import WEIGHTS, find_folder, prove
from asr.features import SAMPLE_RATE
from asr.pretrained_encoder import (
    WHISPER_FRAME,
    FrontendError,
    PretrainedEncoder,
    Samples,
    States,
    WhisperMel,
    pieces,
    whisper_frames,
)
from asr.reasons import first_line, last_line

if TYPE_CHECKING:
    from asr.frontends import PretrainedConfig


class HuggingFaceEncoder(PretrainedEncoder):
    """A folder of `transformers` with wav2vec 2.0, HuBERT, WavLM or Whisper, in float32."""

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        folder = find_folder(path)
        prove(folder / WEIGHTS, config.sha256, "give the folder that the model was trained on")
        library = _library(folder)
        try:
            model = library.AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
        except (OSError, ValueError, KeyError) as error:
            raise FrontendError(f"{folder}: not an encoder ({first_line(error)})") from error
        shape = model.config
        self._mel = WhisperMel(shape.num_mel_bins) if shape.model_type == "whisper" else None
        self._model = model.encoder if self._mel else model
        self.dim = shape.d_model if self._mel else shape.hidden_size
        self._frame = WHISPER_FRAME if self._mel else int(np.prod(shape.conv_stride))
        self.frame_rate = SAMPLE_RATE / self._frame
        self._normalize = _normalizes(folder)

    @torch.no_grad()
    def states(self, samples: Samples) -> States:
        """`(N,)` samples to `(T, D)` at the rate of the encoder."""
        if self._mel:
            longest = self._model.config.max_source_positions
            parts = pieces(samples, longest * WHISPER_FRAME)
            found: States = np.concatenate([self._whisper(part, longest) for part in parts])
            return found
        sound = torch.from_numpy(np.pad(samples, (0, max(0, 2 * self._frame - len(samples)))))
        if self._normalize:
            sound = (sound - sound.mean()) / (sound.var(correction=0) + 1e-7).sqrt()
        states: States = self._model(sound[None]).last_hidden_state[0].numpy()
        return states

    def _whisper(self, samples: Samples, longest: int) -> States:
        """The states of the real frames; this class of `transformers` demands the full window."""
        assert self._mel is not None
        states = self._model(self._mel(torch.from_numpy(samples), 2 * longest)).last_hidden_state[0]
        found: States = states[: whisper_frames(len(samples))].numpy()
        return found


class HuggingFaceWhisper(AdaptableEncoder):
    """Whisper's encoder (Radford et al. 2022) in torch, on the real length: T = ceil(N / 320)."""

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        super().__init__()
        folder = find_folder(path)
        prove(folder / WEIGHTS, config.sha256, "give the folder that the model was trained on")
        self.encoder: Any = _whisper_encoder(folder)
        shape = self.encoder.config
        self.mel = WhisperMel(shape.num_mel_bins)
        self.dim, self.frame_rate = shape.d_model, SAMPLE_RATE / WHISPER_FRAME
        self.longest = shape.max_source_positions * WHISPER_FRAME
        self.settle(config.lora)

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
        encoder, frames = self.encoder, whisper_frames(samples.shape[1])
        own = [whisper_frames(length) for length in lengths.tolist()]
        rows = [
            F.pad(self.mel(row[:length], 2 * count), (0, 2 * (frames - count)))
            for row, length, count in zip(samples, lengths.tolist(), own, strict=True)
        ]
        real = length_mask(torch.tensor(own, device=samples.device), frames)
        x = F.gelu(encoder.conv1(torch.cat(rows))) * real.repeat_interleave(2, dim=1)[:, None]
        x = F.gelu(encoder.conv2(x)).transpose(1, 2) + encoder.embed_positions.weight[:frames]
        for layer in encoder.layers:
            x = layer(x, real[:, None, None, :], None)[0]
        states: Tensor = encoder.layer_norm(x).float()
        return states


def _library(folder: Path) -> Any:
    """The package `transformers`."""
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise FrontendError(
            f"{folder}: transformers is needed to run it; pip install 'onoma[huggingface]'"
        ) from error
    return transformers


def _whisper_encoder(folder: Path) -> Any:
    """The encoder alone of a Whisper folder, in float32; a decoder in it is not read."""
    library = _library(folder)
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    try:
        shape = library.AutoConfig.from_pretrained(folder, local_files_only=True)
        if shape.model_type != "whisper":
            raise FrontendError(f"{folder}: holds a {shape.model_type} model; a Whisper encoder is needed")
        with torch.device("meta"):  # which draws no random weights for those of the file to replace
            encoder = WhisperEncoder(shape)
        with safe_open(folder / WEIGHTS, "pt") as file:
            found = {name.removeprefix("model."): name for name in file.keys()}  # noqa: SIM118 (no dict)
            weights = {
                name.removeprefix("encoder."): file.get_tensor(stored).float()
                for name, stored in found.items()
                if name.startswith("encoder.")
            }
        encoder.load_state_dict(weights, assign=True)
    except FrontendError:
        raise
    except Exception as error:  # these libraries have no common class but Exception for a damaged folder
        raise FrontendError(f"{folder}: not an encoder ({last_line(error)})") from error
    return encoder


def _normalizes(folder: Path) -> bool:
    """Whether the encoder was trained on samples of mean 0 and deviation 1 an utterance."""
    file = folder / "preprocessor_config.json"
    return bool(json.loads(file.read_text()).get("do_normalize", True)) if file.is_file() else True
