"""Pretrained encoders as front-ends: samples in, frozen states out, in the place of the filterbank.

Each utterance goes through its encoder alone. Group norm over time, dynamic quantisation and attention
without a mask would otherwise let the padding of a batch into the states.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.encoder_files import WEIGHTS, find_encoder, find_folder, known, prove, sha256_of
from asr.features import SAMPLE_RATE, FeatureError, Frontend, LogMel, LogMelConfig

Samples = NDArray[np.float32]
States = NDArray[np.float32]
WHISPER_FRAME = 320
"""Samples of a frame of Whisper's encoder."""


class FrontendError(ValueError):
    """A pretrained encoder that cannot be run."""


@dataclass(frozen=True)
class PretrainedConfig:
    """The encoder that a model was trained on."""

    encoder: str
    """Name of the encoder: moonshine-tiny, whisper-base, or huggingface."""
    sha256: str
    """SHA-256 of its weights; another file is refused."""
    dim: int
    """Features per frame."""
    frame_rate: float
    """Frames a second."""

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise FeatureError(f"encoder is {self.encoder!r}; accepted are {', '.join(ENCODERS)}")
        if self.dim < 1 or self.frame_rate <= 0:
            raise FeatureError(f"dim {self.dim}, frame_rate {self.frame_rate}: both must be above 0")


FrontendConfig = LogMelConfig | PretrainedConfig


def pretrained_config(name: str) -> PretrainedConfig:
    """The configuration of a known encoder. Raises `EncoderFileError` naming those that are known."""
    file = known(name)
    return PretrainedConfig(name, file.sha256, ENCODERS[name].dim, ENCODERS[name].frame_rate)


def make_frontend(config: FrontendConfig, path: Path | None = None) -> Frontend:
    """The front-end that a configuration names; `path` says where a pretrained encoder lies.

    Raises:
        EncoderFileError: the encoder's file is missing or another one.
        FrontendError: a package that runs it is missing, or it cannot be run.
    """
    if isinstance(config, LogMelConfig):
        return LogMel(config)
    frontend: Frontend = ENCODERS[config.encoder](config, path)
    if (frontend.dim, frontend.frame_rate) != (config.dim, config.frame_rate):
        raise FrontendError(
            f"{config.encoder} gives {frontend.dim} features at {frontend.frame_rate:g} frames a second and "
            f"the model expects {config.dim} at {config.frame_rate:g}; restore the model's config.json"
        )
    return frontend


