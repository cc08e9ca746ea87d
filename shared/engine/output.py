"""Results on disk: named, encoded, with the settings that made them, each told once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.events import MediaType, Output
from shared.core.model_def import ModelDef
from shared.core.settings import MEDIA_KEYS, SETTINGS_VERSION
from shared.core.settings_io import export_settings
from shared.core.task import Task
from shared.engine.artifacts import get_api_output_options
from shared.engine.generate_report import Reporter
from shared.engine.services import Services
from shared.media.audio import AudioClip
from shared.media.images import image_extension, save_image
from shared.media.metadata import read_settings, write_settings
from shared.media.names import output_path
from shared.media.video import video_extension, write_video

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Product:
    """One result to be saved: its frames (H,W,3) in order, the settings that make it again, how long it took."""

    index: int
    media_type: MediaType
    frames: Iterable[Frame]
    settings: Mapping[str, Any]
    fps: float = 0.0
    audio: AudioClip | None = None
    generation_s: float = 0.0


class OutputWriter:
    """Saves the results of one task."""

    def __init__(self, task: Task, services: Services, report: Reporter, model: ModelDef | None) -> None:
        self._task, self._services, self._report, self._model = task, services, report, model
        self._partial: Path | None = None
        self._made = dict(services.ledger.made(task.id)) if services.ledger is not None else {}

    def expect(self, count: int) -> None:
        """Note how many results there will be."""
        if self._services.ledger is not None:
            self._services.ledger.expect(self._task.id, count)

    def is_made(self, index: int) -> bool:
        """Whether an earlier run of this task, ended by a crash, has made the result; if so it is told again."""
        path = self._made.get(index)
        if path is None:
            return False
        media_type: MediaType = "image" if Path(path).suffix in (".png", ".jpg", ".webp") else "video"
        settings = read_settings(path) or {}
        self._report.emit(Output, path=str(path), media_type=media_type, settings=settings, index=index)
        return True

    def save(self, product: Product) -> Path:
        """Write the file, tell it, and give its path. Raises MediaError for a disk that cannot take it."""
        settings = self._embedded(product)
        path = self._path(product)
        frames, audio = self._wanted_in_memory()
        kept: list[Frame] = []
        shown = _keeping(product.frames, kept) if frames else product.frames
        ledger = self._services.ledger
        if ledger is not None:
            ledger.reserve(self._task.id, product.index, str(path), media_type=product.media_type, settings=settings)
        self._write(replace(product, frames=shown), path, settings)
        if ledger is not None:
            ledger.commit(self._task.id, product.index)
        self.drop_partial()
        self._report.emit(
            Output,
            path=str(path),
            media_type=product.media_type,
            settings=settings,
            artifact=self._artifact(product, path, kept, audio) if frames or audio else None,
            index=product.index,
        )
        self._report.status(f"New {product.media_type} saved to Path: {path}")
        return path

    def save_partial(self, product: Product) -> None:
        """Keep what there is of a clip beside where it will be, in place of the last partial one."""
        path = self._partial or self._path(product)
        partial = path if self._partial else path.with_name(f"{path.stem}_partial{path.suffix}")
        self._write(product, partial, self._embedded(product))
        self._partial = partial

    def drop_partial(self) -> None:
        """Remove the partial clip: the whole one is there."""
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)
            self._partial.with_suffix(".json").unlink(missing_ok=True)
            self._partial = None

    def _embedded(self, product: Product) -> dict[str, Any]:
        """The settings as they go into the file: the export form, and how and when it was made."""
        config, now = self._services.config, time.time()
        settings = self._exported(product.settings)
        quality = ("image_quality", "image_output_codec") if product.media_type == "image" else (
            "video_quality", "video_output_codec"
        )  # fmt: skip
        settings |= {
            quality[0]: config.get(quality[1]),
            "generation_time": round(product.generation_s, 1),
            "creation_date": datetime.fromtimestamp(now).isoformat(timespec="seconds"),
            "creation_timestamp": int(now),
        }
        if self._task.client_id:
            settings["client_id"] = self._task.client_id
        model_type = self._model.model_type if self._model is not None else ""
        for hook in self._services.before_metadata_save:
            settings = hook(settings, self._task.plugin_data, model_type) or settings
        return settings

    def _exported(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings without media and without what had no effect; an edit has no model to tell."""
        if self._model is not None:
            return export_settings(settings, self._model)
        own = {name: value for name, value in settings.items() if name not in MEDIA_KEYS and value not in (None, "")}
        return {"type": f"WanGP - {settings.get('mode')}", "settings_version": SETTINGS_VERSION, **own}

    def _path(self, product: Product) -> Path:
        config = self._services.config
        if product.media_type == "image":
            extension = image_extension(config.get("image_output_codec"))
        else:
            extension = video_extension(config.get("video_output_codec"), config.get("video_container"))
        folder = self._services.output_folder(product.media_type, self._task)
        return output_path(folder, product.settings, extension).resolve()

    def _write(self, product: Product, path: Path, settings: dict[str, Any]) -> None:
        config = self._services.config
        metadata_type = config.get("metadata_type")
        inside = settings if metadata_type == "metadata" else None
        if product.media_type == "image":
            save_image(next(iter(product.frames)), path, config.get("image_output_codec"), inside)
        else:
            codec, sound = config.get("video_output_codec"), config.get("audio_output_codec")
            write_video(product.frames, path, product.fps, codec, "", product.audio, inside, sound)
        if metadata_type == "json":
            write_settings(path, settings, "json")

    def _wanted_in_memory(self) -> tuple[bool, bool]:
        return get_api_output_options(self._task.plugin_data)

    def _artifact(self, product: Product, path: Path, frames: list[Frame], is_audio: bool) -> dict[str, Any]:
        """What a caller asked to have in memory: see core/results.GeneratedArtifact; frames as numpy [C,F,H,W]."""
        audio = product.audio if is_audio else None
        video = np.ascontiguousarray(np.stack(frames).transpose(3, 0, 1, 2)) if frames else None
        return {
            "path": str(path),
            "media_type": product.media_type,
            "client_id": self._task.client_id,
            "video_tensor_uint8": video,
            "video_tensor_hdr": None,
            "hdr": False,
            "audio_tensor": None if audio is None else audio.samples,
            "audio_sampling_rate": None if audio is None else audio.sampling_rate,
            "fps": product.fps or None,
            "flashvsr_continue_cache": None,
        }


def _keeping(frames: Iterable[Frame], kept: list[Frame]) -> Iterator[Frame]:
    for frame in frames:
        kept.append(frame)
        yield frame


def last_file(folder: Path, extensions: tuple[str, ...]) -> Callable[[], str | None]:
    """Finds the newest finished file of a folder when called."""

    def find() -> str | None:
        files = [path for path in folder.glob("*") if path.suffix.lower() in extensions and path.is_file()]
        finished = [path for path in files if not path.name.startswith(".") and not path.stem.endswith("_partial")]
        return str(max(finished, key=lambda path: path.stat().st_mtime)) if finished else None

    return find
