"""The house rules that a machine can check: who may import whom, and how long things may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 350, 60
TORCH_FREE = ["lm", *(f"biasing.{name}" for name in ("phrases", "graph", "report", "metrics"))]
FILES = sorted(file for room in ("asr", "lm", "biasing", "recipes") for file in (ROOT / room).rglob("*.py"))
IMPORT_ALL = "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]; "
IMPORT_ALL += "sys.exit(f'imports {found}' if (found := sorted({'torch', 'asr'} & set(sys.modules))) else 0)"


def imports(file):
    """Top packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).partition(".")[0]


def modules(room):
    """Names of the modules of a package."""
    files = (file.relative_to(ROOT).with_suffix("") for file in (ROOT / room).rglob("*.py"))
    return sorted(".".join(file.parts).removesuffix(".__init__") for file in files)


def test_lm_and_biasing_never_import_asr():
    offenders = [
        str(file)
        for room in ("lm", "biasing")
        for file in (ROOT / room).rglob("*.py")
        if "asr" in imports(file)
    ]
    assert not offenders
    assert "asr" in set(imports(ROOT / "asr" / "recognizer.py"))


def test_nothing_but_recipes_imports_recipes():
    assert not [
        str(file) for file in FILES if file.is_relative_to(ROOT / "asr") and "recipes" in imports(file)
    ]


def test_lm_and_the_light_rooms_of_biasing_import_without_torch():
    known = {name for room in ("lm", "biasing") for name in modules(room)}
    light = [name for name in known if name.startswith("lm") or name in TORCH_FREE]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *light], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_fit_in_the_head(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {length} lines"
