"""Transcribe one recording of many hours with a list, and say how long it took and how much memory.

    python -m recipes.bench.hours [MODEL] [--data ../shared/data] [--hours 8] [--phrases 1000] [--keep DIR]

The recording is dev over and over, clip after clip, as 16-bit FLAC. The list holds the rare words of dev and
distractors up to its length. What is measured is the command line as a user runs it, loading included; the
memory is its peak resident set, pages of files that it maps among it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import soundfile

from asr.audio import duration, read_audio
from asr.features import SAMPLE_RATE
from asr.manifest import Utterance, read_manifest
from recipes.bench.lists import draw_lines


def make_recording(file: Path, utterances: list[Utterance], seconds: float) -> None:
    """Write the clips one after the other, again and again, until the recording is so long."""
    written = 0
    with soundfile.SoundFile(file, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC") as out:
        for utterance in cycle(utterances):
            if written >= seconds * SAMPLE_RATE:
                break
            samples = read_audio(utterance.audio)
            out.write(samples)
            written += len(samples)


def make_list(file: Path, utterances: list[Utterance], biasing: Path, count: int) -> None:
    """Write the words that are said and not common, then distractors."""
    common = set((biasing / "common_words_5k.txt").read_text(encoding="utf-8").split())
    said = dict.fromkeys(word for utterance in utterances for word in utterance.text.split())
    rare = [word for word in said if word not in common]
    words = dict.fromkeys([*rare, *draw_lines(biasing / "all_rare_words.txt.xz", count)])
    file.write_text("\n".join(list(words)[:count]) + "\n", encoding="utf-8")


def measure(model: str, recording: Path, phrases: Path, out: Path) -> str:
    """Run `onoma transcribe`; a row of the table."""
    call = ["transcribe", recording, "--model", model, "--phrases", phrases]
    call += ["-f", "json,srt", "-o", out, "--overwrite"]
    began = time.perf_counter()
    program = subprocess.Popen([sys.executable, "-m", "asr", *map(str, call)])
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    wall, processor = time.perf_counter() - began, used.ru_utime + used.ru_stime
    if program.returncode:
        raise SystemExit(f"onoma transcribe ended with {program.returncode}")
    seconds = duration(recording)
    count = len(phrases.read_text(encoding="utf-8").splitlines())
    cells = [f"{model}", f"{seconds / 3600:.2f}", f"{count}", f"{wall:.0f}", f"{processor:.0f}"]
    return " | ".join([*cells, f"{seconds / wall:.0f}", f"{used.ru_maxrss / 1e6:.2f}"])


def main() -> None:
    """Read the arguments, make what is to be heard, then measure."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("model", nargs="?", default="base-en", help="shipped name or model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--hours", type=float, nargs="+", default=[8.0], help="lengths of the recording")
    parser.add_argument("--phrases", type=int, default=1000, help="length of the list")
    parser.add_argument("--keep", type=Path, help="folder for recording and transcripts, else removed")
    arguments = parser.parse_args()
    utterances = read_manifest(arguments.data / "speech" / "dev.jsonl")
    rows = []
    with tempfile.TemporaryDirectory() as removed:
        folder = arguments.keep or Path(removed)
        folder.mkdir(parents=True, exist_ok=True)
        make_list(folder / "names.txt", utterances, arguments.data / "biasing", arguments.phrases)
        for hours in arguments.hours:
            recording = folder / f"{hours:g}-hours.flac"
            make_recording(recording, utterances, 3600 * hours)
            rows.append(measure(arguments.model, recording, folder / "names.txt", folder))
    print("| model | hours | phrases | wall s | CPU s | x real time | peak GB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(f"| {row} |" for row in rows))


if __name__ == "__main__":
    main()
