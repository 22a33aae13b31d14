"""The surface of the command line: flags, variables, help, patterns, manifests, and how it ends."""

import ast
import inspect
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from samples import RATE, tones, write_wav
from typer.testing import CliRunner

from asr import cli_transcribe
from asr.cli import app
from asr.recognizer import Recognizer

ROOT = Path(__file__).parents[2]
HELP_SECONDS = 0.5


def onoma(*arguments, env=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


def commands(group=None, path=()):
    """Every command with its path."""
    for name, below in (group or typer.main.get_command(app)).commands.items():
        if hasattr(below, "commands"):
            yield from commands(below, (*path, name))
        else:
            yield (*path, name), below


COMMANDS = dict(commands())


@pytest.fixture
def clips(tmp_path):
    for place, seed in (("a/one.wav", 1), ("a/deep/two.wav", 2), ("b/one.flac", 3)):
        (tmp_path / "clips" / place).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "clips" / place, tones(1.0, seed), RATE)
    return tmp_path / "clips"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_flag_is_read(path):
    function = inspect.unwrap(COMMANDS[path].callback)
    body = ast.parse(inspect.getsource(function)).body[0].body
    read = {node.id for part in body for node in ast.walk(part) if isinstance(node, ast.Name)}
    assert {name for name in inspect.signature(function).parameters if name[0] != "_"} <= read


def test_everything_that_is_wished_for_is_looked_at():
    source = inspect.getsource(cli_transcribe)
    for name in cli_transcribe._Wish.__dataclass_fields__:
        assert f"wish.{name}" in source


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_names_the_variable_of_every_option_and_shows_examples(path):
    shown = " ".join(onoma(*path, "--help").stdout.split())
    options = [one for one in COMMANDS[path].params if getattr(one, "show_envvar", False)]
    variables = [one.envvar for one in options if one.opts[0].startswith("-") and one.name != "help"]
    for name in variables:
        assert name.startswith("ONOMA_")
        assert f"env var: {name}" in shown
    assert len(set(variables)) == len(variables)
    assert "onoma " + " ".join(path) in shown.partition("Options:")[2] or path == ("models", "list")


def test_no_variable_means_two_things():
    owners = {}
    for path, command in COMMANDS.items():
        for option in command.params:
            if getattr(option, "show_envvar", False) and option.opts[0].startswith("-"):
                owners.setdefault(option.envvar, set()).add((option.opts[-1], option.help, path))
    shared = {name: {one[0] for one in them} for name, them in owners.items() if len(them) > 1}
    assert set(shared) <= {"ONOMA_MODEL", "ONOMA_QUIET"}
    assert not [path for _, _, path in owners["ONOMA_MODEL"] if path == ("denoise",)]


def test_variables_act_and_the_command_line_wins(clips, model_folder, monkeypatch):
    seen = []
    transcribe = Recognizer.transcribe

    def spy(self, audio, phrases=None, options=None, **rest):
        seen.append((options.beam, [entry.display for entry in phrases or ()]))
        return transcribe(self, audio, phrases, options, **rest)

    monkeypatch.setattr(Recognizer, "transcribe", spy)
    env = {"ONOMA_BEAM": "3", "ONOMA_MODEL": str(model_folder), "ONOMA_PHRASE": "New York|Keswick"}
    one = clips / "a" / "one.wav"
    assert onoma("transcribe", one, env=env).exit_code == 0
    assert onoma("transcribe", one, "--beam", "2", "--phrase", "Oslo", env=env).exit_code == 0
    assert seen == [(3, ["Keswick", "New York"]), (2, ["Oslo"])]
    refused = onoma("transcribe", one, "--greedy", env={"ONOMA_BEAM": "3"})
    assert refused.exit_code == 2
    assert "the environment sets ONOMA_BEAM" in refused.stderr


