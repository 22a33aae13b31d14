"""The commands `onoma phrases check` and `onoma phrases add`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

phrases_app = typer.Typer(help="Lists of names and terms.", no_args_is_help=True)

ADD_EPILOG = """
\b
Examples:
  onoma phrases add names.txt "New York"
  onoma phrases add names.txt Zelenskyy --sounds-like "zuh LEN skee" --boost 10
  onoma phrases add names.txt Siobhan --from siobhan.wav --dry-run
"""

File = Annotated[Path, typer.Argument(help="Phrase file: one phrase a line, columns separated by tabs.")]
Model = Annotated[str, typer.Option("--model", help="Shipped model (onoma models list) or model folder.")]


@phrases_app.command("check", epilog="Example: onoma phrases check names.txt")
def check_phrases(file: File, model: Model = "base-en") -> None:
    """Show the pieces, pronunciations, variants and risks of each phrase, and why a line cannot be used."""
    from asr.cli import told

    with told():
        typer.echo(_checked(file, model))


@phrases_app.command("add", epilog=ADD_EPILOG)
def add_phrase(
    file: Annotated[Path, typer.Argument(help="Phrase file; it is made if it is not there.")],
    phrase: Annotated[str, typer.Argument(help="The name or term as it is written.")],
    sounds_like: Annotated[
        list[str] | None,
        typer.Option(
            "--sounds-like",
            help="How it sounds: in words, or in ARPAbet phones between slashes (/S IY R SH AH/); "
            "may be repeated.",
        ),
    ] = None,
    heard_in: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            help="A recording of the phrase alone, 10 s at most: the phones heard in it are added to what it "
            "sounds like; may be repeated.",
        ),
    ] = None,
    boost: Annotated[
        float | None,
        typer.Option(
            "--boost",
            help="Nats that the whole phrase is worth; negative discourages.",
            show_default="that of --options",
        ),
    ] = None,
    display: Annotated[
        str | None,
        typer.Option("--display", help="How it is written in transcripts.", show_default="as it is given"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the line, and write nothing.")] = False,
    model: Model = "base-en",
) -> None:
    """Add a phrase to a phrase file, and show how it will be heard.

    All else in the file stays as it is. Lines of the same words count as one phrase, so that another way to
    say it may be added at any time.
    """
    from asr.cli import told

    with told():
        from asr.files import write_text_atomic
        from biasing.phrase_edit import line_of, with_phrase
        from biasing.phrases import Phrase

        said = [*(sounds_like or ()), *_heard(heard_in or (), model)]
        new = Phrase(phrase, boost, said, display)
        text, line = with_phrase(file, new)
        if dry_run:
            typer.echo(line_of(new))
            return
        if line is None:
            typer.echo(f"{file} has this line already", err=True)
            return
        write_text_atomic(file, text)
        typer.echo(_checked(file, model, line))


def _heard(recordings: list[str] | tuple[()], model: str) -> list[str]:
    """The phones of each recording, as a phrase file writes them."""
    if not recordings:
        return []
    from asr.phone_hearing import phones_heard
    from asr.recognizer import Recognizer

    recognizer = Recognizer.from_pretrained(model)
    heard = [f"/{' '.join(phones_heard(recognizer, audio))}/" for audio in recordings]
    for audio, phones in zip(recordings, heard, strict=True):
        typer.echo(f"{audio}: {phones}", err=True)
    return heard


def _checked(file: Path, model: str, line: int | None = None) -> str:
    """What becomes of each line of a phrase file, or of what one line is part of."""
    from asr.recognizer import model_folder
    from asr.tokenizer import folder_tokenizer
    from biasing.g2p import Pronouncer
    from biasing.phrase_check import check, format_check

    tokenizer = folder_tokenizer(model_folder(model))
    rows = check(file, tokenizer.encode, tokenizer.pieces, pronouncer=Pronouncer.load())
    if line is None:
        return format_check(rows)
    return format_check([row for row in rows if line in row.lines]).rpartition("\n")[0]
