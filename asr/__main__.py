"""`python -m asr` is `onoma`."""

from asr.cli import main

if __name__ == "__main__":
    main()
