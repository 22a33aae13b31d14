"""Options of biasing in a TOML file: what `onoma tune` writes, and `--options` reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from asr.files import write_text_atomic
from asr.settings import ConfigError, overlay, read_settings
from biasing.options import BiasOptions


def read_bias(path: Path) -> BiasOptions:
    """The fields of `BiasOptions` that a file sets, those of its parts in tables; the others as by default.

    Raises:
        ConfigError: the file cannot be read, or has an unknown setting, or a value that cannot be used.
    """
    values = read_settings(path)
    try:
        return overlay(BiasOptions(), values, str(path))
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
