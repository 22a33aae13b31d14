"""Every option of the command line as an environment variable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

MAIN = "transcribe"
"""The command whose options are called after themselves alone: ONOMA_BEAM is its --beam."""
SHARED = {"--model": "ONOMA_MODEL", "--quiet": "ONOMA_QUIET"}
"""Options that mean the same wherever they are, unless a command names a variable of its own."""
NOT_NAMED = {"--help", "--version", "--install-completion", "--show-completion"}
SEPARATOR = "|"
"""Between several values of an option that may be repeated."""


class NamedByEnvironment(TyperGroup):
    """The commands, each option of which may be given as a variable; the command line wins."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.variables = {option.envvar for option in _named(self, ())}

    def invoke(self, ctx: Any) -> Any:
        """Run a command; where it refuses its options, say which of them the environment gave."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            given = sorted(name for name in self.variables if os.environ.get(name))
            if given:
                error.message += f" (the environment sets {', '.join(given)})"
            raise


def _named(command: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Give the options of a command and of those below it their variables; yields these options."""
    for name, below in getattr(command, "commands", {}).items():
        yield from _named(below, (*path, name))
    for option in command.params if path else ():
        flag = max(option.opts, key=len)
        if not flag.startswith("--") or flag in NOT_NAMED:
            continue
        if option.envvar is None:
            shared = SHARED.get(flag)
            prefix = () if path == (MAIN,) else path
            own = "_".join(("onoma", *prefix, flag.strip("-"))).upper().replace("-", "_")
            option.envvar = shared or own
        option.show_envvar = True
        if option.multiple:
            option.value_from_envvar = _splitting(option)
        yield option


def _splitting(option: Any) -> Any:
    """What reads several values from one variable; names have spaces, so these cannot part them."""

    def value(ctx: Any) -> list[str] | None:
        given = option.resolve_envvar_value(ctx)
        return None if given is None else [part.strip() for part in given.split(SEPARATOR) if part.strip()]

    return value
