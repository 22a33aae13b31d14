"""The command `onoma tune`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asr.evaluation.tuning import Tuned

EPILOG = "Example: onoma tune calls.jsonl --phrases names.txt --mistakes 0.1 -o options.toml"

Manifest = Annotated[Path, typer.Argument(help="Recordings and what is said in them, a JSON object a line.")]
Phrases = Annotated[Path, typer.Option("--phrases", help="Phrase file: one list for all recordings.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="TOML file for --options of the other commands.")]
Mistakes = Annotated[
    float, typer.Option("--mistakes", min=0.0, help="Phrases a minute that may be heard by mistake.")
]
Distractors = Annotated[
    Path | None,
    typer.Option("--distractors", help="Phrases that nobody says here [default: the model's rare words]."),
]
Seed = Annotated[int, typer.Option("--seed", help="Draws the same of them again.")]
Model = Annotated[str, typer.Option("--model", help="Shipped model or model folder.")]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder for what need not be done twice [default: OUT.cache]."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only what went wrong.")]


def tune(
    manifest: Manifest,
    phrases: Phrases,
    out: Out,
    mistakes: Mistakes = 0.1,
    distractors: Distractors = None,
    seed: Seed = 0,
    model: Model = "base-en",
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Choose how strongly phrases act, on recordings of your own.

    Tries boosts of several strengths and takes the one that recognizes the phrases best among those that
    hear no more of them by mistake than is allowed. Mistakes are counted with the list and with another one
    of which nothing is spoken. A killed run goes on where it stopped. Exit code: 0 all done, 1 nothing keeps
    to what is allowed or some recordings were left out, 2 wrong usage.
    """
    from asr.cli import SOME_FAILED, Level, told

    with told(Level.quiet if quiet else Level.normal):
        from asr.bias_file import write_bias
        from asr.evaluation.material import read_utterances
        from asr.evaluation.pool import rare_phrases
        from asr.evaluation.run import Workplace
        from asr.evaluation.tuning import tune as try_all
        from asr.evaluation.tuning import tuning_material
        from asr.evaluation.tuning_text import comments
        from asr.recognizer import Recognizer

        recognizer = Recognizer.from_pretrained(model)
        strangers = rare_phrases(distractors, recognizer.ngram)
        material = tuning_material(read_utterances(manifest), phrases, strangers, seed)
        place = Workplace(model, cache or out.with_name(f"{out.name}.cache"), not quiet)
        tuned = try_all(recognizer, material, mistakes, place)
        chosen = tuned.chosen
        if chosen is not None and chosen.bias is not None:
            command = shlex.join(["onoma", *sys.argv[1:]])
            write_bias(chosen.bias, out, comments(tuned, command))
        _tell(tuned, out, quiet)
    if chosen is None or tuned.material.left_out:
        raise typer.Exit(SOME_FAILED)


def _tell(tuned: Tuned, out: Path, quiet: bool) -> None:
    """The table and the conclusion; where all went well and nothing is to be said, nothing."""
    from asr.evaluation.tuning_text import conclusion, format_trials

    if not quiet:
        typer.echo(format_trials(tuned) + "\n")
    if not quiet or tuned.chosen is None:
        typer.echo("\n".join(conclusion(tuned)), err=quiet)
    if tuned.chosen is not None and not quiet:
        typer.echo(f"written to {out}", err=True)
    for line in tuned.material.left_out:
        typer.echo(f"left out: {line}", err=True)