class PretrainedEncoder(ABC):
    """A frozen encoder behind the `Frontend` protocol."""

    dim: int
    frame_rate: float

    @abstractmethod
    def states(self, samples: Samples) -> States:
        """`(N,)` samples of one utterance to its `(T, D)` states."""

    def __call__(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Frontend`; frames beyond an utterance's own are zero."""
        rows = samples.detach().to("cpu", torch.float32).numpy()
        found = [
            torch.from_numpy(self.states(row[:length]))
            for row, length in zip(rows, lengths.tolist(), strict=True)
        ]
        counts = torch.tensor([len(states) for states in found], device=samples.device)
        return nn.utils.rnn.pad_sequence(found, batch_first=True).to(samples.device), counts


class MoonshineEncoder(PretrainedEncoder):
    """Moonshine-tiny, int8 ONNX (Jeffries et al. 2024, "Moonshine"); licence MIT.

    Three convolutions over the samples with strides 64, 3 and 2, then six transformer layers with rotary
    positions, so that its cost grows with the utterance rather than with a fixed window.
    """

    dim = 288
    frame_rate = SAMPLE_RATE / 384
    shortest = 1024
    """Samples that the convolutions need for a frame; shorter utterances are continued with silence."""

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        file = find_encoder(known(config.encoder), config.sha256, path)
        self._session = onnx_session(file.read_bytes(), str(file))

    def states(self, samples: Samples) -> States:
        """`(N,)` samples to `(T, 288)`, T = N / 384 less one or two."""
        padded = np.pad(samples, (0, max(0, self.shortest - len(samples))))
        found: States = self._session.run(["last_hidden_state"], {"input_values": padded[None]})[0][0]
        return found


class WhisperEncoder(PretrainedEncoder):
    """Whisper-base's encoder, int8 ONNX (Radford et al. 2022); licence MIT.

    The published graph adds 1500 positions and so demands 30 s of audio. Here its table of positions becomes
    an input, which is fed the rows that an utterance needs: on utterances of ordinary length that is four
    times as fast as padding.
    """

    dim = 512
    frame_rate = 50.0
    longest = 30 * SAMPLE_RATE
    """Samples that the trained positions reach; a longer utterance goes through in pieces."""
    positions = "embed_positions.weight"

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        file = find_encoder(known(config.encoder), config.sha256, path)
        freed = file.read_bytes() + declared_as_input(self.positions, self.dim)
        self._session = onnx_session(freed, str(file))
        self._table = whisper_positions(self.longest // WHISPER_FRAME, self.dim)
        self._mel = WhisperMel(80)

    def states(self, samples: Samples) -> States:
        """`(N,)` samples to `(T, 512)`, T = ceil(N / 320)."""
        found: States = np.concatenate([self._piece(piece) for piece in pieces(samples, self.longest)])
        return found

    def _piece(self, samples: Samples) -> States:
        frames = max(1, -(-len(samples) // WHISPER_FRAME))
        given = {
            "input_features": self._mel(samples, 2 * frames).numpy(),
            self.positions: self._table[:frames],
        }
        found: States = self._session.run(["last_hidden_state"], given)[0][0]
        return found


class HuggingFaceEncoder(PretrainedEncoder):
    """A folder of `transformers` with wav2vec 2.0, HuBERT, WavLM or Whisper, in float32."""

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        folder = find_folder(path)
        prove(folder / WEIGHTS, config.sha256, "give the folder that the model was trained on")
        self._load(folder)

    def _load(self, folder: Path) -> None:
        try:
            from transformers import AutoModel
        except ModuleNotFoundError as error:
            raise FrontendError(
                f"{folder}: transformers is needed to run it; pip install 'onoma[huggingface]'"
            ) from error
        try:
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        except (OSError, ValueError, KeyError) as error:
            raise FrontendError(f"{folder}: not an encoder ({str(error).splitlines()[0]})") from error
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
        states = self._model(self._mel(samples, 2 * longest)).last_hidden_state[0]
        found: States = states[: max(1, -(-len(samples) // WHISPER_FRAME))].numpy()
        return found


def huggingface_config(folder: Path) -> PretrainedConfig:
    """The configuration of a model on the encoder in `folder`. Raises `EncoderFileError`, `FrontendError`."""
    encoder = HuggingFaceEncoder.__new__(HuggingFaceEncoder)
    digest = sha256_of(find_folder(folder) / WEIGHTS)
    encoder._load(folder)
    return PretrainedConfig("huggingface", digest, encoder.dim, encoder.frame_rate)


def _normalizes(folder: Path) -> bool:
    """Whether the encoder was trained on samples of mean 0 and deviation 1 an utterance."""
    file = folder / "preprocessor_config.json"
    return bool(json.loads(file.read_text()).get("do_normalize", True)) if file.is_file() else True


class WhisperMel:
    """The features that Whisper was trained on: log10 mel power, no lower than 8 below the loudest."""

    def __init__(self, bands: int) -> None:
        self._mel = torchaudio.transforms.MelSpectrogram(
            SAMPLE_RATE, n_fft=400, hop_length=160, n_mels=bands, mel_scale="slaney", norm="slaney"
        )

    def __call__(self, samples: Samples, frames: int) -> Tensor:
        """`(N,)` samples, continued with silence, to `(1, bands, frames)`, 10 ms each."""
        sound = torch.from_numpy(np.pad(samples, (0, 160 * frames - len(samples))))
        levels: Tensor = self._mel(sound)[:, :frames].clamp(min=1e-10).log10()
        return ((levels.clamp(min=float(levels.max()) - 8.0) + 4.0) / 4.0)[None]


def pieces(samples: Samples, longest: int) -> list[Samples]:
    """The samples cut into pieces of `longest`, the last one shorter."""
    return [samples[at : at + longest] for at in range(0, max(len(samples), 1), longest)]


def whisper_positions(frames: int, dim: int) -> NDArray[np.float32]:
    """Whisper's table of sinusoids `(frames, dim)`: sines of all rates, then cosines."""
    rates = np.exp(-np.log(10_000.0) / (dim // 2 - 1) * np.arange(dim // 2))
    angles = np.arange(frames)[:, None] * rates
    return np.asarray(np.concatenate((np.sin(angles), np.cos(angles)), axis=1), np.float32)


def declared_as_input(name: str, columns: int) -> bytes:
    """Bytes that, appended to an ONNX file, declare its float matrix `name` an input with any number of rows.

    An initializer that is also an input is a default value which the caller may replace (ONNX IR 4 on).
    Appending works because concatenated protocol buffer messages merge. Fields: ModelProto.graph 7,
    GraphProto.input 11, ValueInfoProto.name 1 and .type 2, TypeProto.tensor_type 1, .elem_type 1 and
    .shape 2, TensorShapeProto.dim 1, Dimension.dim_value 1 and .dim_param 2.
    """
    rows = _field(1, _field(2, b"rows"))
    shape = rows + _field(1, b"\x08" + _varint(columns))
    tensor_type = b"\x08\x01" + _field(2, shape)
    value_info = _field(1, name.encode()) + _field(2, _field(1, tensor_type))
    return _field(7, _field(11, value_info))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protocol buffer field."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def onnx_session(model: bytes, name: str) -> Any:
    """An ONNX Runtime session on the CPU with as many threads as torch uses.

    Raises:
        FrontendError: onnxruntime is not installed, or `model` is not an ONNX graph.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise FrontendError(
            f"{name}: onnxruntime is needed to run it; pip install 'onoma[frontends]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class but Exception
        raise FrontendError(f"{name}: not an encoder ({str(error).splitlines()[0]})") from error


ENCODERS: dict[str, type[Any]] = {
    "moonshine-tiny": MoonshineEncoder,
    "whisper-base": WhisperEncoder,
    "huggingface": HuggingFaceEncoder,
}
"""What runs each encoder."""
