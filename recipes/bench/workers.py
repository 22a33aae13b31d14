"""Transcribe a folder with several numbers of processes: how long it takes and what memory they need.

    python -m recipes.bench.workers [MODEL] [--data ../shared/data] [--jobs 1 2] [--files 306]

Clips of dev, with a list (see `recipes.bench.hours`). While the command line runs, /proc tells what its
processes hold: the peak over time of the sum of their proportional set sizes, in which a page that several of
them share is counted once, and of what one worker has to itself, the largest of all. Linux alone.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asr.audio import duration
from asr.manifest import read_manifest
from recipes.bench.hours import make_list

OFTEN = 0.2
"""Seconds between two looks at the memory."""


def children_of(process: int) -> list[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def memory_of(process: int) -> dict[str, float]:
    """GB that a process holds: Pss, Private_Dirty and others; nothing of one that has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: int(size) / 1e6 for name, size in re.findall(r"^(\w+): +(\d+) kB", lines, re.MULTILINE)}


def measure(call: list[str], seconds: float, several: bool) -> str:
    """Run the command line; a row of the table, with what a worker has to itself if there are several."""
    began, peak, own = time.perf_counter(), 0.0, 0.0
    program = subprocess.Popen(call)
    while os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        workers = [memory_of(child) for child in children_of(program.pid)]
        peak = max(peak, sum(one.get("Pss", 0.0) for one in (memory_of(program.pid), *workers)))
        own = max([own, *(one["Private_Dirty"] + one["Private_Clean"] for one in workers if one)])
        time.sleep(OFTEN)
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise SystemExit(f"onoma transcribe ended with {program.returncode}")
    wall = time.perf_counter() - began
    cells = (f"{wall:.0f}", f"{used.ru_utime + used.ru_stime:.0f}", f"{seconds / wall:.0f}", f"{peak:.2f}")
    return " | ".join((*cells, f"{own:.2f}" if several else "-"))


def main() -> None:
    """Read the arguments, then measure."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("model", nargs="?", default="base-en", help="shipped name or model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--files", type=int, default=306, help="clips of dev")
    parser.add_argument("--phrases", type=int, default=1000, help="length of the list")
    arguments = parser.parse_args()
    utterances = read_manifest(arguments.data / "speech" / "dev.jsonl")
    clips = [str(utterance.audio) for utterance in utterances[: arguments.files]]
    seconds = sum(duration(clip) for clip in clips)
    print(f"{arguments.model}, {len(clips)} files of dev, {seconds:.0f} s; load {os.getloadavg()[0]:.1f}")
    print("| jobs | wall s | CPU s | x real time | all of them, GB | own of a worker, GB |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "names.txt"
        make_list(names, utterances, arguments.data / "biasing", arguments.phrases)
        call = [sys.executable, "-m", "asr", "transcribe", *clips, "--model", arguments.model]
        for jobs in arguments.jobs:
            out = ["-o", f"{folder}/{jobs}", "--jobs", str(jobs), "--phrases", str(names)]
            print(f"| {jobs} | {measure([*call, *out], seconds, jobs > 1)} |", flush=True)


if __name__ == "__main__":
    main()
