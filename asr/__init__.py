"""Hearing: audio in, result out. `Recognizer` and the result types are loaded when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.audio import AudioError
    from asr.decoding import DecodingOptions
    from asr.labels import LabelsError
    from asr.log_prob_recognizer import LogProbRecognizer, OwnModel
    from asr.model import ModelError
    from asr.recognizer import Recognizer
    from asr.result import Result, Segment, Word

__all__ = [
    "AudioError",
    "DecodingOptions",
    "LabelsError",
    "LogProbRecognizer",
    "ModelError",
    "OwnModel",
    "Recognizer",
    "Result",
    "Segment",
    "Word",
]

_HOMES = {
    "AudioError": "asr.audio",
    "DecodingOptions": "asr.decoding",
    "LabelsError": "asr.labels",
    "LogProbRecognizer": "asr.log_prob_recognizer",
    "ModelError": "asr.model",
    "OwnModel": "asr.log_prob_recognizer",
    "Recognizer": "asr.recognizer",
    "Result": "asr.result",
    "Segment": "asr.result",
    "Word": "asr.result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'asr' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
