"""Drop the clips that a recognizer hears too differently from their text: mispronounced or broken speech.

    python -m recipes.synthesis.filter clips/manifest.jsonl --hypotheses heard.jsonl --max-cer 0.3

The recognizer is whatever you have: a file of hypotheses, or a command that prints one transcript a line for
the audio files it is given. Names are what a recognizer gets wrong, so by default they do not count.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from .clips import write_lines
from .errors import MissingError, SynthesisError, TextError
from .text import normalise

log = logging.getLogger(__name__)

GAP = "*"
_FILES_AT_ONCE = 200


def character_error_rate(record: Mapping[str, Any], heard: str, with_names: bool) -> float:
    """Character edits over reference characters, in both of which names count only `with_names`.

    Otherwise a name of the reference is a gap that any stretch of the hypothesis fills at no cost.
    """
    reference = str(record["text"])
    if not with_names:
        for name in sorted(record.get("entities", []), key=len, reverse=True):
            reference = re.sub(rf"(?<![\w']){re.escape(name)}(?![\w])", GAP, reference)
    letters = len(reference.replace(GAP, ""))
    return edits(reference, _plain(heard)) / letters if letters else 0.0


def edits(reference: str, heard: str) -> int:
    """Levenshtein distance, except that a `GAP` in the reference matches any stretch, even an empty one."""
    row = list(range(len(heard) + 1))
    for symbol in reference:
        if symbol == GAP:
            row = list(accumulate(row, min))
            continue
        fresh = [row[0] + 1]
        for place, char in enumerate(heard):
            fresh.append(min(row[place] + (symbol != char), row[place + 1] + 1, fresh[place] + 1))
        row = fresh
    return row[-1]


def keep_agreeing(
    records: Sequence[Mapping[str, Any]], heard: Mapping[str, str], max_cer: float, with_names: bool
) -> list[Mapping[str, Any]]:
    """The records whose hypothesis is close enough to their text.

    Raises:
        TextError: a clip without hypothesis.
    """
    missing = [name for record in records if (name := _stem(record["audio_filepath"])) not in heard]
    if missing:
        raise TextError(f"no hypothesis for {len(missing)} clips, e.g. {missing[0]}: give one for each clip")
    return [
        record
        for record in records
        if character_error_rate(record, heard[_stem(record["audio_filepath"])], with_names) <= max_cer
    ]


def read_hypotheses(path: Path) -> dict[str, str]:
    """Transcripts by clip, from JSON lines (with `pred_text` or `text`) or lines of name, tab, text."""
    heard = {}
    for line in _read(path).splitlines():
        if line.startswith("{"):
            fields = json.loads(line)
            name = fields.get("audio_filepath") or fields.get("id") or ""
            heard[_stem(name)] = str(fields.get("pred_text", fields.get("text", "")))
        elif line.strip():
            name, _, text = line.partition("\t")
            heard[_stem(name)] = text
    return heard


def run_recognizer(command: str, files: Sequence[Path]) -> dict[str, str]:
    """Transcripts by clip from a command that prints one line for each file named after it, in order.

    Raises:
        MissingError: the command fails.
        TextError: it prints more or fewer lines than it was given files.
    """
    heard: dict[str, str] = {}
    for start in range(0, len(files), _FILES_AT_ONCE):
        batch = files[start : start + _FILES_AT_ONCE]
        try:
            done = subprocess.run(
                [*shlex.split(command), *map(str, batch)], stdout=subprocess.PIPE, text=True, check=True
            )
        except OSError as error:
            raise MissingError(f"{command!r} does not run ({error.strerror}): name a program") from error
        except subprocess.CalledProcessError as error:
            message = (
                f"{command!r} ended with status {error.returncode}: it must transcribe the files it is given"
            )
            raise MissingError(message) from error
        lines = done.stdout.splitlines()
        if len(lines) != len(batch):
            raise TextError(
                f"{command!r} printed {len(lines)} lines for {len(batch)} files: one each is needed"
            )
        heard.update(zip((file.stem for file in batch), lines, strict=True))
    return heard


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the manifest of the clips that agree; the clips themselves stay where they are."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    folder = options.manifest.parent
    out = options.out or folder / "manifest.agreed.jsonl"
    try:
        records = [json.loads(line) for line in _read(options.manifest).splitlines() if line.strip()]
        if options.hypotheses:
            heard = read_hypotheses(options.hypotheses)
        else:
            heard = run_recognizer(options.command, [folder / item["audio_filepath"] for item in records])
        kept = keep_agreeing(records, heard, options.max_cer, options.with_names)
    except (SynthesisError, ValueError) as error:
        log.error("%s", error)
        return 2
    write_lines(out, (json.dumps(item, ensure_ascii=False) for item in kept))
    log.info("%s: %d of %d clips kept", out, len(kept), len(records))
    return 0


def _plain(text: str) -> str:
    try:
        return normalise(text)
    except TextError:
        return text.lower().strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise MissingError(f"{path}: cannot be read ({error.strerror}); name a text file") from error


def _stem(name: str) -> str:
    return Path(name).stem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recipes.synthesis.filter", description=__doc__)
    parser.add_argument("manifest", type=Path, help="manifest.jsonl of the clips")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--hypotheses", type=Path, help="JSON lines, or name, tab, transcript")
    source.add_argument("--command", help="recognizer; the audio files are added after it")
    parser.add_argument("--max-cer", type=float, default=0.3, help="largest character error rate to keep")
    parser.add_argument("--with-names", action="store_true", help="names must be heard right, too")
    parser.add_argument("--out", type=Path, help="default: manifest.agreed.jsonl beside the manifest")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
