"""The law of compiling ahead: after it, transcribing with a list compiles nothing more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from numba.core.dispatcher import Dispatcher
from asr.compile_ahead import compile_ahead

def compiled():
    ours = [one for name, one in sys.modules.items() if name.partition(".")[0] in ("asr", "biasing", "lm")]
    loops = {loop for module in ours for loop in vars(module).values() if isinstance(loop, Dispatcher)}
    return {(loop.py_func.__qualname__, kind) for loop in loops for kind in loop.signatures}

compile_ahead()
ahead = compiled()
from asr import Recognizer
recognizer = Recognizer.from_pretrained("base-en")
recognizer.transcribe(sys.argv[1], sys.argv[2])
print(len(ahead), sorted(name for name, _ in compiled() - ahead))
"""


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_nothing_is_left_to_compile() -> None:
    samples = ROOT / "recipes" / "samples"
    sound = samples / "they-walked-from-keswick-5b54cf8868f9.flac"
    command = [sys.executable, "-c", CODE, str(sound), str(samples / "phrases.txt")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    count, left = done.stdout.split(maxsplit=1)
    assert int(count) >= 9
    assert left.strip() == "[]"
