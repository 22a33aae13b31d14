"""Kokoro-82M (int8, ONNX): phones and a voice in, speech at 16 kHz out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import MissingError, PhoneError
from .phones import check_symbols
from .voices import Styles, Voice, blended

Samples = NDArray[np.float32]
SAMPLE_RATE = 16000
_MODEL_RATE = 24000
_MARGIN_S = 0.15
_RMS = 0.07
_PEAK = 0.9


class Kokoro:
    """The synthesiser, on one processor thread.

    Args:
        folder: what `fetch.sh` made: `kokoro.onnx`, `config.json` and `voices/*.bin`.

    Raises:
        MissingError: the folder is incomplete or onnxruntime is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.vocabulary = _read_vocabulary(folder / "config.json")
        self.styles = _Voices(folder / "voices")
        self._session = _session(folder / "kokoro.onnx")

    def speak(self, phones: str, voice: Voice, rate: float) -> Samples:
        """Speech (samples,) at 16 kHz; `rate` above 1 speaks faster.

        Raises:
            PhoneError: a phone the voice does not know, or a sentence that is too long for it.
        """
        check_symbols(phones, self.vocabulary)
        tokens = [self.vocabulary[symbol] for symbol in phones]
        limit = len(self.styles[voice.parts[0][0]])
        if len(tokens) >= limit:
            raise PhoneError(f"a sentence of {len(tokens)} phones; at most {limit - 1}: split it")
        inputs = {
            "input_ids": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": blended(self.styles, voice, len(tokens)),
            "speed": np.array([rate], dtype=np.float32),
        }
        return finish(self._session.run(None, inputs)[0].reshape(-1))


def voice_names(folder: Path) -> list[str]:
    """Names of the voices in a fetched folder, sorted.

    Raises:
        MissingError: there are none.
    """
    names = sorted(path.stem for path in (folder / "voices").glob("*.bin"))
    if not names:
        raise MissingError(f"{folder}: no voices; run recipes/synthesis/fetch.sh {folder}")
    return names


def finish(samples: Samples, rate: float = _MODEL_RATE) -> Samples:
    """Cut the silence around speech down to 0.15 s, resample it to 16 kHz and even out the level."""
    import soxr

    loud = np.flatnonzero(np.abs(samples) > 0.01 * max(float(np.abs(samples).max(initial=0.0)), 1e-6))
    if loud.size:
        margin = int(_MARGIN_S * rate)
        samples = samples[max(0, loud[0] - margin) : loud[-1] + margin]
    speech = np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), dtype=np.float32)
    rms = float(np.sqrt(np.mean(np.square(speech)))) if speech.size else 0.0
    peak = float(np.abs(speech).max(initial=0.0))
    gain = min(_RMS / max(rms, 1e-6), _PEAK / max(peak, 1e-6))
    return (speech * np.float32(gain)).astype(np.float32)


class _Voices(Mapping[str, Styles]):
    """Style tables by voice name, read when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.stem: path for path in sorted(folder.glob("*.bin"))}
        self._read: dict[str, Styles] = {}

    def __getitem__(self, name: str) -> Styles:
        if name not in self._read:
            self._read[name] = np.fromfile(self._paths[name], dtype=np.float32).reshape(-1, 256)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _read_vocabulary(path: Path) -> dict[str, int]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["vocab"])
    except OSError as error:
        raise MissingError(f"{path}: not there; run recipes/synthesis/fetch.sh {path.parent}") from error


def _session(path: Path) -> Any:
    try:
        import onnxruntime  # type: ignore[import-not-found]
    except ImportError as error:
        raise MissingError("onnxruntime is not installed: pip install onnxruntime") from error
    if not path.is_file():
        raise MissingError(f"{path}: not there; run recipes/synthesis/fetch.sh {path.parent}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
