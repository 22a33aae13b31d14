"""The acoustic model: features, encoder, heads; and the folder it lives in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from asr.conformer import ConformerEncoder, EncoderConfig, double_frames
from asr.features import Frontend, LogMelConfig
from asr.files import write_text_atomic
from asr.frontends import FrontendConfig, PretrainedConfig, make_frontend, pretrained_config, read_frontend
from asr.lora import LoraError, load_deltas, merge, save_deltas
from asr.phones import PHONES
from asr.reasons import first_line, last_line
from asr.tokenizer import TOKENIZER_FILE

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
PHONES_FILE = "phones.txt"
DELTAS_FILE = "deltas.safetensors"
"""What was trained on the pretrained encoder, where that is not frozen."""


class ModelError(ValueError):
    """A model folder that cannot be used."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the shape of the acoustic model."""

    vocab_size: int = 256
    """Sub-words, the blank (id 0) included."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The Conformer."""
    frontend: FrontendConfig = field(default_factory=LogMelConfig)
    """The filterbank, or the pretrained encoder in its place."""
    intermediate_layers: tuple[int, ...] = (4, 8)
    """Layers (from 1) that carry a sub-word CTC head, at a third and two thirds of the depth."""
    phone_layer: int = 8
    """Layer (from 1) that carries the phone CTC head."""
    self_condition: bool = True
    """Project each intermediate sub-word posterior back into the encoder (Nozaki & Komatsu 2021)."""

    def __post_init__(self) -> None:
        if self.vocab_size < 2:
            raise ModelError(f"vocab_size is {self.vocab_size}; needed are the blank and 1 or more sub-words")
        if self.encoder.feature_dim != self.frontend.dim:
            raise ModelError(
                f"feature_dim is {self.encoder.feature_dim} and the front-end gives {self.frontend.dim} "
                "features; give both the same number"
            )
        layers = (*self.intermediate_layers, self.phone_layer)
        if not all(1 <= layer <= self.encoder.layers for layer in layers):
            raise ModelError(f"heads at layers {layers}: the encoder has layers 1 to {self.encoder.layers}")

    @property
    def has_deltas(self) -> bool:
        """Whether deltas stand on the pretrained encoder."""
        return isinstance(self.frontend, PretrainedConfig) and self.frontend.lora is not None


SIZES: dict[str, ModelConfig] = {
    "tiny": ModelConfig(
        encoder=EncoderConfig(
            layers=3,
            dim=32,
            heads=2,
            feed_forward_mult=2,
            kernel_size=7,
            subsampling_channels=8,
            half_rate=(2, 2),
        ),
        vocab_size=64,
        intermediate_layers=(1, 2),
        phone_layer=2,
    ),
    "base": ModelConfig(
        encoder=EncoderConfig(layers=8, half_rate=(2, 7)), intermediate_layers=(3, 5), phone_layer=6
    ),
    "large": ModelConfig(
        encoder=EncoderConfig(layers=18, dim=512, heads=8, subsampling_channels=256),
        vocab_size=1024,
        intermediate_layers=(6, 12),
        phone_layer=12,
    ),
    "moonshine": ModelConfig(
        frontend=pretrained_config("moonshine-tiny"),
        encoder=EncoderConfig(
            feature_dim=288, subsampling=2, layers=6, feed_forward_mult=2, half_rate=(2, 5)
        ),
        intermediate_layers=(2, 4),
        phone_layer=4,
    ),
}
"""Named shapes: `tiny` for tests, `base` is shipped, `large` is the reference system's depth,
`moonshine` stands on the states of a pretrained encoder."""


@dataclass(frozen=True)
class ModelOutput:
    """What one pass through the model gives; a frame is `frame_seconds` of the model, 40 ms for `base`."""

    log_probs: Tensor
    """Final sub-word log-probabilities `(B, T, V)`."""
    lengths: Tensor
    """Valid frames `(B,)`."""
    intermediate_log_probs: tuple[Tensor, ...]
    """Sub-word log-probabilities `(B, T, V)` of the intermediate heads, shallow first."""
    phone_log_probs: Tensor
    """Phone log-probabilities `(B, T, 40)`, class 0 the blank."""
    states: tuple[Tensor, ...]
    """States `(B, T, D)` of the layers with an intermediate head, then of the last layer."""


