"""The program `onoma`, also as `python -m asr`."""

import sys

from asr.stopping import INTERRUPTED, heed_signals, ignore_signals


def main() -> None:
    """Run the command line; signals are heeded from before its modules are loaded until it has ended."""
    heed_signals()
    try:
        from asr.cli import app

        app(prog_name="onoma")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        ignore_signals()


if __name__ == "__main__":
    main()
