"""Progress bars, on a terminal only: by seconds of audio, and by steps of a training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asr.audio import AudioError, duration

OnProgress = Callable[[float], None]


@contextmanager
def audio_progress(audios: Sequence[str], shown: bool = True) -> Iterator[Callable[[str], OnProgress]]:
    """Yield a function that gives each recording its `on_progress(seconds done)`.

    A bar on standard error shows the sum of all.
    """
    # Asking a pipe for its duration would eat what is in it.
    piped = any(audio == "-" or (Path(audio).exists() and not Path(audio).is_file()) for audio in audios)
    if piped or not shown or not sys.stderr.isatty():
        yield lambda _audio: _ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    seconds = {audio: _duration(audio) for audio in audios}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Left to itself the bar takes over standard output and prints transcripts on standard error.
    redirect = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect) as bar:
        task = bar.add_task("", total=sum(seconds.values()))
        finished = 0.0

        def start(audio: str) -> OnProgress:
            nonlocal finished
            before = finished
            finished += seconds[audio]

            def advance(done: float) -> None:
                speed = (before + done) / max(bar.tasks[task].elapsed or 0.0, 1e-3)
                bar.update(task, completed=before + done, description=f"{audio} ({speed:.0f}x real time)")

            return advance

        yield start


@contextmanager
def step_progress(
    begun: int, total: int, shown: bool = True, title: str = "training"
) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many steps of `total` are done; a bar on standard error shows it."""
    if not shown or not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, completed=begun)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def byte_progress(title: str, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is told the bytes done and in all; a bar on standard error shows them."""
    if not shown or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _ignore(_done: float) -> None:
    pass


def _duration(audio: str) -> float:
    try:
        return duration(audio)
    except AudioError:
        return 0.0
