"""The command `onoma transcribe`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from asr import cli_options as flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asr.batch import Job, Transcript
    from asr.recognizer import Recognizer
    from asr.result import Result
    from asr.workers import OnProgress
    from biasing.phrases import PhraseList

EPILOG = """
\b
Examples:
  onoma transcribe call.mp3 --phrases names.txt -f srt,json -o transcripts
  onoma transcribe calls --recursive -o transcripts --jobs 4
  onoma transcribe call.wav --channels split -f vtt --line-characters 32
  onoma transcribe call.wav --phrase Siobhan --phrase "New York" --compare
  ffmpeg -i film.mkv -f wav - | onoma transcribe - -f srt > film.srt
"""


@dataclass(frozen=True)
class _Wish:
    """What is asked of every recording."""

    model: str
    formats: tuple[str, ...]
    subtitles: dict[str, Any]
    changes: dict[str, Any]
    phrase_file: Path | None
    phrases: tuple[str, ...]
    options_file: Path | None
    denoise: bool | float
    split: bool
    compare: bool
    quiet: bool
    verbose: bool
    picture: Path | None
    jobs: int


def transcribe(
    audio: flags.Audio,
    phrases: flags.PhraseFile = None,
    phrase: flags.OnePhrase = None,
    options: flags.OptionsFile = None,
    denoise: flags.Denoise = "off",
    channels: flags.ChannelsOption = flags.Channels.mix,
    compare: flags.Compare = False,
    plot_attention: flags.Picture = None,
    formats: flags.Formats = "txt",
    line_characters: flags.LineCharacters = None,
    lines: flags.Lines = None,
    out: flags.Out = None,
    model: flags.Model = "base-en",
    beam: flags.Beam = None,
    greedy: flags.Greedy = False,
    lm: flags.LanguageModel = None,
    jobs: flags.Jobs = 1,
    recursive: flags.Recursive = False,
    overwrite: flags.Overwrite = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Turn recordings into text.

    Transcripts go to standard output or to a folder, everything else to standard error. A recording that
    cannot be read is reported and the others go on. Exit code: 0 all done, 1 some failed, 2 wrong usage.
    """
    from asr.cli import SOME_FAILED, Level, told

    _refuse_contradictions(
        greedy and (beam is not None or bool(lm)), quiet and verbose, overwrite and out is None
    )
    if not (phrases or phrase):
        _refuse_without_phrases(compare, options, plot_attention)
    names = _formats(formats, compare, out, bool(line_characters or lines))
    wish = _Wish(
        model=model,
        formats=names,
        subtitles=_given(line_characters=line_characters, lines=lines),
        changes=_given(greedy=greedy or None, beam=beam, lm=lm),
        phrase_file=phrases,
        phrases=tuple(phrase or ()),
        options_file=options,
        denoise=_share(denoise),
        split=channels is flags.Channels.split,
        compare=compare,
        quiet=quiet,
        verbose=verbose,
        picture=plot_attention,
        jobs=jobs,
    )
    with told(Level.quiet if quiet else Level.verbose if verbose else Level.normal):
        todo = _todo(audio, recursive, overwrite, (names, out))
        failed = _run(todo, wish) if todo else 0
    if failed:
        raise typer.Exit(SOME_FAILED)


def _todo(
    audio: list[str], recursive: bool, overwrite: bool, outputs: tuple[tuple[str, ...], Path | None]
) -> list[Job]:
    """The recordings that have no transcript yet; how many have one is told."""
    from asr.batch import pending, plan_jobs

    jobs = plan_jobs(audio, recursive, *outputs)
    todo = pending(jobs, overwrite)
    if len(todo) < len(jobs):
        typer.echo(
            f"{len(jobs) - len(todo)} of {len(jobs)} exist already; --overwrite writes them anew", err=True
        )
    return todo


def _formats(formats: str, compare: bool, out: Path | None, shaped: bool) -> tuple[str, ...]:
    """The formats that are asked for; refuses what has no effect on them."""
    names = tuple(name.strip() for name in formats.split(","))
    if compare and (out is not None or formats != "txt"):
        raise typer.BadParameter(
            "--compare prints differences and no transcripts; drop -o and -f, or --compare"
        )
    if shaped and not {"srt", "vtt"} & set(names):
        raise typer.BadParameter("--line-characters and --lines are for subtitles; add -f srt or -f vtt")
    return names


