"""What running a task needs, put together once for a device: models, settings of the program, folders, hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from shared.core.config import Config
from shared.core.contracts import LoadOptions
from shared.core.task import Task
from shared.engine.model_manager import ModelManager
from shared.engine.model_store import ModelStore
from shared.engine.registry import Registry

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

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

    @cached_property
    def store(self) -> ModelStore:
        """The models on disk, and those to be fetched."""
        return ModelStore(self.registry, self.config)

    def output_folder(self, media_type: str, task: Task | None = None) -> Path:
        """Where results of a type ("video", "image", "audio") are saved; a task may have a folder of its own."""
        own = task.api_options.get("output_dir") if task is not None else None
        if own:
            return Path(own).expanduser().resolve()
        if self.output_dir is not None:
            return self.output_dir
        return self.config.folder_path(_SAVE_PATHS[media_type])

    def load_options(self, settings: Mapping[str, Any], media_type: str = "video") -> LoadOptions:
        """How to load a model that makes this type of media."""
        return load_options(self.config, self.device, settings, media_type)


def load_options(config: Config, device: str, settings: Mapping[str, Any], media_type: str = "video") -> LoadOptions:
    """How to load a model on `device`: the program's settings, with the task's own over them."""
    profile = -1
    if device.startswith("cuda"):  # elsewhere none does anything, and another one must not load the model again
        wished = settings.get("override_profile", -1)
        profile = wished if wished != -1 else config.get(f"{media_type}_profile", config.get("profile"))
    dtype = "" if device.startswith("cpu") else str(config.get("transformer_dtype_policy") or "")
    return LoadOptions(
        device=device,
        dtype=dtype,
        vae_dtype="float32" if str(config.get("vae_precision")) == "32" else "",
        profile=float(profile),
        attention=str(settings.get("override_attention") or config.get("attention_mode")),
        quantization=str(config.get("transformer_quantization") or ""),
        text_encoder_quantization=str(config.get("text_encoder_quantization") or ""),
        compile=str(config.get("compile") or ""),
        joint_passes=bool(config.get("boost")),
        leaves_out_loras=bool(config.get("check_loras")),
        preload_mb=float(config.get("preload_in_VRAM") or 0),
        reserved_share=float(config.get("perc_reserved_mem_max", 0) or 0),
        vram_share=float(config.get("vram_safety_coefficient", 0.8) or 0.8),
        vae_tiling=int(config.get("vae_config") or 0),
    )


def media_type_of(settings: Mapping[str, Any], model: ModelDef) -> str:
    """What settings make with a model: "audio", "image" or "video"."""
    if model.get("audio_only"):
        return "audio"
    return "image" if settings.get("image_mode") else "video"


def build_services(
    root: str | Path,
    config_dir: str | Path | None = None,
    device: str = "cpu",
    output_dir: str | Path | None = None,
    ledger: OutputLedger | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Services:
    """Services for a device; no model is loaded before a task asks.

    "auto" is the first CUDA device, else Apple's MPS, else the CPU. `overrides` are configuration values that
    hold for this run alone.
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

    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@lru_cache(maxsize=1)
def program_services() -> Services:
    """The services of a plain Python program that calls `generate_video` itself: this folder, this configuration."""
    return build_services(Path(__file__).resolve().parents[2], device="auto")
