"""Settings in TOML files: tables become frozen dataclasses; anything unknown is an error."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")


class ConfigError(ValueError):
    """Settings that cannot be used; the message names the file and the setting."""


def read_settings(path: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The table in a TOML file, with overrides such as `optimizer.total_steps=500` applied.

    Raises `ConfigError` on a missing file or wrong TOML.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); a TOML file of settings is needed"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    for override in overrides:
        _apply_override(values, override)
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected a.b=value, for example optimizer.total_steps=500")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *path, name = key.strip().split(".")
    table = values
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override}: {part} is a value, not a table")
    table[name] = value


def build(cls: type[T], values: dict[str, Any], where: str) -> T:
    """A frozen dataclass from a table, checked against its field types."""
    hints = typing.get_type_hints(cls)
    if unknown := sorted(set(values) - set(hints)):
        raise ConfigError(_unknown(where, unknown[0], hints))
    if missing := [name for name in _required(cls) if name not in values]:
        raise ConfigError(f"{where}: setting {missing[0]!r} is missing")
    return cls(**{name: _convert(hints[name], value, f"{where}: {name}") for name, value in values.items()})


def _required(cls: Any) -> list[str]:
    nothing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(cls) if f.default is nothing and f.default_factory is nothing]


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected a table, got {value!r}")
        return build(kind, value, where)
    if origin is Literal:
        if value not in parts:
            raise ConfigError(f"{where}: expected one of {', '.join(map(str, parts))}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else list(parts)
        if len(kinds) != len(value):
            raise ConfigError(f"{where}: expected {len(kinds)} values, got {len(value)}")
        return tuple(_convert(k, v, where) for k, v in zip(kinds, value, strict=True))
    kind = origin or kind
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is not Any and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise ConfigError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value


def overlay(given: T, values: dict[str, Any], where: str) -> T:
    """The same dataclass with the fields that a table sets, those of dataclasses in it field by field.

    Raises:
        ConfigError: unknown or ill-typed, naming the setting.
    """
    hints = typing.get_type_hints(type(given))
    if unknown := sorted(set(values) - set(hints)):
        raise ConfigError(_unknown(where, unknown[0], hints))
    changes: dict[str, Any] = {}
    for name, value in values.items():
        before, inside = getattr(given, name), f"{where}: {name}"
        parts = dataclasses.is_dataclass(before) and isinstance(value, dict)
        changes[name] = overlay(before, value, inside) if parts else _convert(hints[name], value, inside)
    return dataclasses.replace(given, **changes)  # type: ignore[type-var]


def _unknown(where: str, name: str, accepted: Iterable[str]) -> str:
    return f"{where}: unknown setting {name!r}; accepted are {', '.join(sorted(accepted))}"
