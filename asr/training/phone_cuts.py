"""When each phone of the training recordings is said, found by a model's phone head."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from asr.align import AlignmentError, ctc_align
from asr.grouping import grouped
from asr.model import ConformerCTC
from asr.training.data import Example, collate
from asr.training.feature_cache import FeatureCache, whole_lines
from asr.training.splicing import Aligned

log = logging.getLogger(__name__)

BATCH_SECONDS = 200.0
"""Audio that goes through the model at once, padding included."""

Cuts = dict[Path, tuple[int, ...]]
"""Frames by recording, one for each phone; none where phones could not be aligned."""


@torch.inference_mode()
def phone_cuts(model: ConformerCTC, examples: Sequence[Example], cache: FeatureCache, file: Path) -> Cuts:
    """The frame of the cached features in which each phone is first heard, by recording; kept in `file`.

    Recordings without phones are left out; of those with more than the model has frames there are no cuts. A
    killed search goes on where it was. What was kept of a recording whose phones are others now, by another
    lexicon, is looked for again.
    """
    wanted = {one.audio: one for one in examples if one.phones}
    kept = _read(file)
    found = {
        path: kept[path][1] for path, one in wanted.items() if path in kept and kept[path][0] == one.phones
    }
    order = sorted((one for path, one in wanted.items() if path not in found), key=lambda one: one.seconds)
    if not order:
        return found
    log.info("looking for the phones of %d recordings", len(order))
    training = model.training
    model.eval()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        for group in grouped(order, lambda one: one.seconds, BATCH_SECONDS):
            for example, cuts in zip(group, _cuts(model, group, cache), strict=True):
                found[example.audio] = cuts
                lines.write(json.dumps([str(example.audio), example.phones, cuts]) + "\n")
            lines.flush()
    model.train(training)
    return found


def aligned(examples: Sequence[Example], cuts: Cuts, cache: FeatureCache) -> Iterator[Aligned]:
    """The recordings whose phones were found; a voice at several rates ("flite-slt@0.9/1.1") is one."""
    for one in {example.audio: example for example in examples}.values():
        if one.phones and cuts.get(one.audio):
            voice = one.speaker.partition("@")[0] or one.source
            yield Aligned(voice, one.source, one.phones, cuts[one.audio], cache[one.audio])


def _cuts(model: ConformerCTC, group: Sequence[Example], cache: FeatureCache) -> list[tuple[int, ...]]:
    """Cuts of recordings that go through the model together; its frames are `subsampling` cached ones."""
    batch = collate(group, [cache[one.audio] for one in group])
    device = next(model.parameters()).device
    output = model(batch.samples.to(device), batch.lengths.to(device))
    step = model.config.encoder.subsampling
    cuts = []
    rows = zip(output.phone_log_probs.cpu(), output.lengths.tolist(), group, strict=True)
    for row, length, example in rows:
        try:
            spans = ctc_align(row[:length].numpy(), example.phones or ())
        except AlignmentError:
            spans = ()
        cuts.append(tuple(span.start * step for span in spans))
    return cuts


def _read(file: Path) -> dict[Path, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Phones and cuts by recording, of several lines about one the last."""
    rows = (json.loads(line) for line in whole_lines(file))
    return {Path(path): (tuple(phones), tuple(cuts)) for path, phones, cuts in rows}
