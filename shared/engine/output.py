"""Results on disk: named, encoded, with the settings that made them, each told once."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from shared.core.errors import MediaError
from shared.core.events import MediaType, Output
from shared.core.metadata_schemes import SCHEMES
from shared.core.model_def import ModelDef
from shared.core.paths import safe_name
from shared.core.settings import MEDIA_KEYS, SETTINGS_VERSION
from shared.core.settings_io import export_settings
from shared.core.task import Task
from shared.engine.artifacts import get_api_output_options
from shared.engine.generate_report import Reporter
from shared.engine.services import Services
from shared.media.audio import AudioClip, audio_extension, write_audio
from shared.media.images import image_extension, save_image
from shared.media.metadata import SourceImage, read_settings, write_settings
from shared.media.names import output_path
from shared.media.video import video_extension, write_video

Frame = NDArray[np.uint8]

# The codec of each `image_format`, where the configuration has another format.
IMAGE_CODECS: Mapping[str, str] = {"png": "png", "jpg": "jpeg_95", "webp": "webp_90"}
# Layer n of result i is output n * LAYER_INDEX + i of its task.
LAYER_INDEX = 10_000
# Below the folder of the outputs: what there is of clips that are being made, or were not finished.
PARTIAL_FOLDER = "partial"


@dataclass(frozen=True)
class Product:
    """One result to be saved: its frames (H,W,3) in order, the settings that make it again, how long it took.

    `source_images` by setting are kept in a clip's file where the configuration says so. `layers` (H,W,4) of a picture
    go into files of their own beside it. `told` is kept with the settings for people to read.
    """

    index: int
    media_type: MediaType
    frames: Iterable[Frame]
    settings: Mapping[str, Any]
    fps: float = 0.0
    audio: AudioClip | None = None
    generation_s: float = 0.0
    source_images: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict)
    layers: Sequence[Frame] = ()
    told: Mapping[str, str] = field(default_factory=dict)


def _layer_path(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}_layer{number}.png")


class OutputWriter:
    """Saves the results of one task."""

    def __init__(self, task: Task, services: Services, report: Reporter, model: ModelDef | None) -> None:
        self._task, self._services, self._report, self._model = task, services, report, model
        self._made = dict(services.ledger.made(task.id)) if services.ledger is not None else {}
        if task.attempts > 1:
            remove_dead_parts(services.output_folder("video", task), services.output_folder("image", task))

    def expect(self, count: int) -> None:
        """Note how many results there will be."""
        if self._services.ledger is not None:
            self._services.ledger.expect(self._task.id, count)

    def is_made(self, index: int) -> bool:
        """Whether an earlier run of this task, ended by a crash, has made the result; if so it is told again."""
        path = self._made.get(index)
        if path is None:
            return False
        media_type = _media_type_of(path)
        settings = self._told(read_settings(path) or {})
        self._report.emit(Output, path=str(path), media_type=media_type, settings=settings, index=index)
        self._tell_layers(Path(path), index, settings)
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
        self._save_layers(product, path, settings)
        if ledger is not None:
            ledger.commit(self._task.id, product.index)
        self._drop_partial(product)
        self._report.emit(
            Output,
            path=str(path),
            media_type=product.media_type,
            settings=self._told(settings),
            artifact=self._artifact(product, path, kept, audio) if frames or audio else None,
            index=product.index,
        )
        self._tell_layers(path, product.index, settings)
        self._report.status(f"New {product.media_type} saved to Path: {path}")
        return path

    def _save_layers(self, product: Product, path: Path, settings: dict[str, Any]) -> None:
        inside = settings if self._services.config.get("metadata_type") == "metadata" else None
        for number, layer in enumerate(product.layers, start=1):
            save_image(layer, _layer_path(path, number), "png", inside)

    def _tell_layers(self, path: Path, index: int, settings: dict[str, Any]) -> None:
        """The layers beside a picture, each as an output of its own."""
        number = 1
        while (layer := _layer_path(path, number)).is_file():
            place = number * LAYER_INDEX + index
            self._report.emit(Output, path=str(layer), media_type="image", settings=self._told(settings), index=place)
            number += 1

    def _told(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings of a result as its caller finds them: with the id of the task."""
        return {**settings, "client_id": self._task.client_id} if self._task.client_id else settings

    def save_partial(self, product: Product) -> None:
        """Keep what there is of a clip, in place of what was kept before, until the whole one is saved."""
        path = self._partial_path(product)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write(product, path, self._embedded(product))

    def _drop_partial(self, product: Product) -> None:
        path = self._partial_path(product)
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def _partial_path(self, product: Product) -> Path:
        """The same for every run of a task, so that a run after a crash replaces what the first one kept."""
        name = safe_name(f"task{self._task.id}_{self._task.client_id}")
        return self._path(product).parent / PARTIAL_FOLDER / f"{name}{self._extension(product)}"

    def _embedded(self, product: Product) -> dict[str, Any]:
        """The settings as they go into the file: the export form, and how and when it was made."""
        config, now = self._services.config, time.time()
        settings = self._exported(product.settings)
        # An id is for one task; a task made from this file must not pass for it.
        settings.pop("client_id", None)
        if product.media_type == "image":
            settings["image_quality"] = self._image_codec(product.settings)
        elif product.media_type == "video":
            settings["video_quality"] = config.get("video_output_codec")
        settings |= {
            "generation_time": round(product.generation_s, 1),
            "creation_date": datetime.fromtimestamp(now).isoformat(timespec="seconds"),
            "creation_timestamp": int(now),
            **product.told,
            **self._report.facts,
        }
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
        folder = self._services.output_folder(product.media_type, self._task)
        template = product.settings.get("output_filename") or self._services.config.get("output_filename")
        named = {**product.settings, "output_filename": template, "number": product.index}
        return output_path(folder, named, self._extension(product)).resolve()

    def _image_codec(self, settings: Mapping[str, Any]) -> str:
        """How pictures are written: in the task's `image_format`, else as the configuration says."""
        usual, wanted = str(self._services.config.get("image_output_codec")), settings.get("image_format")
        return usual if not wanted or image_extension(usual) == f".{wanted}" else IMAGE_CODECS[str(wanted)]

    def _extension(self, product: Product) -> str:
        config = self._services.config
        if product.media_type == "image":
            return image_extension(self._image_codec(product.settings))
        if product.media_type == "audio":
            return audio_extension(config.get("audio_stand_alone_output_codec"))
        return video_extension(config.get("video_output_codec"), config.get("video_container"))

    def _write(self, product: Product, path: Path, settings: dict[str, Any]) -> None:
        config = self._services.config
        scheme = str(product.settings.get("metadata_scheme") or "") if product.media_type == "image" else ""
        metadata_type = "none" if scheme == "none" else config.get("metadata_type")
        inside = settings if metadata_type == "metadata" else None
        if product.media_type == "image":
            also = scheme if scheme in SCHEMES else ""
            save_image(next(iter(product.frames)), path, self._image_codec(product.settings), inside, also)
        elif product.media_type == "audio":
            self._write_sound(product, path, inside)
        else:
            codec, sound = config.get("video_output_codec"), config.get("audio_output_codec")
            write_video(product.frames, path, product.fps, codec, "", product.audio, inside, sound)
            if inside is not None and product.source_images and config.get("embed_source_images"):
                write_settings(path, settings, "metadata", _as_files(product.source_images))
        if metadata_type == "json":
            write_settings(path, settings, "json")

    def _write_sound(self, product: Product, path: Path, inside: dict[str, Any] | None) -> None:
        if product.audio is None:
            raise MediaError("The model made no sound; there is nothing to save.")
        write_audio(product.audio, path, self._services.config.get("audio_stand_alone_output_codec"))
        if inside is not None:
            write_settings(path, inside, "metadata")

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


