"""Loops compiled to machine code, kept on disk between processes where there is a place to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile `function` with numba at its first call, in no-Python mode and without holding the GIL.

    The machine code is cached beside the source file, or in the user's cache folder where the installation is
    read-only, or in the folder that the environment variable NUMBA_CACHE_DIR names. Where none of them can be
    written the function works all the same and is compiled again by every process.
    """
    try:
        jitted = numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba: "no locator available": nowhere to write
        jitted = numba.njit(function, nogil=True)
    return cast(Function, jitted)