def test_patterns_and_manifests_keep_their_folders(clips, model_folder, tmp_path):
    def made(name, *arguments):
        out = tmp_path / name
        result = onoma("transcribe", *arguments, "--model", model_folder, "-o", out)
        assert result.exit_code == 0, result.output
        return {str(file.relative_to(out)) for file in out.rglob("*.txt")}

    assert made("1", f"{clips}/**/*.wav") == {"a/one.txt", "a/deep/two.txt"}
    assert made("2", clips, "--recursive") == {"a/one.txt", "a/deep/two.txt", "b/one.txt"}
    rows = [{"audio_filepath": name} for name in ("a/one.wav", str(clips / "a/deep/two.wav"))]
    (clips / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert made("3", clips / "list.jsonl") == {"a/one.txt", "two.txt"}
    for wrong, message in ((f"{clips}/*.xyz", "no file fits"), (clips / "none.jsonl", "cannot be read")):
        refused = onoma("transcribe", wrong, "--model", model_folder)
        assert refused.exit_code == 2
        assert message in refused.stderr


def test_several_processes_write_and_say_what_one_does(clips, model_folder, tmp_path):
    """Files, standard output in its order, reports, failures and exit code, whatever the number of jobs."""
    (clips / "a" / "bad.wav").write_text("no sound")
    call = ["transcribe", clips, "--recursive", "--model", model_folder, "--phrase", "Keswick", "-v"]
    shown, written = [], []
    for jobs in (1, 3):
        shown.append(onoma(*call, "--jobs", jobs))
        out = tmp_path / str(jobs)
        assert onoma(*call, "-f", "txt,json", "-o", out, env={"ONOMA_JOBS": str(jobs)}).exit_code == 1
        written.append({str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.*")})
    assert shown[0].exit_code == shown[1].exit_code == 1
    assert (shown[0].stdout, shown[0].stderr) == (shown[1].stdout, shown[1].stderr)
    assert shown[0].stdout.count("\n") == 3
    assert written[0] == written[1]
    assert len(written[0]) == 6
    refused = onoma("transcribe", clips, "-", "--recursive", "--model", model_folder, "--jobs", "2")
    assert refused.exit_code == 2
    assert "standard input" in refused.stderr


def test_channels_and_subtitles_are_as_asked_for(model_folder, tmp_path):
    file = tmp_path / "call.wav"
    soundfile.write(file, np.stack([tones(2.0, 5), tones(2.0, 6)], 1), RATE)
    split = onoma("transcribe", file, "--model", model_folder, "--channels", "split")
    assert {line.partition(": ")[0] for line in split.stdout.splitlines()} == {"1", "2"}
    wide = [
        "transcribe",
        file,
        "--model",
        model_folder,
        "-f",
        "srt",
        "--line-characters",
        "9",
        "--lines",
        "1",
    ]
    lines = [line for line in onoma(*wide).stdout.splitlines() if line and "-->" not in line]
    words = {word for line in lines for word in line.split()}
    assert all(len(line) <= max(9, *map(len, words)) and (len(line) <= 9 or line in words) for line in lines)
    refused = onoma("transcribe", file, "--lines", "1")
    assert refused.exit_code == 2
    assert "for subtitles" in refused.stderr


def test_phrases_are_added_and_shown(tmp_path, model_folder, monkeypatch):
    file, add = tmp_path / "names.txt", ("phrases", "add", tmp_path / "names.txt")
    shown = onoma(*add, "Zelenskyy", "--sounds-like", "zuh LEN skee", "--model", model_folder)
    assert shown.exit_code == 0, shown.output
    assert "line 1: Zelenskyy" in shown.stdout
    assert "/Z AH L EH N S K IY/" in shown.stdout
    assert file.read_text() == "Zelenskyy\t\tzuh LEN skee\n"
    again = onoma(*add, "Zelenskyy", "--sounds-like", "zuh LEN skee", "--model", model_folder)
    assert (again.exit_code, again.stdout) == (0, "")
    monkeypatch.setattr("asr.phone_hearing.phones_heard", lambda *_: ("SH", "AH"))
    dry = onoma(*add, "Siobhan", "--from", "a.wav", "--boost", "12", "--dry-run", "--model", model_folder)
    assert dry.stdout == "Siobhan\t12\t/SH AH/\n"
    assert "Siobhan" not in file.read_text()
    refused = onoma(*add, "☃", "--model", model_folder)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "cannot be used" in refused.stderr


def test_phones_are_heard_in_a_recording(model_folder, tmp_path):
    from asr.phone_hearing import HearingError, phones_heard

    recognizer = Recognizer.from_pretrained(model_folder)
    with pytest.raises(HearingError, match="name alone"):
        phones_heard(recognizer, (np.zeros(16_000 * 11, np.float32), 16_000))
    sound = tones(1.0, 3)
    (heard,) = recognizer.acoustics([sound])
    path = heard.phone_log_probs.argmax(axis=1)
    if path.any():
        assert len(phones_heard(recognizer, (sound, 16_000))) <= len(path)
    else:
        with pytest.raises(HearingError, match="no speech"):
            phones_heard(recognizer, (sound, 16_000))


def test_help_takes_little_time():
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "asr", "--help"], cwd=ROOT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < HELP_SECONDS


def test_completion_is_printed():
    shown = subprocess.run(
        [sys.executable, "-c", "from asr.__main__ import main; main()"],
        env=os.environ | {"_ONOMA_COMPLETE": "complete_bash", "COMP_WORDS": "onoma tr", "COMP_CWORD": "1"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert {"transcribe", "train"} <= set(shown.stdout.split())
    assert "score" not in shown.stdout


MANY = 4000
"""Recordings that take longer than the time in which a first transcript is seen and a signal sent."""


def _heed_interrupts():
    """What a shell starts in the background ignores them, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "code", "jobs"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 2)]
)
def test_a_run_that_is_stopped_leaves_no_half_file(number, code, jobs, model_folder, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    write_wav(many / "0.wav", tones(3.0, 1))
    for place in range(1, MANY):
        os.link(many / "0.wav", many / f"{place}.wav")
    call = ["transcribe", "many", "--model", model_folder, "-o", "out", "--beam", "64", "--jobs", jobs]
    program = subprocess.Popen(
        [sys.executable, "-m", "asr", *map(str, call)], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509
        start_new_session=True,
    )  # fmt: skip
    while not list(tmp_path.rglob("*.txt")) and program.poll() is None:
        time.sleep(0.01)
    os.killpg(program.pid, number)  # as a terminal does
    ended, said = program.wait(60), program.stderr.read().decode()
    assert ended == code, said
    assert "Traceback" not in said
    written = list(tmp_path.rglob("*.txt"))
    assert 0 < len(written) < MANY
    assert len({one.read_text() for one in written}) == 1
    assert not list(tmp_path.rglob(".*"))


def test_a_closed_pipe_is_no_error(clips, model_folder):
    read, write = os.pipe()
    os.close(read)
    call = ["transcribe", clips / "a" / "one.wav", "--model", model_folder]
    done = subprocess.run(
        [sys.executable, "-m", "asr", *map(str, call)], cwd=ROOT, stdout=write, stderr=subprocess.PIPE,
        check=False,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""
