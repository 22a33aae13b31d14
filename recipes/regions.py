"""Marked regions of Markdown files, written anew from kept results: no number is typed by hand.

Between a comment of the form `<!-- KIND: WORDS -->` and `<!-- end -->` stands what the maker of that kind
makes of the words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from asr.files import write_text_atomic

SYNTHETIC = "synthetic-test-names"

Makers = Mapping[str, tuple[Callable[..., str | None], int]]
"""What makes each kind of region, and how many words it is told; None leaves what stands there."""


def pattern(kinds: Iterable[str]) -> re.Pattern[str]:
    """What finds the regions of some kinds; others are none of its business."""
    return re.compile(
        rf"(?P<begin><!-- (?P<kind>{'|'.join(kinds)}): (?P<words>[^\n]+?) -->\n)"
        r".*?(?P<end>\n?<!-- end -->)",
        re.DOTALL,
    )


def rewrite(file: Path, makers: Makers) -> int:
    """Rewrite the marked regions of a file; returns how many there are.

    Raises `SystemExit` where a comment has more or fewer words than its kind takes.
    """

    def made(match: re.Match[str]) -> str:
        words = match["words"].split()
        maker, count = makers[match["kind"]]
        if len(words) != count:
            raise SystemExit(f"{file}: {match['begin'].strip()}: {count} words are needed, not {len(words)}")
        shown = maker(*words)
        return match[0] if shown is None else f"{match['begin']}{shown}\n{match['end'].lstrip()}"

    text, regions = pattern(makers).subn(made, file.read_text(encoding="utf-8"))
    write_text_atomic(file, text)
    return regions


def markdown(header: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *cells))


def title(name: str) -> str:
    """The name of a set, with what it is made of where that is not people."""
    return f"{name} (synthetic speech)" if name.startswith(SYNTHETIC) else name
