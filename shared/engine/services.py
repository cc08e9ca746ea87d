"""What running a task needs, put together once for a device: models, settings of the program, folders, hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from shared.core.config import Config
from shared.core.contracts import LoadOptions
from shared.core.task import Task
from shared.engine.model_manager import ModelManager
from shared.engine.registry import Registry

MetadataHook = Callable[[dict[str, Any], Mapping[str, Any], str], dict[str, Any] | None]

_SAVE_PATHS = {"video": "save_path", "image": "image_save_path", "audio": "audio_save_path"}


class OutputLedger(Protocol):
    """Which outputs of a task exist, so that a task started again makes none of them twice."""

    def made(self, task_id: int) -> Mapping[int, str]:
        """Path by index of the outputs that are committed, or reserved and on disk."""

    def expect(self, task_id: int, count: int) -> None:
        """Note how many outputs the task makes in all."""

    def reserve(
        self,
        task_id: int,
        index: int,
        path: str,
        *,
        media_type: str = "video",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Note, before the file appears, where output `index` will be."""

    def commit(self, task_id: int, index: int) -> None:
        """Note that the file is there."""


@dataclass(frozen=True)
class Services:
    """Everything a task meets besides itself. `output_dir` overrides the folders of the configuration.

    `before_metadata_save` are called with (settings to be embedded, plugin_data, model_type) and may return others.
    """

    root: Path
    registry: Registry
    models: ModelManager
    config: Config
    device: str = "cpu"
    output_dir: Path | None = None
    ledger: OutputLedger | None = None
    before_metadata_save: list[MetadataHook] = field(default_factory=list)

    def output_folder(self, media_type: str, task: Task | None = None) -> Path:
        """Where results of a type ("video", "image", "audio") are saved; a task may have a folder of its own."""
        own = task.api_options.get("output_dir") if task is not None else None
        if own:
            return Path(own).expanduser().resolve()
        if self.output_dir is not None:
            return self.output_dir
        return self.config.folder_path(_SAVE_PATHS[media_type])

    def load_options(self, settings: Mapping[str, Any]) -> LoadOptions:
        """How to load a model: the program's settings, with the task's own over them."""
        profile = settings.get("override_profile", -1)
        return LoadOptions(
            device=self.device,
            profile=float(profile if profile != -1 else self.config.get("profile")),
            attention=str(settings.get("override_attention") or self.config.get("attention_mode")),
            quantization=str(self.config.get("transformer_quantization")),
        )


def build_services(
    root: str | Path,
    config_dir: str | Path | None = None,
    device: str = "cpu",
    output_dir: str | Path | None = None,
    ledger: OutputLedger | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Services:
    """Services for a device ("auto": the first CUDA device, else the CPU); no model is loaded before a task asks.

    `overrides` are configuration values that hold for this run alone.
    """
    root = Path(root).resolve()
    config = Config.load(config_dir or root)
    config.override(overrides or {})
    registry = Registry(root, config)
    return Services(
        root=root,
        registry=registry,
        models=ModelManager(registry, registry.roots()),
        config=config,
        device=usable_device(device),
        output_dir=Path(output_dir).resolve() if output_dir else None,
        ledger=ledger,
    )


def usable_device(device: str) -> str:
    """`device`, with "auto" decided."""
    if device != "auto":
        return device
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


@lru_cache(maxsize=1)
def program_services() -> Services:
    """The services of a plain Python program that calls `generate_video` itself: this folder, this configuration."""
    return build_services(Path(__file__).resolve().parents[2], device="auto")
