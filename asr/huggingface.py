"""Encoders in the folders of Hugging Face's `transformers`: frozen and run by it, or Whisper's run by us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from asr.encoder_files import WEIGHTS, find_folder, prove
from asr.features import SAMPLE_RATE
from asr.lora import LoraError
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
from asr.whisper import WhisperShape, WhisperTorch

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


class HuggingFaceWhisper(WhisperTorch):
    """The encoder of a Whisper folder, of any size; neither `transformers` nor a decoder is needed."""

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        folder = find_folder(path)
        prove(folder / WEIGHTS, config.sha256, "give the folder that the model was trained on")
        try:
            super().__init__(_whisper_shape(folder), _whisper_weights(folder / WEIGHTS), config.lora)
        except (FrontendError, LoraError):
            raise
        except Exception as error:  # a damaged folder makes json, safetensors and torch raise all kinds
            raise FrontendError(f"{folder}: not an encoder ({last_line(error)})") from error


def _library(folder: Path) -> Any:
    """The package `transformers`."""
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise FrontendError(
            f"{folder}: transformers is needed to run it; pip install 'onoma[huggingface]'"
        ) from error
    return transformers


def _whisper_shape(folder: Path) -> WhisperShape:
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if (kind := settings.get("model_type")) != "whisper":
        raise FrontendError(f"{folder}: holds a {kind} model; a Whisper encoder is needed")
    return WhisperShape(
        settings["d_model"],
        settings["encoder_attention_heads"],
        settings["encoder_layers"],
        settings["encoder_ffn_dim"],
        settings["num_mel_bins"],
        settings["max_source_positions"],
    )


def _whisper_weights(file: Path) -> dict[str, Tensor]:
    """The encoder's weights; a decoder in the file is not read."""
    with safe_open(file, "pt") as tensors:
        found = {name.removeprefix("model."): name for name in tensors.keys()}  # noqa: SIM118 (no dict)
        return {
            name.removeprefix("encoder."): tensors.get_tensor(stored)
            for name, stored in found.items()
            if name.startswith("encoder.")
        }


def _normalizes(folder: Path) -> bool:
    """Whether the encoder was trained on samples of mean 0 and deviation 1 an utterance."""
    file = folder / "preprocessor_config.json"
    return bool(json.loads(file.read_text()).get("do_normalize", True)) if file.is_file() else True
