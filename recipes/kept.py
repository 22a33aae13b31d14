"""What took long to make, kept in a file of JSON lines, so that a stopped run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")
Key = tuple[str, ...]


class Kept:
    """Values that JSON can hold, by what they are of."""

    def __init__(self, file: Path) -> None:
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        self._values = {tuple(row["key"]): row["value"] for row in map(json.loads, lines)}

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def of(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value that is kept, or else the one that `make` makes, which is kept from now on."""
        if key not in self._values:
            self._values[key] = make()
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps({"key": key, "value": self._values[key]}) + "\n")
        found: Value = self._values[key]
        return found