def _given(**values: Any) -> dict[str, Any]:
    """The values that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _refuse_contradictions(greedy_with_beam: bool, quiet_and_loud: bool, nothing_to_overwrite: bool) -> None:
    """Refuse flags of which one makes another void."""
    if greedy_with_beam:
        raise typer.BadParameter(
            "--greedy uses neither a beam nor the language model; drop --greedy, or --beam and --lm"
        )
    if quiet_and_loud:
        raise typer.BadParameter("-q and -v exclude each other")
    if nothing_to_overwrite:
        raise typer.BadParameter("--overwrite needs -o DIR: without it nothing is written")


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
    from asr.progress import audio_progress

    if wish.picture is not None and len(jobs) > 1:
        raise typer.BadParameter(f"--plot-attention draws one recording, not {len(jobs)}; give one")
    workers = min(wish.jobs, len(jobs))
    show = _shower(named=len(jobs) > 1 and not wish.quiet)
    with _threads_for(workers):
        hear = _hearing(wish, workers)
        with audio_progress([job.audio for job in jobs], shown=not wish.quiet) as progress:
            failures = run_jobs(jobs, hear, show, progress, workers)
    if failures and len(jobs) > 1:
        typer.echo(f"{len(failures)} of {len(jobs)} recordings failed:", err=True)
        for failure in failures:
            typer.echo(f"  {failure.audio}", err=True)
    return len(failures)


@contextmanager
def _threads_for(workers: int) -> Iterator[None]:
    """One thread where processes are forked, from before the model is loaded on: see `asr.workers`."""
    if workers == 1:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _hearing(wish: _Wish, workers: int) -> Callable[[str, OnProgress], Transcript]:
    """What makes a transcript of a recording, everything loaded that it needs."""
    from asr.batch import Transcript
    from asr.bias_file import read_bias
    from asr.recognizer import Recognizer
    from biasing.adapter import AdapterError

    phrases = _phrases(wish)
    recognizer = Recognizer.from_pretrained(wish.model)
    bias = read_bias(wish.options_file, recognizer.bias) if wish.options_file else None
    if wish.picture is not None and recognizer.encoder_bias is None:
        raise AdapterError(
            f"--plot-attention: {wish.model} has no contextual adapter; give --model a folder with one"
        )
    options = replace(recognizer.options, **wish.changes)
    _warn(recognizer, wish, lm=options.lm and not options.greedy)
    if phrases and workers > 1:
        recognizer.phrase_decoder(phrases, options, bias).prepared.complete()
    work = recognizer.transcribe_channels if wish.split else recognizer.transcribe
    writers = _writers(wish)

    def hear(audio: str, on_progress: OnProgress) -> Transcript:
        result = work(audio, phrases, options, bias=bias, on_progress=on_progress, denoise=wish.denoise)
        texts = {name: write(result) for name, write in writers.items()}
        return Transcript(texts, _told_of(result, wish))

    return hear


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
            f"--greedy: phrases act by {acting}spotting and pronunciation lookup alone; boosting, the "
            "language model class and rescoring need the beam search",
            err=True,
        )


def _writers(wish: _Wish) -> dict[str, Callable[[Result], str]]:
    """What makes each output of a result."""
    from asr.compare import format_differences
    from asr.subtitles import SubtitleOptions
    from asr.writers import writers_of

    subtitles = SubtitleOptions(**wish.subtitles)
    return {"txt": format_differences} if wish.compare else writers_of(wish.formats, subtitles)


def _told_of(result: Result, wish: _Wish) -> str:
    """What became of the phrases, if that is asked for; draws them, if that is."""
    from biasing.report import BiasReport, format_report

    if not isinstance(result.bias, BiasReport):
        return ""
    if wish.picture is not None:
        result.bias.plot(wish.picture)
    return format_report(result.bias) if wish.verbose and not wish.compare else ""


def _shower(named: bool) -> Callable[[Job, Transcript], None]:
    """Print transcripts on standard output; the names of many recordings go to standard error beside them."""

    def show(job: Job, transcript: Transcript) -> None:
        if transcript.told:
            typer.echo(transcript.told, err=True)
        if job.outputs:
            return
        if named:
            typer.echo(job.audio, err=True)
        typer.echo(next(iter(transcript.texts.values())), nl=False)

    return show
