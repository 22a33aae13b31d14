"""The command `onoma evaluate`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asr.evaluation.material import Material

DEFAULT_SIZES = "0,100,500,1000,2000"
EPILOG = "Example: onoma evaluate calls.jsonl --phrases names.txt -o evaluation"

Manifest = Annotated[Path, typer.Argument(help="Recordings and what is said in them, a JSON object a line.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder for the report.")]
Phrases = Annotated[Path | None, typer.Option("--phrases", help="Phrase file: one list for all recordings.")]
Lists = Annotated[
    Path | None,
    typer.Option("--lists", help="A list for each: id, text, JSON rare words, JSON list, between tabs."),
]
ListSizes = Annotated[
    str | None,
    typer.Option(
        "--list-sizes", help=f"Draw a list for each, of so many distractors [default: {DEFAULT_SIZES}]."
    ),
]
Techniques = Annotated[
    str | None,
    typer.Option("--techniques", help="Comma-separated [default: all single ones, and joint]."),
]
OptionsFile = Annotated[
    Path | None,
    typer.Option("--options", help="One technique more: options of a TOML file, as onoma tune writes it."),
]
Absent = Annotated[
    Path | None,
    typer.Option("--absent", help="Manifest of other recordings; those without any phrase show mistakes."),
]
Common = Annotated[
    Path | None, typer.Option("--common", help="Common words, one a line [default: the model's 5000].")
]
Distractors = Annotated[
    Path | None,
    typer.Option("--distractors", help="Phrases to draw from [default: the model's rare words]."),
]
Seed = Annotated[int, typer.Option("--seed", help="Draws the same lists again.")]
Model = Annotated[str, typer.Option("--model", help="Shipped model or model folder.")]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder for what need not be done twice [default: OUT/cache]."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only what went wrong.")]


def evaluate(
    manifest: Manifest,
    out: Out,
    phrases: Phrases = None,
    lists: Lists = None,
    list_sizes: ListSizes = None,
    techniques: Techniques = None,
    options: OptionsFile = None,
    absent: Absent = None,
    common: Common = None,
    distractors: Distractors = None,
    seed: Seed = 0,
    model: Model = "base-en",
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Recognize a manifest with and without phrases, and report what each technique is worth.

    Writes report.html, report.md, results.json, and the texts recognized. A killed run goes on where it
    stopped. Lines and recordings that cannot be used are left out and listed. Exit code: 0 all done, 1 some
    were left out, 2 wrong usage.
    """
    from asr.cli import SOME_FAILED, Level, told

    sizes = _check(phrases, lists, list_sizes, (absent, common, distractors))
    with told(Level.quiet if quiet else Level.normal):
        from asr.bias_file import read_bias
        from asr.evaluation import run
        from asr.evaluation.material import drawn_lists, read_utterances
        from asr.evaluation.pool import make_pool
        from asr.evaluation.techniques import biased, default_techniques, make_techniques
        from asr.recognizer import Recognizer

        recognizer = Recognizer.from_pretrained(model)
        names = techniques.split(",") if techniques else default_techniques(recognizer)
        chosen = make_techniques(recognizer, [name.strip() for name in names])
        if options:
            chosen.append(biased("options", read_bias(options, recognizer.bias))(recognizer))
        material = _material(manifest, phrases, lists, absent) or drawn_lists(
            read_utterances(manifest), sizes, make_pool(common, distractors, recognizer.ngram, seed)
        )
        place = run.Workplace(model, cache or out / "cache", not quiet)
        found = run.evaluate(recognizer, material, chosen, place)
        run.write_report(found, run.describe(recognizer, chosen, shlex.join(["onoma", *sys.argv[1:]])), out)
        if not quiet:
            from asr.evaluation.tables import verdict

            typer.echo("\n".join(verdict(found)))
            typer.echo(f"written to {out / 'report.html'}", err=True)
        for line in found.material.left_out:
            typer.echo(f"left out: {line}", err=True)
    if found.material.left_out:
        raise typer.Exit(SOME_FAILED)


def _check(
    phrases: Path | None, lists: Path | None, list_sizes: str | None, files: tuple[Path | None, ...]
) -> list[int]:
    """Refuse flags that contradict each other; returns the sizes of lists that are to be drawn."""
    if sum(one is not None for one in (phrases, lists, list_sizes)) > 1:
        raise typer.BadParameter(
            "--phrases is one list for all, --lists one for each, --list-sizes draws them; give one"
        )
    absent, *pool = files
    if absent is not None and phrases is None:
        raise typer.BadParameter(
            "--absent needs --phrases: other lists leave out what is spoken by themselves"
        )
    if any(pool) and (phrases is not None or lists is not None):
        raise typer.BadParameter(
            "--common and --distractors are for drawing lists; drop --phrases or --lists"
        )
    given = (list_sizes or DEFAULT_SIZES).split(",")
    if not all(size.strip().isdecimal() for size in given):
        raise typer.BadParameter(f"--list-sizes {list_sizes}: give whole numbers with commas, such as 0,100")
    return [int(size) for size in given]


def _material(
    manifest: Path, phrases: Path | None, lists: Path | None, absent: Path | None
) -> Material | None:
    """Read the lists that are given; None where they are to be drawn."""
    from asr.evaluation.material import given_lists, read_utterances, shared_list

    if phrases is not None:
        return shared_list(read_utterances(manifest), phrases, read_utterances(absent) if absent else None)
    return given_lists(read_utterances(manifest), lists) if lists is not None else None
