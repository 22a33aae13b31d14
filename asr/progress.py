"""Progress bars, on a terminal only: by seconds of audio, and by steps of a training.

Who tells of progress is between two pieces of work, and so hears there of a signal that was lost on the way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

from asr.audio import AudioError, duration
from asr.stopping import stop_if_asked

Told = ParamSpec("Told")


class AudioProgress:
    """How far many recordings are, several of them at once if need be.

    The whole is what the recordings state until they are opened, then what they turn out to be; of one that
    fails, what was heard of it. So the speed is that of what was heard.
    """

    def __init__(self, stated: Mapping[str, float], show: Callable[[float, float, str], None]) -> None:
        """`show` hears seconds done, seconds in all, and the recording that has just got on."""
        self._total = dict(stated)
        self._done = dict.fromkeys(stated, 0.0)
        self._show = show
        self._all_done, self._all = 0.0, float(sum(stated.values()))

    def tell(self, audio: str, done: float, total: float) -> None:
        """So many seconds of a recording are done, of so many."""
        stop_if_asked()
        self._all_done += done - self._done.get(audio, 0.0)
        self._all += max(total, done) - self._total.get(audio, 0.0)
        self._done[audio], self._total[audio] = done, max(total, done)
        self._show(self._all_done, self._all, audio)

    def end(self, audio: str) -> None:
        """No more of a recording will be heard."""
        done = self._done.get(audio, 0.0)
        self.tell(audio, done, done)


@contextmanager
def audio_progress(audios: Sequence[str], shown: bool = True) -> Iterator[AudioProgress]:
    """Yield what is told how far each recording is; a bar on standard error shows the sum of all."""
    if not shown or not sys.stderr.isatty():
        yield AudioProgress({}, _unseen)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    stated = {audio: _duration(audio) for audio in audios}
    # Left to itself the bar takes over standard output and prints transcripts on standard error.
    redirect = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect) as bar:
        task = bar.add_task("", total=sum(stated.values()))

        def show(done: float, total: float, audio: str) -> None:
            speed = done / max(bar.tasks[task].elapsed or 0.0, 1e-3)
            bar.update(task, completed=done, total=total, description=f"{audio} ({speed:.0f}x real time)")

        yield AudioProgress(stated, show)


@contextmanager
def step_progress(
    begun: int, total: int, shown: bool = True, title: str = "training"
) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many steps of `total` are done; a bar on standard error shows it."""
    if not shown or not sys.stderr.isatty():
        yield _stoppable(lambda _step: None)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, completed=begun)
        yield _stoppable(lambda done: bar.update(task, completed=done))


@contextmanager
def byte_progress(title: str, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is told the bytes done and in all; a bar on standard error shows them."""
    if not shown or not sys.stderr.isatty():
        yield _stoppable(lambda _done, _total: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield _stoppable(lambda done, total: bar.update(task, completed=done, total=total))


def _stoppable(show: Callable[Told, None]) -> Callable[Told, None]:
    """The same, but between two steps a run can be stopped."""

    def tell(*numbers: Told.args, **named: Told.kwargs) -> None:
        stop_if_asked()
        show(*numbers, **named)

    return tell


def _unseen(_done: float, _total: float, _audio: str) -> None:
    pass


def _duration(audio: str) -> float:
    """The length that a recording states; 0 of what cannot be asked, as a pipe would be eaten by it."""
    if audio == "-" or not Path(audio).is_file():
        return 0.0
    try:
        return duration(audio)
    except AudioError:
        return 0.0
