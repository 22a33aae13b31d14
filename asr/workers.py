"""Work shared out to processes that are forked from this one and so share its memory.

What was loaded before the fork is not copied: both sides see the same pages until one writes to them. Threads
do not survive a fork, so a worker must compute with one thread, and nothing that was loaded may rely on a
pool of threads. Workers only compute. What they find comes back to this process, which alone writes and
prints, so that a worker may be ended at any moment.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import pickle
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

R = TypeVar("R")
OnProgress = Callable[[float, float], None]
"""Told the seconds of audio done so far, and the seconds in all."""
Work = Callable[[int, OnProgress], R]
"""What is done with the item of that place."""

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Logged:
    """A message of a worker, for this process to log in its turn."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True)
class Done(Generic[R]):
    """What became of an item.

    Attributes:
        place: which item it is.
        result: what the work returned; None where the process was ended in the middle of it.
        logged: messages that belong to it.
        ended: the exit code of that process, below 0 the number of a signal; None where it goes on.
    """

    place: int
    result: R | None = None
    logged: tuple[Logged, ...] = ()
    ended: int | None = None


@dataclass(frozen=True)
class _Step:
    """How far an item is."""

    place: int
    done: float
    total: float


@dataclass(frozen=True)
class _Fault:
    """An error that the work did not expect."""

    error: Exception


def shared_out(
    work: Work[R], items: int, workers: int, on_progress: Callable[[int, float, float], None]
) -> Iterator[Done[R]]:
    """Do the work for the places 0 to `items` - 1 in processes; yields what becomes of each as it is done.

    A process that is ended from outside loses its item, not the others. Close the iterator to end them all.

    Args:
        work: called in the processes; what it returns must be picklable.
        items: how many there are.
        workers: how many processes share them.
        on_progress: hears (place, done, total) of every item.

    Raises:
        Exception: what the work raised; the other processes are ended.
    """
    waiting, team = deque(range(items)), list[_Worker]()
    with _frozen_memory():
        try:
            while waiting or team:
                while waiting and len(team) < workers:
                    team.append(_Worker(work, team, waiting.popleft()))
                for worker in _ready(team):
                    message = worker.hear()
                    if isinstance(message, _Fault):
                        raise message.error
                    if isinstance(message, _Step):
                        on_progress(message.place, message.done, message.total)
                        continue
                    if message.ended is not None or not waiting:
                        team.remove(worker)
                        worker.end()
                    else:
                        worker.give(waiting.popleft())
                    yield message
        finally:
            for worker in team:
                worker.end()


@contextmanager
def _frozen_memory() -> Iterator[None]:
    """Keep the garbage collector of the workers off what they share: it writes to all that it looks at."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Worker:
    """A process with a pipe to it, and the item it has."""

    def __init__(self, work: Work[Any], others: list[_Worker], place: int) -> None:
        self._pipe, theirs = _FORK.Pipe()
        ours = [self._pipe, *(other._pipe for other in others)]
        self._process = _FORK.Process(target=_serve, args=(work, theirs, ours), daemon=True)
        # Ctrl-C goes to all processes of a terminal, and is for this one to answer.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.give(place)

    def give(self, place: int) -> None:
        """Give it an item."""
        self._place = place
        with suppress(BrokenPipeError):  # it was ended meanwhile, which `hear` will tell
            self._pipe.send(place)

    def hear(self) -> Any:
        """What it has to say."""
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return Done(self._place, ended=self._process.exitcode)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _ready(team: list[_Worker]) -> list[_Worker]:
    """The workers that have something to say; waits until there is one."""
    ready = wait([worker._pipe for worker in team])
    return [worker for worker in team if worker._pipe in ready]


class _Keeper(logging.Handler):
    """Keeps messages in place of writing them."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Logged] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(Logged(record.name, record.levelno, record.getMessage()))

    def taken(self) -> tuple[Logged, ...]:
        """The messages so far, which are then forgotten."""
        taken, self.kept = tuple(self.kept), []
        return taken


def _serve(work: Work[Any], pipe: Connection, inherited: list[Connection]) -> None:
    """Work on what comes through the pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in inherited:  # held open here, they would not tell this process that the first one is gone
        other.close()
    keeper = _Keeper()
    logging.getLogger().handlers[:] = [keeper]

    def tell(done: float, total: float) -> None:
        pipe.send(_Step(place, done, total))

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            place = pipe.recv()
            try:
                answer: Done[Any] | _Fault = Done(place, work(place, tell), keeper.taken())
            except Exception as error:
                answer = _Fault(_portable(error))
            pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """The error, or one like it if it cannot be sent, with its traceback as a note."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does when it is taken apart and put together
        return RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    return error
