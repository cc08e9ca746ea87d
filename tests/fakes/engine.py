"""A whole engine around the numpy family: real settings, real media, real files, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.core.checkpoints import Finder
from shared.core.config import Config
from shared.core.contracts import Control, FamilyHandler, ModelFile
from shared.core.errors import ModelNotFound
from shared.core.events import Event, Finished, Info, Output, Progress
from shared.core.lora_files import LoraFolder
from shared.core.model_def import ModelDef, build_model_def
from shared.core.model_params import params_of
from shared.core.params import Param
from shared.core.task import Task
from shared.engine.generate_task import run_task
from shared.engine.model_manager import ModelManager
from shared.engine.processors import find_processors
from shared.engine.services import OutputLedger, Services
from tests.fakes.family import ARCHITECTURE, NumpyFamily, NumpyPipeline

DEFINITION: dict[str, Any] = {
    "fps": 8,
    "frames_minimum": 1,
    "frames_steps": 4,
    "frames_offset": 1,
    "vae_block_size": 16,
    "image_prompt_types_allowed": "TSEVL",
    "inpaint_support": True,
    "v2i_switch_supported": True,
    "sliding_window": True,
    "sliding_window_defaults": {
        "window_min": 5, "window_max": 33, "window_step": 4, "window_default": 17,
        "overlap_min": 1, "overlap_max": 9, "overlap_step": 4, "overlap_default": 5,
    },
    "max_side": 256,
    "max_pixels": 65536,
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "resolution": "64x48", "video_length": 9, "num_inference_steps": 3, "guidance_scale": 4.0,
    "sliding_window_size": 17, "sliding_window_overlap": 5,
}  # fmt: skip


def numpy_model(model_type: str = "squares", **definition: Any) -> ModelDef:
    """A model of the numpy family."""
    block = {"name": model_type.title(), "architecture": ARCHITECTURE, **definition}
    return build_model_def(model_type, {model_type: {"model": block, **DEFAULTS}}, NumpyFamily.name, DEFINITION)


class FakeRegistry:
    """The registry, with models that are not on disk."""

    def __init__(self, *models: ModelDef) -> None:
        self.family = NumpyFamily()
        self._models = {model.model_type: model for model in models}
        self.new_models: list[ModelDef] = []
        self.loras, self.checkpoints = Path("no_loras"), Path("no_models")
        self.processors = find_processors()

    def refresh(self) -> None:
        self._models |= {model.model_type: model for model in self.new_models}

    def models(self) -> dict[str, ModelDef]:
        return dict(self._models)

    def get(self, model_type: str) -> ModelDef:
        if model_type not in self._models:
            raise ModelNotFound(f'model_type: the model "{model_type}" is not known.')
        return self._models[model_type]

    def model_for(self, settings: Mapping[str, Any]) -> ModelDef:
        return self.get(str(settings.get("model_type")))

    def handler(self, model: ModelDef) -> FamilyHandler:
        return self.family

    def roots(self) -> list[str]:
        return [str(self.checkpoints)]

    def finder(self) -> Finder:
        return Finder(self.roots())

    def files(self, model: ModelDef) -> list[ModelFile]:
        return list(self.family.files(model))

    def params(self, model: ModelDef) -> dict[str, Param]:
        return params_of(model)

    def lora_folder(self, model: ModelDef) -> LoraFolder:
        return LoraFolder(self.loras, "squares")


@dataclass
class Engine:
    """Services around the fakes, and what came out of the last task."""

    services: Services
    registry: FakeRegistry
    control: Control = field(default_factory=Control)
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda event: None

    @property
    def pipeline(self) -> NumpyPipeline:
        """The loaded model (loaded here where it is not yet)."""
        model = next(iter(self.registry.models().values()))
        return self.services.models.acquire(model, self.services.load_options({}))  # type: ignore[return-value]

    def run(self, prompt: str = "a red ball", *, attempts: int = 1, plugin_data: Any = None, **params: Any) -> Finished:
        """Run one task; its events are in `events`."""
        self.events.clear()
        settings = {"model_type": "squares", "prompt": prompt, **params}
        task = Task(params=settings, id=7, client_id="me", plugin_data=plugin_data or {}, attempts=attempts)
        return run_task(task, self._hear, self.control, self.services)

    def make(self, prompt: str = "a red ball", **params: Any) -> list[Output]:
        """Outputs of a task that must end well."""
        finished = self.run(prompt, **params)
        assert finished.outcome == "done", finished.error
        return self.of(Output)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def infos(self) -> str:
        """All that the user was told."""
        return "\n".join(event.text for event in self.of(Info))

    @property
    def steps(self) -> list[Progress]:
        """The denoising steps told."""
        return [event for event in self.of(Progress) if event.phase == "Denoising"]

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)


def make_engine(folder: Path, *models: ModelDef, ledger: OutputLedger | None = None, **config: Any) -> Engine:
    """An engine whose outputs go to `folder`/outputs; `config` overrides the program's settings."""
    registry = FakeRegistry(*(models or (numpy_model(),)))
    settings = Config.load(folder)
    # Lossless, so that decoded frames can be compared with those that were made.
    for key, value in {"video_output_codec": "libx264_lossless", "image_output_codec": "png", **config}.items():
        settings.set(key, value)
    services = Services(
        root=folder,
        registry=registry,  # type: ignore[arg-type]
        models=ModelManager(registry, []),
        config=settings,
        ledger=ledger,
    )
    return Engine(services, registry)
