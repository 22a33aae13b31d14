"""The command line: transcripts on standard output, one line for a mistake, and the right exit code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samples import lines, tones, words, write_wav
from typer.testing import CliRunner

from asr.cli import app
from asr.recognizer import Recognizer

ROOT = Path(__file__).parents[2]
NO_TORCH = """
import sys
sys.argv = ["onoma", "--help"]
from asr.__main__ import main
try:
    main()
except SystemExit as done:
    assert done.code == 0
heavy = {"torch", "numpy", "numba", "soundfile", "kenlm"} & set(sys.modules)
sys.exit(f"--help imported {heavy}" if heavy else 0)
"""


def onoma(*arguments, stdin=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def refused(result, *wanted):
    """Whether the user was told in few words, without traceback, that the call was wrong."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert isinstance(result.exception, SystemExit)
    said = " ".join(result.stderr.replace("│", " ").split())
    for words_of_message in wanted:
        assert words_of_message in said
    return True


@pytest.fixture
def clips(tmp_path):
    for index, name in enumerate(("one", "two", "three")):
        write_wav(tmp_path / "clips" / f"{name}.wav", tones(1.0, index + 20))
    return tmp_path / "clips"


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder)


def test_transcripts_and_nothing_else_on_standard_output(clips, model_folder, recognizer):
    result = onoma("transcribe", clips / "one.wav", "--model", model_folder)
    assert result.exit_code == 0
    assert result.stdout == recognizer.transcribe(clips / "one.wav").text + "\n"
    assert result.stderr == ""
    result = onoma("transcribe", clips, "--model", model_folder, "-f", "json", "-q")
    texts = [recognizer.transcribe(clips / f"{name}.wav").text for name in ("one", "three", "two")]
    decoder, rest, found = json.JSONDecoder(), result.stdout, []
    while rest.strip():
        one, end = decoder.raw_decode(rest.lstrip())
        rest = rest.lstrip()[end:]
        found.append(one["text"])
    assert found == texts
    assert len(set(texts)) == 3


def test_a_broken_file_stops_nothing_and_is_named(clips, model_folder, tmp_path):
    (clips / "broken.wav").write_text("no sound")
    result = onoma("transcribe", clips, "--model", model_folder, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["one.txt", "three.txt", "two.txt"]
    assert "1 of 4 recordings failed" in result.stderr
    assert str(clips / "broken.wav") in result.stderr
    assert result.stdout == ""


def test_existing_transcripts_are_kept_unless_overwritten(clips, model_folder, tmp_path):
    out, call = tmp_path / "out", ["transcribe", clips, "--model", model_folder, "-f", "txt,srt"]
    out.mkdir()
    (out / "one.txt").write_text("mine\n")
    (out / "one.srt").write_text("mine\n")
    result = onoma(*call, "-o", out)
    assert result.exit_code == 0
    assert "1 of 3 exist already" in result.stderr
    assert (out / "one.txt").read_text() == "mine\n"
    assert len(list(out.iterdir())) == 6
    assert "3 of 3 exist already" in onoma(*call, "-o", out).stderr
    assert onoma(*call, "-o", out, "--overwrite").exit_code == 0
    assert (out / "one.txt").read_text() != "mine\n"
    assert not [file for file in out.iterdir() if file.suffix not in (".txt", ".srt")]


def test_standard_input_is_a_recording(clips, model_folder, recognizer):
    result = onoma("transcribe", "-", "--model", model_folder, stdin=(clips / "two.wav").read_bytes())
    assert result.exit_code == 0
    assert result.stdout == recognizer.transcribe(clips / "two.wav").text + "\n"


def test_flags_reach_the_decoder(clips, model_folder, monkeypatch):
    seen = []
    transcribe = Recognizer.transcribe

    def spy(self, audio, phrases=None, options=None, **rest):
        seen.append(options)
        return transcribe(self, audio, phrases, options, **rest)

    monkeypatch.setattr(Recognizer, "transcribe", spy)
    for flags in (["--greedy"], ["--beam", "2", "--no-lm"], []):
        assert onoma("transcribe", clips / "one.wav", "--model", model_folder, *flags).exit_code == 0
    assert [(o.greedy, o.beam, o.lm) for o in seen] == [(True, 4, True), (False, 2, False), (False, 4, True)]


def test_a_missing_language_model_is_mentioned(clips, model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "bare")
    (folder / "lm.bin").unlink()
    assert "no language model" in onoma("transcribe", clips / "one.wav", "--model", folder).stderr
    assert onoma("transcribe", clips / "one.wav", "--model", folder, "--no-lm").stderr == ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--greedy", "--beam", "4"], "--greedy uses neither"),
        (["--greedy", "--lm"], "--greedy uses neither"),
        (["-q", "-v"], "exclude each other"),
        (["--overwrite"], "needs -o DIR"),
        (["--beam", "0"], "--beam"),
        (["--beam", "10001"], "10000"),
        (["-f", "doc"], "unknown format 'doc'"),
        (["-f", "txt,srt"], "add -o DIR"),
        (["--model", "nowhere"], "nowhere: no such model"),
        (["--colour"], "--colour"),
    ],
)
def test_wrong_flags_are_refused(clips, flags, message):
    assert refused(onoma("transcribe", clips / "one.wav", *flags), message)


