"""The command line. It translates arguments into calls; the work is done elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr import cli_denoise, cli_evaluate, cli_transcribe, cli_tune
from asr.cli_environment import NamedByEnvironment
from asr.cli_models import models_app
from asr.cli_phrases import phrases_app
from asr.stopping import INTERRUPTED, stop_if_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

EPILOG = """
\b
Examples:
  onoma transcribe interview.mp3
  onoma transcribe calls --recursive --phrases names.txt -f srt,json -o transcripts
  onoma phrases add names.txt Zelenskyy --sounds-like "zuh LEN skee"

Each option may be given as an environment variable, which the help of its command names; the command line
wins. Completion for your shell: onoma --install-completion.
"""

app = typer.Typer(
    name="onoma",
    cls=NamedByEnvironment,
    help="A speech recognizer that learns new names from a text file, without retraining.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # which would take what stands between brackets in a help text for markup
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
lm_app = typer.Typer(help="Language models.", no_args_is_help=True)
app.add_typer(lm_app, name="lm")
app.add_typer(models_app, name="models")
app.add_typer(phrases_app, name="phrases")
app.command(epilog=cli_transcribe.EPILOG)(cli_transcribe.transcribe)
app.command(epilog=cli_evaluate.EPILOG)(cli_evaluate.evaluate)
app.command(epilog=cli_tune.EPILOG)(cli_tune.tune)
app.command(epilog=cli_denoise.EPILOG)(cli_denoise.denoise)

EXTRAS = {"matplotlib": "train", "scipy": "train"}
"""Optional packages, and the extra that installs each."""
SOME_FAILED, USAGE, PIPE_CLOSED = 1, 2, 141


class Level(StrEnum):
    """How much is said on standard error."""

    quiet = "quiet"
    normal = "normal"
    verbose = "verbose"


@contextmanager
def told(level: Level = Level.normal) -> Iterator[None]:
    """Log to standard error; a user's mistake becomes one line and exit code 2, Ctrl-C exit code 130."""
    severity = {Level.quiet: logging.ERROR, Level.normal: logging.WARNING, Level.verbose: logging.INFO}[level]
    logging.basicConfig(level=severity, format="%(message)s", stream=sys.stderr)
    try:
        try:
            yield
        finally:
            stop_if_asked()  # of which an error may be the consequence
    except BrokenPipeError:
        # Who read our output wants no more of it; Python must not complain of that when it ends either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(PIPE_CLOSED) from None
    except (ValueError, OSError, ModuleNotFoundError) as error:
        if _is_ours(error):
            typer.echo(f"onoma: {error}", err=True)
        elif isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            extra = EXTRAS[error.name]
            typer.echo(f"onoma: {error.name} is not installed; pip install 'onoma[{extra}]'", err=True)
        elif isinstance(error, OSError) and error.strerror:
            typer.echo(f"onoma: {error.filename or 'system'}: {error.strerror}", err=True)
        else:
            raise
        raise typer.Exit(USAGE) from error
    except KeyboardInterrupt:
        typer.echo("onoma: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _is_ours(error: Exception) -> bool:
    """Whether the error was raised with a message for the user, rather than by a fault of the program."""
    return type(error).__module__.partition(".")[0] in {"asr", "biasing", "lm"}


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"onoma {version('onoma')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: onoma score test.jsonl transcripts --phrases names.txt --align")
def score(
    ref: Annotated[
        Path, typer.Argument(help="What was said: manifest, trn, Kaldi text, or one sentence a line.")
    ],
    hyp: Annotated[
        Path, typer.Argument(help="What was heard, the same formats, or a folder of transcripts.")
    ],
    align: Annotated[
        bool, typer.Option("--align", help="Print REF and HYP rows of every utterance with errors.")
    ] = False,
    phrases: Annotated[
        Path | None,
        typer.Option("--phrases", help="Phrase file: adds precision, recall, F1, B-WER and U-WER."),
    ] = None,
    lists: Annotated[
        Path | None,
        typer.Option(
            "--lists",
            help="The same, a list for each utterance: id, text, JSON rare words, JSON list, between tabs.",
        ),
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="Print a row for each phrase; needs --phrases or --lists.")
    ] = False,
) -> None:
    """Word and character error rates with 95 % bootstrap intervals; of phrases too, given a list."""
    if phrases and lists:
        raise typer.BadParameter("--phrases is one list for all, --lists one for each utterance; give one")
    if each and not (phrases or lists):
        raise typer.BadParameter("--each needs --phrases or --lists")
    with told():
        from asr import scoring

        if align:
            typer.echo(scoring.format_alignment(scoring.score_files(ref, hyp), only_errors=True))
        if phrases or lists:
            _score_phrases(ref, hyp, phrases, lists, each)
        else:
            typer.echo(scoring.format_summary(scoring.score_files(ref, hyp)), nl=False)


def _score_phrases(ref: Path, hyp: Path, phrases: Path | None, lists: Path | None, each: bool) -> None:
    from asr.scoring import load_lists, load_phrases, score_phrase_files
    from biasing.views import format_phrases, format_summary

    given = load_phrases(phrases) if phrases else load_lists(lists) if lists else []
    found = score_phrase_files(ref, hyp, given)
    if each:
        typer.echo(format_phrases(found))
    typer.echo(format_summary(found), nl=False)


@app.command(epilog="Example: onoma train recipes/base/config.toml --set data.root=DATA --resume")
def train(
    config: Annotated[Path, typer.Argument(help="TOML configuration; see recipes/base/config.toml.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint of run.out.")
    ] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting, such as optimizer.total_steps=500.")
    ] = None,
) -> None:
    """Train an acoustic model, whose work processes share under torchrun, or a denoiser."""
    with told(Level.verbose):
        from asr.training.start import start

        typer.echo(start(config, tuple(changes or ()), resume))


@lm_app.command(
    "train", epilog="Example: onoma lm train books.txt.xz calls.txt -o lm.bin --order 3 --prune 0,0,1"
)
def train_lm(
    texts: Annotated[list[str], typer.Argument(help="Texts, one sentence a line: .txt, .gz, .xz, or -.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Model to write: .arpa, .arpa.gz, or .bin (KenLM binary).")
    ],
    order: Annotated[int, typer.Option("--order", min=2, max=6, help="Words in the longest n-gram.")] = 4,
    prune: Annotated[
        str,
        typer.Option(
            "--prune", help="Drop n-grams seen this often or less, one number an order; the last repeats."
        ),
    ] = "0,0,1",
    vocab_min_count: Annotated[
        int, typer.Option("--vocab-min-count", min=1, help="Rarer words are unknown.")
    ] = 1,
) -> None:
    """Estimate an n-gram model: interpolated modified Kneser-Ney."""
    if not all(part.strip().isdecimal() for part in prune.split(",")):
        raise typer.BadParameter(f"--prune {prune}: give whole numbers separated by commas, such as 0,0,1")
    with told(Level.verbose):
        from lm.estimate import EstimateOptions
        from lm.estimate import train as estimate

        thresholds = tuple(int(part) for part in prune.split(","))
        report = estimate(
            texts, out, EstimateOptions(order=order, prune=thresholds, min_word_count=vocab_min_count)
        )
        counts = ", ".join(f"{count:,} {n}-grams" for n, count in enumerate(report.ngrams, start=1))
        typer.echo(
            f"{out}: {report.words:,} words, {counts}; {report.bytes / 1e6:.1f} MB "
            f"in {report.seconds:.0f} s; {report.refused_lines} lines left out, "
            f"{100 * report.unknown_share:.2f} % unknown words"
        )
