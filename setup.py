"""Building the package: its files, and the machine code of its compiled loops where that can be made.

Everything else is in pyproject.toml. Nothing depends on the machine code: without it, or where it is of
another kind of processor or another version of numba, the loops are compiled when they are first called.
"""

from __future__ import annotations

import os
import subprocess
import sys

from setuptools import setup
from setuptools.command.build_py import build_py

MOST_SECONDS = 600
MODULE = "asr.compile_ahead"
ELSEWHERE = {"NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT"}
"""Variables with which nothing would be compiled beside the copies."""


class BuildAndCompile(build_py):
    """Copy the files, then compile the loops beside the copies."""

    def run(self) -> None:
        """Build; a compiler that fails, as one without numba, fails nothing."""
        super().run()
        if self.editable_mode:
            return  # the sources themselves are used, and what is compiled at the first call is kept there
        environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, "-m", MODULE]
        try:
            subprocess.run(command, cwd=self.build_lib, env=environment, timeout=MOST_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            self.warn(f"loops are compiled when they are first called ({error})")


setup(cmdclass={"build_py": BuildAndCompile})
