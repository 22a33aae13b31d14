"""What each option of `onoma transcribe` is called, takes and means."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Channels(Enum):
    """What is done with a recording of several channels."""

    mix = "mix"
    split = "split"


Audio = Annotated[
    list[str],
    typer.Argument(
        help="Recordings (wav, flac, ogg, mp3), folders of them, quoted patterns such as 'calls/**/*.wav', "
        "manifests (.jsonl), or - for standard input."
    ),
]
PhraseFile = Annotated[
    Path | None, typer.Option("--phrases", help="File of names and terms to expect, one a line.")
]
OnePhrase = Annotated[
    list[str] | None,
    typer.Option(
        "--phrase", help="One name or term to expect; may be repeated (in the variable with | between them)."
    ),
]
OptionsFile = Annotated[
    Path | None,
    typer.Option(
        "--options",
        help="How phrases act: a TOML file, as onoma tune writes it. Applies with phrases.",
        show_default="the model's own",
    ),
]
Denoise = Annotated[
    str,
    typer.Option(
        "--denoise", help="Take noise out first: on, off, or the share of the recording mixed back, 0 to 1."
    ),
]
ChannelsOption = Annotated[
    Channels,
    typer.Option(
        "--channels",
        help="mix: hear all channels together; split: hear each by itself, as of a call with a speaker on "
        "each. Makes no difference to recordings of one channel but their number in the output.",
    ),
]
Compare = Annotated[
    bool,
    typer.Option("--compare", help="Print only what the phrases changed. Applies with phrases, without -o."),
]
Picture = Annotated[
    Path | None,
    typer.Option(
        "--plot-attention",
        help="Picture file: where the encoder looked for phrases. Applies to one recording, with phrases, "
        "and a model with an adapter.",
    ),
]
Formats = Annotated[
    str,
    typer.Option("-f", "--format", help="Comma-separated: txt, srt, vtt, tsv, ctm, json. Several need -o."),
]
LineCharacters = Annotated[
    int | None,
    typer.Option(
        "--line-characters",
        min=1,
        help="Characters in a line of subtitles at most. Applies to srt and vtt.",
        show_default="42",
    ),
]
Lines = Annotated[
    int | None,
    typer.Option(
        "--lines", min=1, help="Lines of a subtitle at most. Applies to srt and vtt.", show_default="2"
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help="Folder for transcripts, which keep the folders of their recordings. Those that are there are "
        "not made again, so a killed run goes on where it was.",
        show_default="standard output",
    ),
]
Model = Annotated[str, typer.Option("--model", help="Shipped model (onoma models list) or model folder.")]
Beam = Annotated[
    int | None,
    typer.Option(
        "--beam",
        min=1,
        max=10_000,
        help="Readings kept by the beam search; more are slower. Applies without --greedy.",
        show_default="the model's own, 16",
    ),
]
Greedy = Annotated[
    bool,
    typer.Option(
        "--greedy",
        help="Best token of each frame; no beam, no language model, of phrases spotting and lookup alone.",
    ),
]
LanguageModel = Annotated[
    bool | None,
    typer.Option(
        "--lm/--no-lm",
        help="Use the language model. Applies without --greedy.",
        show_default="used where the model has one",
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        min=1,
        help="Recordings heard at once, each by a process of one thread; the processes share the memory of "
        "model and list. With 1 all cores hear one recording. Applies to several recordings.",
    ),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", help="Search folders inside folders. Applies to folders.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Write transcripts anew that exist. Applies with -o.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only what went wrong.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say what is done, and why each phrase fired or did not.")
]
