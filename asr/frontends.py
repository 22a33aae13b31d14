"""Pretrained encoders as front-ends: samples in, frozen states out, in the place of the filterbank.

Each utterance goes through an ONNX encoder alone. Group norm over time, dynamic quantisation and attention
without a mask would otherwise let the padding of a batch into the states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr.encoder_files import WEIGHTS, find_encoder, find_folder, known, sha256_of
from asr.features import SAMPLE_RATE, FeatureError, Frontend, LogMel, LogMelConfig
from asr.huggingface import HuggingFaceEncoder, HuggingFaceWhisper
from asr.lora import LoraConfig
from asr.moonshine import SHORTEST, MoonshineTorch
from asr.pretrained_encoder import (
    WHISPER_FRAME,
    FrontendError,
    PretrainedEncoder,
    Samples,
    States,
    WhisperMel,
    pieces,
    whisper_frames,
    whisper_positions,
)
from asr.reasons import first_line
from asr.whisper import WhisperBaseEn


@dataclass(frozen=True)
class PretrainedConfig:
    """The encoder that a model was trained on."""

    encoder: str
    """Name of the encoder, one of `ENCODERS`."""
    sha256: str
    """SHA-256 of its weights; another file is refused."""
    dim: int
    """Features per frame."""
    frame_rate: float
    """Frames a second."""
    lora: LoraConfig | None = None
    """Deltas that were trained on it; None: it is as it was."""

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise FeatureError(f"encoder is {self.encoder!r}; accepted are {', '.join(ENCODERS)}")
        if self.lora is not None and self.encoder not in ADAPTABLE:
            raise FeatureError(
                f"lora: the encoder is {self.encoder}; deltas stand on {' or '.join(ADAPTABLE)} alone"
            )
        if self.dim < 1 or self.frame_rate <= 0:
            raise FeatureError(f"dim {self.dim}, frame_rate {self.frame_rate}: both must be above 0")


FrontendConfig = LogMelConfig | PretrainedConfig


def pretrained_config(name: str) -> PretrainedConfig:
    """The configuration of a known encoder. Raises `EncoderFileError` naming those that are known."""
    file = known(name)
    return PretrainedConfig(name, file.sha256, ENCODERS[name].dim, ENCODERS[name].frame_rate)


def read_frontend(values: dict[str, Any]) -> FrontendConfig:
    """The inverse of `dataclasses.asdict`. Raises `TypeError` or `ValueError` on a wrong entry."""
    if "encoder" not in values:
        return LogMelConfig(**values)
    if values.get("lora") is None:
        return PretrainedConfig(**values)
    lora = dict(values["lora"])
    deltas = LoraConfig(**{**lora, "targets": tuple(lora.get("targets", ()))})
    return PretrainedConfig(**{**values, "lora": deltas})


def make_frontend(config: FrontendConfig, path: Path | None = None) -> Frontend:
    """The front-end that a configuration names; `path` says where a pretrained encoder lies.

    Raises:
        EncoderFileError: the encoder's file is missing or another one.
        FrontendError: a package that runs it is missing, or it cannot be run.
    """
    if isinstance(config, LogMelConfig):
        return LogMel(config)
    runners = ENCODERS if config.lora is None else ADAPTABLE
    frontend: Frontend = runners[config.encoder](config, path)
    if (frontend.dim, frontend.frame_rate) != (config.dim, config.frame_rate):
        raise FrontendError(
            f"{config.encoder} gives {frontend.dim} features at {frontend.frame_rate:g} frames a second and "
            f"the model expects {config.dim} at {config.frame_rate:g}; restore the model's config.json"
        )
    return frontend


class MoonshineEncoder(PretrainedEncoder):
    """Moonshine-tiny, int8 ONNX (Jeffries et al. 2024, "Moonshine"); licence MIT.

    Three convolutions over the samples with strides 64, 3 and 2, then six transformer layers with rotary
    positions, so that its cost grows with the utterance rather than with a fixed window.
    """

    dim = 288
    frame_rate = SAMPLE_RATE / 384

    def __init__(self, config: PretrainedConfig, path: Path | None = None) -> None:
        file = find_encoder(known(config.encoder), config.sha256, path)
        self._session = onnx_session(file.read_bytes(), str(file))

    def states(self, samples: Samples) -> States:
        """`(N,)` samples to `(T, 288)`, T = N / 384 less one or two."""
        padded = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
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
        frames = whisper_frames(len(samples))
        given = {
            "input_features": self._mel(torch.from_numpy(samples), 2 * frames).numpy(),
            self.positions: self._table[:frames],
        }
        found: States = self._session.run(["last_hidden_state"], given)[0][0]
        return found


def huggingface_config(folder: Path | None = None, name: str = "huggingface") -> PretrainedConfig:
    """The configuration of a model on the encoder in `folder`; None: in that which $ONOMA_HUGGINGFACE names.

    Raises:
        EncoderFileError, FrontendError: there is none, or it cannot be run.
    """
    folder = find_folder(folder)
    unmeasured = PretrainedConfig(name, sha256_of(folder / WEIGHTS), dim=1, frame_rate=1.0)
    encoder = ENCODERS[name](unmeasured, folder)
    return replace(unmeasured, dim=encoder.dim, frame_rate=encoder.frame_rate)


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
        raise FrontendError(f"{name}: not an encoder ({first_line(error)})") from error


WHISPER_FOLDER = "huggingface-whisper"
"""A Whisper in the folder of `transformers`, which may be any of its sizes."""
ENCODERS: dict[str, type[Any]] = {
    "moonshine-tiny": MoonshineEncoder,
    "whisper-base": WhisperEncoder,
    "whisper-base.en": WhisperBaseEn,
    "huggingface": HuggingFaceEncoder,
    WHISPER_FOLDER: HuggingFaceWhisper,
}
"""What runs each encoder as it is."""
ADAPTABLE: dict[str, type[Any]] = {
    "moonshine-tiny": MoonshineTorch,
    "whisper-base.en": WhisperBaseEn,
    WHISPER_FOLDER: HuggingFaceWhisper,
}
"""What runs those that gradients go through, with deltas on them."""
