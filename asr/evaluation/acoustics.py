"""What the acoustic model hears in each recording, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.adapter_files import ADAPTER_CONFIG_FILE, ADAPTER_FILE
from asr.audio import stream_audio
from asr.bias_file import BIASING_FILE
from asr.decoding import DECODING_FILE, LM_FILE, SHARED_LM_FILE
from asr.features import SAMPLE_RATE
from asr.files import OutputError
from asr.model import CONFIG_FILE, DELTAS_FILE, WEIGHTS_FILE
from asr.recognizer import Acoustics, Recognizer
from asr.segmenter import is_steady, segments
from asr.tokenizer import TOKENIZER_FILE

ACOUSTIC_FILES = (CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE, DELTAS_FILE)
DECODING_FILES = (LM_FILE, SHARED_LM_FILE, DECODING_FILE, BIASING_FILE, ADAPTER_FILE, ADAPTER_CONFIG_FILE)


@dataclass(frozen=True)
class Heard:
    """One recording: the acoustics of its segments, and what identifies them."""

    key: str
    segments: tuple[Acoustics, ...]


def digest_files(folder: Path, names: tuple[str, ...]) -> str:
    """Hash the contents of those of the files that exist, with their names."""
    sha = hashlib.sha256()
    for name in names:
        if (folder / name).is_file():
            sha.update(f"{name}\0".encode())
            with (folder / name).open("rb") as file:
                sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()


class AcousticStore:
    """Log-probs by model and content of the recording, in float32: texts are those of `transcribe`."""

    def __init__(
        self, folder: Path, recognizer: Recognizer, model_digest: str, setting: str = "plain"
    ) -> None:
        """Keep in `folder`; `setting` names what is done to the audio on the way, such as denoising."""
        self._folder, self._recognizer = folder, recognizer
        self._prefix = f"{model_digest} {setting} "
        folder.mkdir(parents=True, exist_ok=True)

    def key(self, audio: Path) -> str:
        """Identify what this model hears in this recording, wherever it lies and whatever it is called."""
        with audio.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256((self._prefix + content).encode()).hexdigest()

    def hear(self, audio: Path) -> Heard:
        """Return the log-probs of a recording, cut as `transcribe` cuts it; computed unless they are kept.

        As there, nothing is said in a steady sound.

        Raises:
            AudioError: the recording cannot be read.
            OutputError: the log-probs cannot be kept.
        """
        key = self.key(audio)
        file = self._folder / f"{key}.npz"
        kept = _load(file)
        if kept is None or (self._recognizer.encoder_bias and any(one.states is None for one in kept)):
            kept = tuple(
                self._recognizer.acoustics([part.samples])[0]
                for part in segments(stream_audio(audio, SAMPLE_RATE))
                if not is_steady(part.samples)
            )
            _save(file, kept)
        return Heard(key, kept)


def _load(file: Path) -> tuple[Acoustics, ...] | None:
    """Return what is kept; None where there is nothing, or nothing whole."""
    try:
        with np.load(file) as arrays:
            parts = sum(name.startswith("tokens") for name in arrays.files)
            return tuple(
                Acoustics(arrays[f"tokens{n}"], arrays[f"phones{n}"], arrays.get(f"states{n}"))
                for n in range(parts)
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _save(file: Path, heard: tuple[Acoustics, ...]) -> None:
    arrays = {f"tokens{n}": one.log_probs for n, one in enumerate(heard)}
    arrays |= {f"phones{n}": one.phone_log_probs for n, one in enumerate(heard)}
    arrays |= {f"states{n}": one.states for n, one in enumerate(heard) if one.states is not None}
    partial = file.with_name(f".{file.stem}.{os.getpid()}.part")
    try:
        try:
            with partial.open("wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type]
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror or error})") from error
