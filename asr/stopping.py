"""Ctrl-C and SIGTERM end a command, also where the exception that they raise is swallowed.

A signal raises in whatever Python code is running. If that is code which C calls back (a decoder that reads
from a file object, a destructor, a weak reference), nobody can catch what is raised there: Python reports it
and goes on, at times with a wrong answer. So the signal is remembered as well, and `stop_if_asked` raises it
between pieces of work.

Where `heed_signals` has not been called, as in programs that use the package, nothing here has an effect.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes."""

MOST_PATIENT = 2
"""Signals that wait for what is being cleaned up. It may hang: who asks once more is heard."""

_asked: list[BaseException] = []
"""What each signal so far has raised."""


def heed_signals() -> None:
    """Have Ctrl-C raise KeyboardInterrupt and SIGTERM an exit, which remove what is half written.

    Python raises nothing where Ctrl-C is ignored, as in what a shell starts in the background, nor do we.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    sys.unraisablehook = _report_unraisable


def ignore_signals() -> None:
    """Let nothing disturb the interpreter while it ends; all that was to be done has been done."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def stop_if_asked() -> None:
    """Raise what a signal has raised before, if one came: whoever goes on has not heard of it."""
    if _asked:
        raise _asked[-1]


def _stop(number: int, _frame: FrameType | None) -> None:
    """Raise, unless what an earlier signal raised is being cleaned up after; the third time even then."""
    heard = _is_handled()
    _asked.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(TERMINATED))
    if not heard or len(_asked) > MOST_PATIENT:
        raise _asked[-1]


def _is_handled() -> bool:
    """Whether the running code is in an except or finally block, or in an exit, that a signal led to."""
    error = sys.exception()
    while error is not None and error not in _asked:
        error = error.__context__
    return error is not None


def _report_unraisable(report: sys.UnraisableHookArgs) -> None:
    """Report what was swallowed, but for what a signal raised, which will be raised again."""
    if report.exc_value not in _asked:
        sys.__unraisablehook__(report)