def test_what_cannot_be_used_is_named(tmp_path, model_folder):
    assert refused(onoma("transcribe"), "Missing argument")
    assert refused(onoma("train", tmp_path / "missing.toml"), "missing.toml: cannot be read")
    assert refused(onoma("score", tmp_path / "a.txt", tmp_path / "b.txt"), "a.txt")
    assert refused(onoma("lm", "train", tmp_path / "a.txt", "-o", tmp_path / "lm.bin"), "a.txt: no such text")
    assert refused(onoma("lm", "train", tmp_path, "-o", tmp_path / "lm.bin", "--prune", "x"), "whole numbers")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(onoma("transcribe", empty, "--model", model_folder), "without recordings")
    result = onoma("transcribe", tmp_path / "missing.wav", "--model", model_folder)
    assert (result.exit_code, result.stdout) == (1, "")


def test_settings_of_a_training_are_checked(tmp_path):
    (tmp_path / "config.toml").write_text('size = "tiny"\n')
    for change, message in (
        ("data.rot=x", "unknown setting 'rot'"),
        ("data.root=/nowhere", "no such data folder"),
    ):
        assert refused(onoma("train", tmp_path / "config.toml", "--set", change), message)


def test_interrupting_is_no_crash(clips, monkeypatch):
    def interrupt(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recognizer, "from_pretrained", interrupt)
    result = onoma("transcribe", clips / "one.wav")
    assert result.exit_code == 130
    assert result.stderr == "onoma: interrupted\n"


def test_a_fault_of_the_program_is_not_blamed_on_the_user(clips, monkeypatch):
    def fault(_name):
        raise ValueError("inside")

    monkeypatch.setattr(Recognizer, "from_pretrained", fault)
    assert isinstance(onoma("transcribe", clips / "one.wav").exception, ValueError)


def test_scoring(tmp_path):
    (tmp_path / "ref.txt").write_text("one two three\nfour five\n")
    (tmp_path / "hyp.txt").write_text("one too three\nfour five\n")
    result = onoma("score", tmp_path / "ref.txt", tmp_path / "hyp.txt", "--align")
    assert result.exit_code == 0
    assert "20.0" in result.stdout
    assert "REF" in result.stdout


def test_language_models_are_trained(tmp_path):
    (tmp_path / "text.txt").write_text("\n".join(lines(60)))
    out = tmp_path / "lm.arpa"
    result = onoma("lm", "train", tmp_path / "text.txt", "-o", out, "--order", "2", "--prune", "0")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{out}: 360 words, ")
    assert set(words(10)) & set(out.read_text().split())


def test_models_are_listed(tmp_path, monkeypatch):
    for name in ("b-en", "a-en"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.model").touch()
    monkeypatch.setattr("asr.recognizer.PRETRAINED", tmp_path)
    assert onoma("models", "list").stdout == "a-en\nb-en\n"


def test_help_is_quick():
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "transcribe" in done.stdout


def test_the_module_runs_as_a_program(clips, model_folder, recognizer):
    (clips / "broken.wav").write_text("no sound")
    call = [
        sys.executable,
        "-m",
        "asr",
        "transcribe",
        "clips/one.wav",
        "clips/broken.wav",
        "--model",
        model_folder,
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, cwd=clips.parent, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout == recognizer.transcribe(clips / "one.wav").text + "\n"
    assert "clips/broken.wav: not an audio file" in done.stderr
    assert "Traceback" not in done.stderr


def test_phrases_are_taken_from_file_and_flags_and_told_of(clips, model_folder, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Siobhan\t\t/SH IH V AO N/\n☃\nJoaquin\n", encoding="utf-8")
    given = [
        "transcribe",
        clips / "one.wav",
        "--model",
        model_folder,
        "--phrases",
        names,
        "--phrase",
        "Keswick",
    ]
    plain = onoma("transcribe", clips / "one.wav", "--model", model_folder)
    result = onoma(*given, "-v")
    assert result.exit_code == 0, result.output
    assert "phrase 2 '☃' is left out" in result.stderr
    assert " of 3 phrases never begun" in result.stderr
    out = onoma(*given, "-f", "json", "-o", tmp_path / "out")
    assert out.exit_code == 0, out.output
    told = json.loads((tmp_path / "out" / "one.json").read_text())["bias"]
    assert {*told["never"], *(one["phrase"] for one in told["phrases"])} == {"Siobhan", "Joaquin", "Keswick"}
    nothing = onoma("transcribe", clips / "one.wav", "--model", model_folder, "--phrase", "☃")
    assert nothing.stdout == plain.stdout
    assert "no usable phrase" in nothing.stderr


def test_greedy_says_what_of_the_phrases_still_acts(clips, model_folder):
    result = onoma(
        "transcribe", clips / "one.wav", "--model", model_folder, "--greedy", "--phrase", "Keswick"
    )
    assert result.exit_code == 0, result.output
    assert "pronunciation lookup alone" in result.stderr


def test_compare_prints_differences_alone(clips, model_folder):
    result = onoma(
        "transcribe", clips / "one.wav", "--model", model_folder, "--compare", "--phrase", "Keswick"
    )
    assert result.exit_code == 0, result.output
    assert all(" s: " in line and " -> " in line for line in result.stdout.splitlines())


def test_wrong_use_of_phrases(clips, tmp_path):
    one = clips / "one.wav"
    assert refused(onoma("transcribe", one, "--compare"), "needs --phrases or --phrase")
    assert refused(onoma("transcribe", one, "--compare", "--phrase", "a", "-f", "srt"), "drop -o and -f")
    assert refused(onoma("transcribe", one, "--phrases", tmp_path / "none.txt"), "none.txt", "cannot be read")
