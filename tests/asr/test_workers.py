"""Processes that share work: each item is done once, what happens to one of them harms no other."""

import logging
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from asr.workers import Done, Logged, shared_out

ROOT = Path(__file__).parents[2]
LEAVES = """
import os, signal, time
from asr.workers import shared_out
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
def work(place, tell):
    os.write(1, f"{os.getpid()}\\n".encode())
    time.sleep(60)
for _ in shared_out(work, 3, 3, print):
    pass
"""


def ignored(*_step):
    pass


def squared(place, tell):
    """Steps of progress, then a result, after a time that has nothing to do with the place."""
    time.sleep(random.Random(place).random() / 50)
    for done in range(3):
        tell(done, 2)
    logging.getLogger("a.room").warning("item %d", place)
    return place * place, os.getpid()


def gone(process):
    """Whether a process has ended within some seconds."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(("items", "workers"), [(0, 2), (1, 4), (7, 3), (40, 2)])
def test_each_item_is_done_once_and_its_progress_and_messages_arrive(items, workers):
    steps = []
    found = list(shared_out(squared, items, workers, lambda *step: steps.append(step)))
    assert sorted((one.place, one.result[0]) for one in found) == [(n, n * n) for n in range(items)]
    assert len({one.result[1] for one in found}) <= min(items, workers)
    assert os.getpid() not in {one.result[1] for one in found}
    for one in found:
        assert one.logged == (Logged("a.room", logging.WARNING, f"item {one.place}"),)
        assert [step[1:] for step in steps if step[0] == one.place] == [(0, 2), (1, 2), (2, 2)]
    assert all(gone(one.result[1]) for one in found)


def test_what_is_loaded_before_is_there_and_what_a_worker_changes_is_not():
    loaded = {"model": list(range(1000))}

    def work(place, _tell):
        loaded["model"][place] = -1
        return sum(loaded["model"])

    assert {one.result for one in shared_out(work, 3, 3, ignored)} == {499500 - n - 1 for n in range(3)}
    assert loaded["model"] == list(range(1000))


def test_a_worker_that_is_ended_loses_its_item_alone():
    def work(place, _tell):
        if place in (1, 4):
            os.kill(os.getpid(), signal.SIGKILL)
        if place == 7:
            os._exit(3)
        return place

    lost = {1: -signal.SIGKILL, 4: -signal.SIGKILL, 7: 3}
    found = sorted(shared_out(work, 9, 2, ignored), key=lambda one: one.place)
    assert found == [Done(n, ended=lost[n]) if n in lost else Done(n, n) for n in range(9)]


class AwkwardError(Exception):
    """An error that cannot be put together again from what it is taken apart into."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


@pytest.mark.parametrize(("error", "kind"), [(KeyError("x"), KeyError), (AwkwardError(1, 2), RuntimeError)])
def test_an_error_that_is_not_expected_is_raised_here(error, kind):
    def work(place, _tell):
        if place == 2:
            raise error
        return os.getpid()

    seen = []
    with pytest.raises(kind, match="x" if kind is KeyError else "AwkwardError: 1 2"):
        seen.extend(one.result for one in shared_out(work, 6, 2, ignored))
    assert all(map(gone, seen))


def test_closing_ends_the_workers_whatever_they_do():
    def work(place, _tell):
        if place:
            time.sleep(60)
        return os.getpid()

    began = time.monotonic()
    with closing(shared_out(work, 3, 2, ignored)) as found:
        first = next(found).result
    assert gone(first)
    assert time.monotonic() - began < 30


def test_workers_do_not_outlive_the_process_that_made_them():
    call = [sys.executable, "-c", LEAVES]
    with subprocess.Popen(
        call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        workers = [int(program.stdout.readline()) for _ in range(3)]
        program.send_signal(signal.SIGINT)
    assert all(map(gone, workers))
