"""The command `onoma transcribe`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from asr.batch import Job
    from asr.recognizer import Recognizer
    from asr.result import Result
    from biasing.phrases import PhraseList

EPILOG = "Example: onoma transcribe call.mp3 --phrases names.txt -f srt,json -o transcripts"


@dataclass(frozen=True)
class _Wish:
    """What is asked of every recording."""

    model: str
    formats: tuple[str, ...]
    changes: dict[str, Any]
    phrase_file: Path | None
    phrases: tuple[str, ...]
    options_file: Path | None
    denoise: bool | float
    compare: bool
    quiet: bool
    verbose: bool
    picture: Path | None


Audio = Annotated[
    list[str], typer.Argument(help="Recordings, folders of recordings, or - for standard input.")
]
PhraseFile = Annotated[
    Path | None, typer.Option("--phrases", help="File of names and terms to expect, one a line.")
]
OnePhrase = Annotated[
    list[str] | None, typer.Option("--phrase", help="One name or term to expect; may be repeated.")
]
OptionsFile = Annotated[
    Path | None, typer.Option("--options", help="How phrases act: a TOML file, as onoma tune writes it.")
]
Denoise = Annotated[
    str,
    typer.Option(
        "--denoise", help="Take noise out first: on, off, or the share of the recording mixed back, 0 to 1."
    ),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Print only what the phrases changed; needs phrases.")
]
Picture = Annotated[
    Path | None,
    typer.Option("--plot-attention", help="Draw where the encoder looked for phrases; needs phrases."),
]
Formats = Annotated[
    str, typer.Option("-f", "--format", help="Comma-separated: txt, srt, vtt, tsv, ctm, json.")
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", help="Folder for transcripts; standard output without it.")
]
Model = Annotated[str, typer.Option("--model", help="Shipped model or model folder.")]
Beam = Annotated[int | None, typer.Option("--beam", min=1, help="Beam width [default: the model's own, 16].")]
Greedy = Annotated[
    bool, typer.Option("--greedy", help="Best token of each frame; no beam, no language model.")
]
LanguageModel = Annotated[
    bool | None, typer.Option("--lm/--no-lm", help="Use the language model [default: lm].")
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Search folders inside folders.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write transcripts anew that exist in --out.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only what went wrong.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say what is done.")]


def transcribe(
    audio: Audio,
    phrases: PhraseFile = None,
    phrase: OnePhrase = None,
    options: OptionsFile = None,
    denoise: Denoise = "off",
    compare: Compare = False,
    plot_attention: Picture = None,
    formats: Formats = "txt",
    out: Out = None,
    model: Model = "base-en",
    beam: Beam = None,
    greedy: Greedy = False,
    lm: LanguageModel = None,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn recordings into text.

    Transcripts go to standard output or to a folder, everything else to standard error. A recording that
    cannot be read is reported and the others go on. Exit code: 0 all done, 1 some failed, 2 wrong usage.
    """
    from asr.cli import SOME_FAILED, Level, told

    if greedy and (beam is not None or lm):
        raise typer.BadParameter(
            "--greedy uses neither a beam nor the language model; drop --greedy, or --beam and --lm"
        )
    if quiet and verbose:
        raise typer.BadParameter("-q and -v exclude each other")
    if overwrite and out is None:
        raise typer.BadParameter("--overwrite needs -o DIR: without it nothing is written")
    if not (phrases or phrase):
        _refuse_without_phrases(compare, options, plot_attention)
    if compare and (out is not None or formats != "txt"):
        raise typer.BadParameter(
            "--compare prints differences and no transcripts; drop -o and -f, or --compare"
        )
    given = {"greedy": greedy or None, "beam": beam, "lm": lm}
    changes = {name: value for name, value in given.items() if value is not None}
    names = tuple(name.strip() for name in formats.split(","))
    asked = phrases, tuple(phrase or ()), options, _share(denoise)
    wish = _Wish(model, names, changes, *asked, compare, quiet, verbose, plot_attention)
    with told(Level.quiet if quiet else Level.verbose if verbose else Level.normal):
        from asr.batch import pending, plan_jobs

        jobs = plan_jobs(audio, recursive, names, out)
        todo = pending(jobs, overwrite)
        if len(todo) < len(jobs):
            typer.echo(
                f"{len(jobs) - len(todo)} of {len(jobs)} exist already; --overwrite writes them anew",
                err=True,
            )
        failed = _run(todo, wish) if todo else 0
    if failed:
        raise typer.Exit(SOME_FAILED)


