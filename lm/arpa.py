"""Writing a backoff model in the ARPA text format."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from lm.files import replacing
from lm.kneser_ney import BackoffModel

_LINES_AT_ONCE = 50_000


def write_arpa(model: BackoffModel, path: Path) -> None:
    """Write `model` as ARPA, packed when the suffix is .gz. Log10 with seven digits.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary, _open(temporary, packed=path.suffix == ".gz") as stream:
        lines = arpa_lines(model)
        while block := list(islice(lines, _LINES_AT_ONCE)):
            stream.write("\n".join(block) + "\n")


def arpa_lines(model: BackoffModel) -> Iterator[str]:
    """The lines of the ARPA file of `model`, without line ends."""
    yield "\\data\\"
    yield from (f"ngram {n}={count}" for n, count in enumerate(model.counts, start=1))
    texts = [""]
    for n, level in enumerate(model.levels, start=1):
        yield from ("", f"\\{n}-grams:")
        contexts, words = level.context.tolist(), level.word.tolist()
        texts = [f"{texts[c]} {model.words[w]}" for c, w in zip(contexts, words, strict=True)]
        probs, backoffs = level.log10_prob.tolist(), level.log10_backoff.tolist()
        if n < model.order:
            rows = zip(probs, texts, backoffs, strict=True)
            yield from (f"{prob:.7g}\t{text[1:]}\t{backoff:.7g}" for prob, text, backoff in rows)
        else:
            yield from (f"{prob:.7g}\t{text[1:]}" for prob, text in zip(probs, texts, strict=True))
    yield from ("", "\\end\\")


def _open(path: Path, packed: bool) -> TextIO:
    if packed:
        return gzip.open(path, "wt", encoding="utf-8")  # type: ignore[return-value]
    return path.open("w", encoding="utf-8")