class CTCHead(nn.Module):
    """Linear classes from states; a half-rate state emits two frames, so all heads keep one rate."""

    def __init__(self, dim: int, classes: int, frames_per_state: int) -> None:
        super().__init__()
        self.frames_per_state = frames_per_state
        self.linear = nn.Linear(dim, classes * frames_per_state)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T / frames_per_state, D)` to log-probabilities `(B, T, classes)`."""
        batch, states, _ = x.shape
        logits = self.linear(x).reshape(batch, states * self.frames_per_state, -1)
        return F.log_softmax(logits.float(), dim=-1)


class ConformerCTC(nn.Module):
    """Front-end, Conformer, and CTC heads: final and intermediate sub-words (Lee & Watanabe 2021), phones."""

    def __init__(self, config: ModelConfig, frontend: Frontend | None = None) -> None:
        """With random weights; `frontend` stands in for the one that the configuration names."""
        super().__init__()
        self.config = config
        encoder, vocab = config.encoder, config.vocab_size
        self.frontend = frontend or make_frontend(config.frontend)
        self.encoder = ConformerEncoder(encoder)
        self.head = CTCHead(encoder.dim, vocab, 1)
        self.intermediate_heads = nn.ModuleDict(
            {
                str(layer): CTCHead(encoder.dim, vocab, self._frames_per_state(layer))
                for layer in config.intermediate_layers
            }
        )
        self.phone_head = CTCHead(encoder.dim, len(PHONES) + 1, self._frames_per_state(config.phone_layer))
        conditioned = config.intermediate_layers if config.self_condition else ()
        self.conditioners = nn.ModuleDict(
            {
                str(layer): nn.Linear(vocab * self._frames_per_state(layer), encoder.dim)
                for layer in conditioned
            }
        )

    def _frames_per_state(self, layer: int) -> int:
        return 2 if self.config.encoder.is_half_rate(layer) else 1

    @property
    def frame_seconds(self) -> float:
        """Seconds per output frame."""
        return self.config.encoder.subsampling / self.frontend.frame_rate

    def forward(self, samples: Tensor, lengths: Tensor) -> ModelOutput:
        """`(B, N)` samples at 16 kHz, zero beyond their `(B,)` lengths, to log-probabilities."""
        return self.encode(*self.features(samples, lengths))

    def features(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, N)` samples through the front-end; `(B, T, F)` features (a cache holds them) as they are."""
        return self.frontend(samples, lengths) if samples.ndim == 2 else (samples.float(), lengths)

    def encode(self, features: Tensor, feature_lengths: Tensor) -> ModelOutput:
        """`(B, T, F)` normalised features to log-probabilities."""
        frames = -(-features.shape[1] // self.config.encoder.subsampling)
        intermediate: list[Tensor] = []
        states: list[Tensor] = []
        phones: list[Tensor] = []

        def hook(layer: int, x: Tensor) -> Tensor:
            if layer == self.config.phone_layer:
                phones.append(self.phone_head(x)[:, :frames])
            if str(layer) in self.intermediate_heads:
                log_probs = self.intermediate_heads[str(layer)](x)
                intermediate.append(log_probs[:, :frames])
                states.append(self._full_rate(layer, x, frames))
                if str(layer) in self.conditioners:
                    x = x + self._condition(layer, log_probs)
            return x

        x, lengths = self.encoder(features, feature_lengths, hook)
        return ModelOutput(
            log_probs=self.head(x),
            lengths=lengths,
            intermediate_log_probs=tuple(intermediate),
            phone_log_probs=phones[0],
            states=(*states, x),
        )

    def _full_rate(self, layer: int, x: Tensor, frames: int) -> Tensor:
        return double_frames(x, frames) if self.config.encoder.is_half_rate(layer) else x

    def _condition(self, layer: int, log_probs: Tensor) -> Tensor:
        batch, frames, _ = log_probs.shape
        states = frames // self._frames_per_state(layer)
        projected: Tensor = self.conditioners[str(layer)](log_probs.exp().reshape(batch, states, -1))
        return projected


def config_from_dict(values: dict[str, Any]) -> ModelConfig:
    """The inverse of `dataclasses.asdict`. Raises `ModelError` naming an unknown or wrong entry."""
    known = {f.name for f in fields(ModelConfig)}
    if not isinstance(values, dict):
        raise ModelError(f"model settings are {values!r}; needed is a table of {sorted(known)}")
    if unknown := sorted(set(values) - known):
        raise ModelError(f"unknown model settings {unknown}; accepted are {sorted(known)}")
    try:
        encoder = dict(values.get("encoder", {}))
        if encoder.get("half_rate") is not None:
            encoder["half_rate"] = tuple(encoder["half_rate"])
        given = dict(values, encoder=EncoderConfig(**encoder))
        given["frontend"] = read_frontend(values.get("frontend", {}))
        if "intermediate_layers" in given:
            given["intermediate_layers"] = tuple(given["intermediate_layers"])
        return ModelConfig(**given)
    except (TypeError, ValueError) as error:
        raise ModelError(f"model settings that cannot be used: {error}") from error


def save_model(model: ConformerCTC, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write settings, phone table and the weights, these as `dtype`, into a model folder.

    Of a pretrained encoder nothing is written but the deltas trained on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(dtype).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith("frontend.")
    }
    partial = folder / (WEIGHTS_FILE + ".partial")
    save_file(weights, partial)
    partial.replace(folder / WEIGHTS_FILE)
    if model.config.has_deltas:
        save_deltas(model, folder / DELTAS_FILE, dtype)
    else:
        (folder / DELTAS_FILE).unlink(missing_ok=True)
    write_text_atomic(folder / PHONES_FILE, "\n".join(PHONES) + "\n")
    write_text_atomic(folder / CONFIG_FILE, json.dumps(asdict(model.config), indent=2) + "\n")


def load_model(folder: Path, frontend: Path | None = None) -> ConformerCTC:
    """Read a model folder, in float32 and evaluation mode.

    `frontend` says where the pretrained encoder lies that the folder names, if it names one.

    Raises:
        ModelError: a file is missing or does not fit; the message says which.
        EncoderFileError, FrontendError: the pretrained encoder is missing, another one, or cannot be run.
    """
    needed = (CONFIG_FILE, WEIGHTS_FILE, PHONES_FILE)
    for name in needed:
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder}: {name} is missing; a model folder holds {', '.join(needed)} and {TOKENIZER_FILE}"
            )
    if tuple((folder / PHONES_FILE).read_text(encoding="utf-8", errors="replace").split()) != PHONES:
        raise ModelError(f"{folder / PHONES_FILE}: other phones than this version's; train the model anew")
    model = _empty_model(folder / CONFIG_FILE, frontend)
    load_weights(model, folder)
    if model.config.has_deltas:
        merge(model)
    return model.eval()


def load_weights(model: ConformerCTC, folder: Path) -> None:
    """Fill a model, and the deltas on its encoder, with what a model folder holds; raises as `load_model`.

    Deltas that the folder's model has not stay as they are.
    """
    _fill(model, _read_weights(folder / WEIGHTS_FILE), folder / WEIGHTS_FILE)
    if model.config.has_deltas and read_config(folder).has_deltas:
        try:
            load_deltas(model, folder / DELTAS_FILE)
        except LoraError as error:
            raise ModelError(str(error)) from error


def _read_weights(file: Path) -> dict[str, Tensor]:
    """The weights of a file in float32, all of them finite."""
    try:
        weights = load_file(file)
    except Exception as error:  # a damaged header makes safetensors and torch raise half a dozen classes
        raise ModelError(f"{file}: not a whole safetensors file ({last_line(error)}); restore it") from error
    for name, tensor in weights.items():
        weights[name] = tensor.float()
        if not tensor.is_floating_point() or not weights[name].isfinite().all():
            found = "NaN or infinity" if tensor.is_floating_point() else f"{tensor.dtype} in place of weights"
            raise ModelError(f"{file}: {name} holds {found}; restore the file or train the model anew")
    return weights


def _fill(model: ConformerCTC, weights: dict[str, Tensor], file: Path) -> None:
    """Put the weights of a file into a model."""
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{file}: weights do not fit {CONFIG_FILE}: {last_line(error)}") from error
    missing = [name for name in missing if not name.startswith("frontend.")]
    if missing or unexpected:
        raise ModelError(
            f"{file}: {len(missing)} tensors missing, {len(unexpected)} unknown for {CONFIG_FILE}; "
            "restore both files from one model"
        )


def read_config(folder: Path) -> ModelConfig:
    """The settings of a model folder. Raises `ModelError` naming the file."""
    file = folder / CONFIG_FILE
    try:
        return config_from_dict(json.loads(file.read_text(encoding="utf-8")))
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{file}: not JSON ({error}); restore the file or download the model again"
        ) from error


def _empty_model(file: Path, frontend: Path | None) -> ConformerCTC:
    config = read_config(file.parent)
    built = make_frontend(config.frontend, frontend)
    try:
        return ConformerCTC(config, built)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{file}: {first_line(error)}") from error
