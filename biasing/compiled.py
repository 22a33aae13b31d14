"""Loops compiled to machine code, kept on disk between processes where there is a place to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

_njit: Any = numba.njit  # its types do not know the options that leave wrappers out


def compiled(function: Function) -> Function:
    """Compile `function` with numba at its first call, in no-Python mode and without holding the GIL.

    The machine code is cached beside the source file, or in the user's cache folder where the installation is
    read-only, or in the folder that the environment variable NUMBA_CACHE_DIR names. Where none of them can be
    written the function works all the same and is compiled again by every process.
    """
    try:
        jitted = _njit(function, cache=True, nogil=True, no_cfunc_wrapper=True)
    except RuntimeError:  # numba: "no locator available": nowhere to write
        jitted = _njit(function, nogil=True, no_cfunc_wrapper=True)
    return cast(Function, jitted)


def compiled_part(function: Function) -> Function:
    """Compile `function` as a part of the `compiled` ones that call it; Python cannot call it.

    It has no wrapper for Python and no cache of its own, which nearly halves the time to compile.
    """
    part = _njit(function, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return cast(Function, part)
