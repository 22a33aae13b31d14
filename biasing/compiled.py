"""Loops compiled to machine code, kept on disk between processes where there is a place to keep them."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

_njit: Any = numba.njit  # its types do not know the options that leave wrappers out
_WHOLE: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}
_PART: dict[str, Any] = {**_WHOLE, "no_cpython_wrapper": True}
_IN_PLACE: dict[str, Any] = {"_nrt": False}  # without numba's runtime, which counts references to arrays
_ROOMS = ("asr", "biasing", "lm")
_IMPORT = re.compile(r"^(?:from\s+([\w.]+)\s+import\b\s*(\([^)]*\)|.*)|import\s+([\w.]+))", re.MULTILINE)


def compiled(function: Function) -> Function:
    """Compile `function` with numba at its first call, in no-Python mode and without holding the GIL.

    The machine code is cached beside the source file, or in the user's cache folder where the installation is
    read-only, or in the folder that the environment variable NUMBA_CACHE_DIR names. Where none of them can be
    written the function works all the same and is compiled again by every process. What the installation left
    beside the source file is used wherever new code is kept. Code that was made of other sources is not used,
    whichever of the modules it was made of has changed.
    """
    return _kept(function, {})


def compiled_in_place(function: Function) -> Function:
    """`compiled` for what makes no arrays: it reads and writes those that it is given, and returns none.

    Then nothing counts references to arrays, which halves the time to compile. Its parts are `part_in_place`.
    """
    return _kept(function, _IN_PLACE)


def compiled_part(function: Function) -> Function:
    """Compile `function` as a part of the `compiled` ones that call it; Python cannot call it.

    It has no wrapper for Python and no cache of its own, which nearly halves the time to compile.
    """
    return cast(Function, _njit(function, **_PART))


def part_in_place(function: Function) -> Function:
    """`compiled_part` for what makes no arrays; see `compiled_in_place`."""
    return cast(Function, _njit(function, **_PART, **_IN_PLACE))


def compiled_formula(function: Function) -> Function:
    """Compile a part that divides by nothing that can be zero.

    Without the check for zeros, loops over it work on several numbers at once.
    """
    return cast(Function, _njit(function, error_model="numpy", **_PART))


def _kept(function: Function, options: dict[str, Any]) -> Function:
    """Compile `function` with its machine code cached, if there is a place for it."""
    try:
        jitted = _njit(function, cache=True, **_WHOLE, **options)
    except RuntimeError:  # numba: "no locator available": nowhere to write
        return cast(Function, _njit(function, **_WHOLE, **options))
    kept = getattr(getattr(jitted, "_cache", None), "_cache_file", None)
    if kept is not None:
        kept._source_stamp = _digest(function.__module__)
        _look_beside(kept, Path(function.__code__.co_filename).parent / "__pycache__")
    return cast(Function, jitted)


def _look_beside(kept: Any, folder: Path) -> None:
    """Let a cache file of numba take what it lacks from the folder that the installation compiled into."""
    if Path(kept._cache_path) == folder:
        return
    installed = type(kept)(str(folder), kept._index_name.removesuffix(".nbi"), kept._source_stamp)
    own = kept.load

    def load(key: Any) -> Any:
        found = own(key)
        return installed.load(key) if found is None else found

    kept.load = load


def _digest(module: str) -> str:
    """A hash of the source of a module and of all modules of the rooms, and its own, that it imports.

    numba itself looks at the file of the function alone, and would keep the machine code of parts in others.
    """
    rooms = {*_ROOMS, module.partition(".")[0]}
    found, waiting = dict[str, bytes](), [module]
    while waiting:
        name = waiting.pop()
        path = getattr(sys.modules.get(name), "__file__", None)
        if name in found or name.partition(".")[0] not in rooms or path is None:
            continue
        found[name] = Path(path).read_bytes()
        waiting += _imported(found[name].decode("utf-8"))
    return hashlib.sha256(b"".join(found[name] for name in sorted(found))).hexdigest()


def _imported(source: str) -> Iterator[str]:
    """Names of what may be modules in the import statements of a module; there are no relative ones."""
    for package, names, module in _IMPORT.findall(source):
        yield package or module
        for name in re.findall(r"\w+", names):
            yield f"{package}.{name}"
