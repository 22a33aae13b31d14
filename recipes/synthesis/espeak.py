"""Spelling to IPA by eSpeak NG, run as a program (it is GPL; nothing of it is linked or imported)."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache

from .errors import MissingError, PhoneError


def find_espeak() -> str:
    """Path of the program.

    Raises:
        MissingError: it is not installed.
    """
    path = shutil.which("espeak-ng")
    if path is None:
        raise MissingError("espeak-ng is not installed: on Debian or Ubuntu, apt-get install espeak-ng")
    return path


@lru_cache(maxsize=65536)
def spell(text: str, accent: str) -> str:
    """IPA of `text` in "en-us" or "en-gb", diphthongs and affricates tied with ^.

    Raises:
        MissingError: eSpeak NG is not installed.
        PhoneError: it failed or had nothing to say.
    """
    command = [find_espeak(), "-q", "--ipa", "--tie=^", "-v", accent, "--stdin"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, encoding="utf-8")
    ipa = " ".join(done.stdout.split())
    if done.returncode != 0 or not ipa:
        raise PhoneError(f"espeak-ng cannot read {text!r} ({done.stderr.strip() or 'no sound'}): reword it")
    return ipa
