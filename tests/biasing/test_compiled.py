"""Laws of the compiled loops: code on disk is used again, but not when any part of its source has changed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numba
import pytest

from biasing.compiled import compiled

WHOLE = """
from biasing.compiled import compiled
from pack.parts import answer

@compiled
def whole():
    return answer()
"""
PARTS = """
from biasing.compiled import compiled_part
from pack.constants import (
    NUMBER,
)

@compiled_part
def answer():
    return NUMBER{}
"""


def fresh(folder: Path, files: dict[str, str]) -> Any:
    """The function `whole` of a package, imported as by a new process after some files were written."""
    for name, text in files.items():
        (folder / "pack" / name).write_text(text)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return importlib.import_module("pack.whole").whole


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pack").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def test_a_change_in_any_module_of_a_loop_makes_its_code_anew(folder: Path) -> None:
    files = {"whole.py": WHOLE, "parts.py": PARTS.format(""), "constants.py": "NUMBER = 1\n"}
    assert fresh(folder, files)() == 1
    again = fresh(folder, {})
    assert again() == 1
    if not numba.config.DISABLE_JIT:
        assert sum(again.stats.cache_hits.values()) == 1
    assert fresh(folder, {"parts.py": PARTS.format(" + 1")})() == 2
    assert fresh(folder, {"constants.py": "NUMBER = 100\n"})() == 101


def test_what_the_installation_compiled_is_used_where_code_is_kept_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    files = {"whole.py": WHOLE, "parts.py": PARTS.format(""), "constants.py": "NUMBER = 1\n"}
    assert fresh(folder, files)() == 1
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "elsewhere"))
    for text, hits in ((PARTS.format(""), 1), (PARTS.format(" + 1"), 0), (PARTS.format(" + 1"), 1)):
        again = fresh(folder, {"parts.py": text})
        assert again() == 1 + (text != PARTS.format(""))
        assert sum(again.stats.cache_hits.values()) == hits


def test_without_a_place_to_write_loops_work_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr("numba.core.caching._CacheLocator.ensure_cache_path", refuse)
    loop: Any = compiled(lambda number: number + 1)
    assert loop(1) == 2
