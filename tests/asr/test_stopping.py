"""Ctrl-C and SIGTERM end a command wherever they come, and leave nothing half done."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from samples import tones, write_wav
from typer.testing import CliRunner

from asr import stopping
from asr.audio import read_audio
from asr.cli import app
from asr.files import OutputError, write_text_atomic
from asr.progress import byte_progress, step_progress
from asr.recognizer import Recognizer

ROOT = Path(__file__).parents[2]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}


@contextmanager
def heeding():
    """Signals are heeded as in the program, and afterwards as they were."""
    before, hook = {number: signal.getsignal(number) for number in CODES}, sys.unraisablehook
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stopping.heed_signals()
    try:
        yield
    finally:
        stopping._asked.clear()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def swallowed(number):
    """Have a signal come while C calls Python."""

    class Ending:
        def __del__(self):
            signal.raise_signal(number)

    Ending()


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "clips").mkdir()
    for place in range(3):
        write_wav(tmp_path / "clips" / f"{place}.wav", tones(1.0, place))
    return tmp_path / "clips"


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_signal_that_is_swallowed_stops_the_run_all_the_same(
    number, jobs, clips, model_folder, tmp_path, monkeypatch, capfd
):
    def write(*given):
        write_text_atomic(*given)
        swallowed(number)

    monkeypatch.setattr("asr.batch.write_text_atomic", write)
    call = ["transcribe", clips, "--model", model_folder, "-o", tmp_path / "out", "--jobs", jobs]
    with heeding():
        result = CliRunner().invoke(app, list(map(str, call)))
    assert result.exit_code == CODES[number]
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert result.stderr == ("onoma: interrupted\n" if number == signal.SIGINT else "")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("wrong", [False, True])
def test_what_was_heard_while_a_signal_was_swallowed_is_not_taken_for_a_result(
    wrong, clips, model_folder, tmp_path, monkeypatch
):
    """A decoder that calls Python to read goes on without what it was to read."""
    transcribe = Recognizer.transcribe

    def hear(self, audio, *rest, on_progress, **options):
        done = transcribe(self, audio, *rest, **options)
        swallowed(signal.SIGINT)
        return read_audio(clips / "none.wav") if wrong else done

    monkeypatch.setattr(Recognizer, "transcribe", hear)
    call = ["transcribe", clips, "--model", model_folder, "-o", tmp_path / "out"]
    with heeding():
        result = CliRunner().invoke(app, list(map(str, call)))
    assert (result.exit_code, result.stderr) == (130, "onoma: interrupted\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize(
    ("progress", "numbers"), [(partial(step_progress, 0, 3), [1]), (partial(byte_progress, "model"), [1, 3])]
)
def test_a_swallowed_signal_is_raised_at_the_next_step(progress, numbers, number):
    with heeding(), progress() as advance:
        advance(*numbers)
        swallowed(number)
        with pytest.raises(RAISED[number]):
            advance(*numbers)


@pytest.mark.parametrize("error", [OutputError("cut short"), SystemError("of a compiled function")])
def test_an_error_that_a_swallowed_signal_led_to_is_not_told(error, clips, monkeypatch):
    def load(_name):
        swallowed(signal.SIGINT)
        raise error

    monkeypatch.setattr(Recognizer, "from_pretrained", load)
    with heeding():
        result = CliRunner().invoke(app, ["transcribe", str(clips)])
    assert (result.exit_code, result.stderr) == (130, "onoma: interrupted\n")


def test_a_second_signal_is_raised_where_the_first_was_swallowed():
    with heeding():
        swallowed(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", CODES)
def test_who_asks_a_third_time_is_heard_by_what_hangs_on_cleaning_up(number):
    went_on = []

    def hang():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(number)
            went_on.append("after the second")
            signal.raise_signal(number)
            went_on.append("after the third")

    with heeding(), pytest.raises(RAISED[number]):
        hang()
    assert went_on == ["after the second"]


@pytest.mark.parametrize("second", CODES)
def test_a_second_signal_does_not_disturb_what_removes_half_a_file(second, tmp_path, monkeypatch):
    def stopped(_self, _target):
        signal.raise_signal(signal.SIGINT)

    def unlink(self, missing_ok):
        signal.raise_signal(second)
        os.unlink(self)  # noqa: PTH108
        assert missing_ok

    monkeypatch.setattr(Path, "replace", stopped)
    monkeypatch.setattr(Path, "unlink", unlink)
    with heeding(), pytest.raises(KeyboardInterrupt):
        write_text_atomic(tmp_path / "a.txt", "text")
    assert list(tmp_path.iterdir()) == []


def test_what_others_swallow_is_reported(capsys):
    class Faulty:
        def __del__(self):
            raise RuntimeError("a fault")

    with heeding():
        Faulty()
    assert "a fault" in capsys.readouterr().err


TYPER = """
import atexit, os, signal
atexit.register(os.kill, os.getpid(), signal.SIGINT)
os.kill(os.getpid(), {number})
"""


@pytest.mark.parametrize("number", CODES)
def test_signals_are_heeded_while_modules_are_loaded_and_when_all_is_done(number, tmp_path):
    (tmp_path / "typer.py").write_text(TYPER.format(number=int(number)))
    done = subprocess.run(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
         "from asr.__main__ import main; main()"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (CODES[number], b"", b"")
