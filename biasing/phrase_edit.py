"""A phrase as a line of a phrase file, and files with one line more."""

from __future__ import annotations

from pathlib import Path

from biasing.phrases import Phrase, PhraseError, make_phrases, read_phrases


def line_of(phrase: Phrase) -> str:
    """The line of a phrase file that is read as this phrase.

    Raises:
        PhraseError: it cannot be used, or no line is read as it (a tab inside, "#" in front); says why.
    """
    if found := make_phrases([phrase]).unusable:
        raise PhraseError(f"{phrase.text!r:.80} cannot be used: {found[0].reason}")
    boost = "" if phrase.boost is None else f"{phrase.boost:g}"
    columns = [phrase.text, boost, "|".join(phrase.sounds_like), phrase.display or ""]
    line = "\t".join(columns).rstrip("\t")
    same = make_phrases([line]) == make_phrases([phrase])
    if not same or line.lstrip().startswith("#") or "\n" in line or "\r" in line:
        raise PhraseError(
            f"{phrase.text!r:.80} cannot stand in a phrase file as it is; leave out tabs, line breaks, "
            "'#' in front and ' :' before the end"
        )
    return line


def with_phrase(path: Path, phrase: Phrase) -> tuple[str, int | None]:
    """The text of a phrase file with a phrase added, and the number of its line; None if it is there.

    A file that is not there is empty. Lines with the same words are joined when they are read, so a new way
    to say a phrase is a line more. What is in the file stays as it is.

    Raises:
        PhraseError: the file cannot be read, or as `line_of`.
    """
    line = line_of(phrase)
    if not path.exists():
        return f"{line}\n", 1
    read_phrases(path)  # refuses what is no phrase file
    text = path.read_bytes().decode("utf-8")
    lines = text.splitlines()
    if line in lines:
        return text, None
    end = "\r\n" if "\r\n" in text else "\n"
    whole = text if not text or text.endswith(("\n", "\r")) else text + end
    return f"{whole}{line}{end}", len(whole.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
