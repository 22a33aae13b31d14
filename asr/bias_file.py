"""Options of biasing in TOML: what `onoma tune` writes, `--options` reads and a model folder may hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from asr.files import write_text_atomic
from asr.settings import ConfigError, overlay, read_settings
from biasing.options import BiasOptions

BIASING_FILE = "biasing.toml"
"""In a model folder: the options that were tuned for the model."""


def load_bias(folder: Path) -> BiasOptions:
    """The options that were tuned for a model, or the defaults where its folder has none.

    Raises:
        ConfigError: as `read_bias`.
    """
    file = folder / BIASING_FILE
    return read_bias(file) if file.is_file() else BiasOptions()


def read_bias(path: Path, others: BiasOptions | None = None) -> BiasOptions:
    """The fields of `BiasOptions` that a file sets, those of its parts in tables.

    What it does not set is as in `others`, by default as in `BiasOptions()`.

    Raises:
        ConfigError: the file cannot be read, or has an unknown setting, or a value that cannot be used.
    """
    values = read_settings(path)
    try:
        return overlay(others or BiasOptions(), values, str(path))
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def write_bias(bias: BiasOptions, path: Path, comments: Sequence[str] = ()) -> None:
    """Write all fields, so that what was measured is what runs when defaults have changed.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text_atomic(path, format_bias(bias, comments))


def format_bias(bias: BiasOptions, comments: Sequence[str] = ()) -> str:
    """The text of such a file, comments first."""
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    return "\n".join([*lines, *_table(bias)]) + "\n"


def _table(options: Any) -> Iterator[str]:
    """Values of a dataclass a line, then the tables of its parts."""
    parts = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    for name, value in parts.items():
        if not dataclasses.is_dataclass(value):
            yield f"{name} = {_value(value)}"
    for name, value in parts.items():
        if dataclasses.is_dataclass(value):
            yield from ("", f"[{name}]", *_table(value))


def _value(value: bool | float) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
