"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.cli import app
from asr.manifest import read_manifest
from asr.recognizer import Recognizer, model_folder
from asr.scoring import score

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_code_runs(code, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_commands_and_their_options_exist():
    lines = re.findall(r"(?:^|&& )onoma ([^\n&]+)", README, re.MULTILINE)
    assert lines
    for line in lines:
        words = line.split()
        command = words[:2] if words[0] in {"lm", "models", "phrases"} else words[:1]
        shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, line
        for option in (word for word in words if word.startswith("-")):
            assert option in shown.output, line


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_sample_clips_are_heard_mostly_right():
    clips = read_manifest(ROOT / "recipes" / "samples" / "manifest.jsonl", check_audio=True)
    heard = [result.text for result in Recognizer.from_pretrained().transcribe_many(c.audio for c in clips)]
    assert score([clip.text for clip in clips], heard).wer < 0.5


def test_shipped_models_stay_small():
    folder = model_folder("base-en")
    assert sum(file.stat().st_size for file in folder.parent.rglob("*") if file.is_file()) < 60e6
