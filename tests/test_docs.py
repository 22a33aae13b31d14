"""What the how-to pages show is what happens."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.cli import app
from asr.recognizer import pretrained_names

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
CODE = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
]
COMMANDS = [
    line for page in PAGES for line in re.findall(r"^onoma ([^\n]+)", page.read_text("utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("code", CODE)
def test_python_code_runs(code, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(code, "docs", "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_their_options_exist(line):
    words = line.split()
    command = words[:2] if words[0] in {"lm", "models", "phrases"} else words[:1]
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    for option in (word for word in words if re.match(r"--?[a-z]", word)):
        assert re.search(rf"{option}\b", shown.output), option


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_models_that_a_command_or_code_names_are_shipped(page):
    named = re.findall(
        r"""(?:--model |from_pretrained\("|model_folder\(")([\w.-]+)""", page.read_text("utf-8")
    )
    assert {*named} <= {*pretrained_names()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