def _media_type_of(path: str) -> MediaType:
    """What a result is, by the ending of its file."""
    ending = Path(path).suffix.lower()
    if ending in (".png", ".jpg", ".webp"):
        return "image"
    return "audio" if ending in (".wav", ".mp3", ".m4a", ".flac") else "video"


def _as_files(images: Mapping[str, Sequence[Image.Image]]) -> dict[str, list[SourceImage]]:
    """The pictures as PNG files."""
    files: dict[str, list[SourceImage]] = {}
    for name, pictures in images.items():
        for number, picture in enumerate(pictures, 1):
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            files.setdefault(name, []).append(SourceImage(f"{name}_{number}.png", buffer.getvalue()))
    return files


def _keeping(frames: Iterable[Frame], kept: list[Frame]) -> Iterator[Frame]:
    for frame in frames:
        kept.append(frame)
        yield frame


def remove_dead_parts(*folders: Path) -> None:
    """Remove the half files of a killed program: temporary names that nobody has written to since this one started."""
    started = psutil.Process().create_time()
    for folder in set(folders):
        for part in folder.glob(".*.part.*"):
            if part.stat().st_mtime < started:
                part.unlink(missing_ok=True)


def last_file(folder: Path, extensions: tuple[str, ...]) -> Callable[[], str | None]:
    """Finds the newest finished file of a folder when called."""

    def find() -> str | None:
        files = [path for path in folder.glob("*") if path.suffix.lower() in extensions and path.is_file()]
        finished = [path for path in files if not path.name.startswith(".")]
        return str(max(finished, key=lambda path: path.stat().st_mtime)) if finished else None

    return find