def _refuse_without_phrases(compare: bool, options: Path | None, picture: Path | None) -> None:
    """Refuse flags that mean nothing where there are no phrases."""
    if compare:
        raise typer.BadParameter(
            "--compare needs --phrases or --phrase: without them there is nothing to compare"
        )
    if options is not None:
        raise typer.BadParameter("--options says how phrases act; it needs --phrases or --phrase, or drop it")
    if picture is not None:
        raise typer.BadParameter("--plot-attention draws attention to phrases; give --phrases or --phrase")


def _run(jobs: list[Job], wish: _Wish) -> int:
    """Load the model, run the jobs with a progress bar, list the failures; returns how many there were."""
    from asr.batch import run_jobs
    from asr.bias_file import read_bias
    from asr.progress import audio_progress
    from asr.recognizer import Recognizer
    from biasing.adapter import AdapterError

    if wish.picture is not None and len(jobs) > 1:
        raise typer.BadParameter(f"--plot-attention draws one recording, not {len(jobs)}; give one")
    bias = read_bias(wish.options_file) if wish.options_file else None
    phrases = _phrases(wish)
    recognizer = Recognizer.from_pretrained(wish.model)
    if wish.picture is not None and recognizer.encoder_bias is None:
        raise AdapterError(
            f"--plot-attention: {wish.model} has no contextual adapter; give --model a folder with one"
        )
    options = replace(recognizer.options, **wish.changes)
    _warn(recognizer, wish, lm=options.lm and not options.greedy)
    with audio_progress([job.audio for job in jobs], shown=not wish.quiet) as on_progress:

        def hear(audio: str) -> Result:
            told = on_progress(audio)
            return recognizer.transcribe(
                audio, phrases, options, bias=bias, on_progress=told, denoise=wish.denoise
            )

        failures = run_jobs(jobs, _writers(wish), hear, _shower(named=len(jobs) > 1 and not wish.quiet))
    if failures and len(jobs) > 1:
        typer.echo(f"{len(failures)} of {len(jobs)} recordings failed:", err=True)
        for failure in failures:
            typer.echo(f"  {failure.audio}", err=True)
    return len(failures)


def _share(denoise: str) -> bool | float:
    """What `--denoise` asks for, as `Recognizer.transcribe` takes it."""
    if denoise in ("on", "off"):
        return denoise == "on"
    try:
        share = float(denoise)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise typer.BadParameter(
            f"--denoise {denoise}: accepted are on, off, and the share of the recording mixed back, 0 to 1"
        )
    return share


def _phrases(wish: _Wish) -> PhraseList | None:
    """All that was given by file and by flag; what cannot be used is told."""
    if wish.phrase_file is None and not wish.phrases:
        return None
    from biasing.phrases import joined, make_phrases, read_phrases

    parts = [read_phrases(wish.phrase_file)] if wish.phrase_file else []
    if wish.phrases:
        parts.append(make_phrases(wish.phrases))
    found = joined(parts)
    for one in found.unusable:
        typer.echo(f"phrase {one.line} {one.text!r} is left out: {one.reason}", err=True)
    if not found and not wish.quiet:
        typer.echo("no usable phrase; transcribing without any", err=True)
    return found


def _warn(recognizer: Recognizer, wish: _Wish, lm: bool) -> None:
    """Say what of the wish has no effect."""
    if lm and recognizer.ngram is None:
        typer.echo(
            f"{wish.model} has no language model; decoding without one (--no-lm silences this)", err=True
        )
    if wish.changes.get("greedy") and (wish.phrase_file or wish.phrases):
        acting = "the encoder's adapter and " if recognizer.encoder_bias is not None else ""
        typer.echo(
            f"--greedy: phrases act by {acting}pronunciation lookup alone; boosting, the language model "
            "class and rescoring need the beam search",
            err=True,
        )


def _writers(wish: _Wish) -> dict[str, Callable[[Result], str]]:
    """What makes each output of a result."""
    from asr.compare import format_differences
    from asr.writers import WRITERS
    from biasing.report import BiasReport, format_report

    writers = {"txt": format_differences} if wish.compare else {name: WRITERS[name] for name in wish.formats}
    told = wish.verbose and not wish.compare

    def tell(write: Callable[[Result], str], result: Result) -> str:
        if isinstance(result.bias, BiasReport):
            if told:
                typer.echo(format_report(result.bias), err=True)
            if wish.picture is not None:
                result.bias.plot(wish.picture)
        return write(result)

    first = next(iter(writers))
    return {**writers, first: partial(tell, writers[first])}


def _shower(named: bool) -> Callable[[str, str], None]:
    """Print transcripts on standard output; the names of many recordings go to standard error beside them."""

    def show(audio: str, text: str) -> None:
        if named:
            typer.echo(audio, err=True)
        typer.echo(text, nl=False)

    return show
