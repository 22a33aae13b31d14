"""Which training a configuration asks for: its `task` decides."""

from __future__ import annotations

from pathlib import Path

from asr.training.config import ConfigError, TrainConfig, build, read_settings

TASKS = ("recognizer", "denoiser", "adapter")


def start(file: Path, overrides: tuple[str, ...] = (), resume: bool = False) -> Path:
    """Train what the TOML file describes (a recognizer where it names no task); returns the model folder.

    Raises `ConfigError` on settings or data that cannot be used.
    """
    settings = read_settings(file, overrides)
    task = settings.get("task", TASKS[0])
    if task == "recognizer":
        from asr.training.run import train

        settings.pop("task", None)
        return train(build(TrainConfig, settings, str(file)), resume)
    if task == "denoiser":
        from asr.percepnet.training.config import DenoiserConfig
        from asr.percepnet.training.trainer import train as train_denoiser

        return train_denoiser(build(DenoiserConfig, settings, str(file)), resume)
    if task == "adapter":
        from asr.training.adapter.config import AdapterTrainConfig
        from asr.training.adapter.trainer import train as train_adapter

        return train_adapter(build(AdapterTrainConfig, settings, str(file)), resume)
    raise ConfigError(f"{file}: task is {task!r}; accepted are {', '.join(TASKS)}")
