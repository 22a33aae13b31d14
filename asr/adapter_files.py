"""The adapter in a model folder: a shape, weights, and the base that these belong to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from asr.files import write_text_atomic
from asr.model import DELTAS_FILE, WEIGHTS_FILE, ConformerCTC
from asr.reasons import last_line
from biasing.adapter import AdapterConfig, AdapterError, ContextualAdapter

ADAPTER_FILE, ADAPTER_CONFIG_FILE = "adapter.safetensors", "adapter.json"


def base_digest(folder: Path) -> str:
    """What tells the weights of a model folder, and the deltas on its encoder, from others."""
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes())
    if (folder / DELTAS_FILE).is_file():
        digest.update((folder / DELTAS_FILE).read_bytes())
    return digest.hexdigest()


def save_adapter(adapter: ContextualAdapter, folder: Path, base: str) -> None:
    """Write an adapter, in half precision, into the folder of the model with the digest `base`."""
    partial = folder / (ADAPTER_FILE + ".partial")
    save_file({name: tensor.half().contiguous() for name, tensor in adapter.state_dict().items()}, partial)
    partial.replace(folder / ADAPTER_FILE)
    settings = {"base": base, "shape": asdict(adapter.config)}
    write_text_atomic(folder / ADAPTER_CONFIG_FILE, json.dumps(settings, indent=2) + "\n")


def load_adapter(folder: Path, model: ConformerCTC) -> ContextualAdapter | None:
    """The adapter of a model folder in evaluation mode; None where it has none.

    Raises:
        AdapterError: a file of it is missing or does not fit, or it was trained on other weights.
    """
    files = [folder / name for name in (ADAPTER_FILE, ADAPTER_CONFIG_FILE)]
    missing = [file.name for file in files if not file.is_file()]
    if len(missing) == 2:
        return None
    if missing:
        raise AdapterError(f"{folder}: {missing[0]} is missing; an adapter is two files, put both or none")
    try:
        settings = json.loads(files[1].read_text(encoding="utf-8"))
        base, config = str(settings["base"]), AdapterConfig(**settings["shape"])
        if base != base_digest(folder):
            raise AdapterError(
                f"{files[0]}: was trained on other weights than {WEIGHTS_FILE}; "
                "train it anew on these, or take it away"
            )
        adapter = ContextualAdapter(config, model.head.linear.weight)
        adapter.load_state_dict(load_file(files[0]))
    except AdapterError:
        raise
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise AdapterError(
            f"{folder}: its adapter cannot be used ({last_line(error)}); restore or train it"
        ) from error
    return adapter.eval().requires_grad_(False)
