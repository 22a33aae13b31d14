"""The command `onoma denoise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Example: onoma denoise call.wav interviews -o clean --plot"


def denoise(
    audio: Annotated[list[str], typer.Argument(help="Recordings, or folders of recordings.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the denoised recordings.")],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            help="Denoiser folder.",
            show_default="the one shipped for a recording's rate",
            envvar="ONOMA_DENOISE_MODEL",
        ),
    ] = None,
    mix: Annotated[
        float,
        typer.Option("--mix", min=0.0, max=1.0, help="Share of the noisy recording kept in the result."),
    ] = 0.0,
    floor_db: Annotated[
        float, typer.Option("--floor", max=0.0, help="Least gain in dB; -15 keeps some of the noise.")
    ] = -80.0,
    post_filter: Annotated[
        bool,
        typer.Option("--post-filter/--no-post-filter", help="Less noise between words, at a cost to speech."),
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Also draw spectrograms before and after, pitch and gains.")
    ] = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Search folders inside folders.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write anew what exists in --out.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say only what went wrong.")] = False,
) -> None:
    """Take the noise out of recordings.

    Rate, channels, length and file format stay. Recordings up to 16 kHz go through a network for 16 kHz,
    others through one for 48 kHz. A network named with --model works at its own rate: what lies above half of
    it is lost, and a warning says so. Exit code: 0 all done, 1 some failed, 2 wrong usage.
    """
    from asr.cli import SOME_FAILED, Level, told

    with told(Level.quiet if quiet else Level.normal):
        from asr.percepnet.denoiser import DenoiseOptions
        from asr.percepnet.model import load_model
        from asr.percepnet.recordings import RecordingDenoiser, denoise_all, plan
        from asr.progress import audio_progress

        jobs = plan(audio, recursive, out)
        todo = [job for job in jobs if overwrite or not job.target.exists()]
        if len(todo) < len(jobs):
            typer.echo(
                f"{len(jobs) - len(todo)} of {len(jobs)} exist already; --overwrite writes them anew",
                err=True,
            )
        options = DenoiseOptions(mix=mix, floor_db=floor_db, post_filter=post_filter)
        work = RecordingDenoiser(load_model(model) if model else None, options, plot)
        with audio_progress([job.audio for job in todo], shown=not quiet) as progress:
            failed = denoise_all(todo, work, progress)
        if failed and len(todo) > 1:
            typer.echo(f"{failed} of {len(todo)} recordings failed", err=True)
    if failed:
        raise typer.Exit(SOME_FAILED)
