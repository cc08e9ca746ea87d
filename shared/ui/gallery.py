"""The results of all time: what can be done with them. The browser draws them (assets/gallery.js, library.js)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.api import build_media_postprocessing_settings, postprocessing_choices
from shared.core.errors import MediaError, SettingsError
from shared.core.settings import DECLARATIONS
from shared.media.images import image_extension, save_image
from shared.media.join import join_clips
from shared.media.metadata import is_from_wangp, write_settings
from shared.media.names import output_path
from shared.media.video import frame_at, probe, video_extension
from shared.ui.lending import lend, lend_bytes
from shared.ui.texts import say
from shared.ui.thumbnails import Thumbnails, png

FINISHING = ("spatial_upsampling", "temporal_upsampling", "film_grain_intensity", "film_grain_saturation")


class Gallery:
    """Commands over a runtime's history; `tell` lets every window know that it changed."""

    def __init__(self, runtime: Any, tell: Callable[[str], None]) -> None:
        self.runtime, self.tell = runtime, tell
        self.thumbnails = Thumbnails(Path(runtime.config_dir) / "thumbnails")
        self._one_at_a_time = threading.Lock()

    def command(self, action: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """What became of a command: `count` of results it reached, `id` of one it made. Raises WanGPError."""
        history, ids = self.runtime.history, [int(value) for value in values.get("ids") or ()]
        if action in ("frame", "join", "finish"):
            made = {"frame": self.extract_frame, "join": self.join, "finish": self.finish}[action](values)
            self.tell("gallery")
            return made
        acts: dict[str, Callable[[], int]] = {
            "favourite": lambda: history.set_favourite(ids, bool(values.get("value"))),
            "trash": lambda: self._bin(ids),
            "restore": lambda: history.trash.restore(ids),
            "destroy": lambda: self._destroy(ids),
            "empty_trash": lambda: self._destroy(None),
        }
        if action not in acts:
            raise SettingsError(f'"{action}" is no command of the gallery.')
        count = acts[action]()
        self.tell("gallery")
        return {"count": count}

    def _bin(self, ids: Sequence[int]) -> int:
        """Into the trash; a result whose file is gone is forgotten at once, as there is nothing to bring back."""
        entries = [entry for number in ids if (entry := self.runtime.history.get(number)) is not None]
        missing = [entry for entry in entries if entry.is_missing]
        for entry in missing:
            self.runtime.history.remove(entry.id)
            self.thumbnails.forget(entry)
        kept = [entry.id for entry in entries if not entry.is_missing]
        return len(missing) + int(self.runtime.history.trash.put(kept))

    def _destroy(self, ids: Sequence[int] | None) -> int:
        for entry in trashed(self.runtime, ids):
            self.thumbnails.forget(entry)
        return int(self.runtime.history.trash.empty(ids))

    def extract_frame(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Save the frame shown at `time` (seconds; the last without it) as a picture with the clip's settings."""
        entry = result_entry(self.runtime, values.get("id"))
        pixels = frame_of(entry, values.get("time"))
        config = self.runtime.config
        codec = config.get("image_output_codec")
        settings = _own(entry)
        path = output_path(config.folder_path("image_save_path"), settings, image_extension(codec))
        save_image(pixels, path, codec, self._inside(settings))
        self._beside(path, settings)
        return {"id": self.runtime.history.add(path, "image", settings).id}

    def join(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Join clips in the order of `ids`; the result keeps the settings of the first."""
        entries = [result_entry(self.runtime, number) for number in values.get("ids") or ()]
        if any(entry.media_type != "video" for entry in entries):
            raise MediaError(say("join_clips_only"))
        config = self.runtime.config
        codec = config.get("video_output_codec")
        extension = video_extension(codec, config.get("video_container"))
        settings = _own(entries[0]) if entries else {}
        path = output_path(config.folder_path("save_path"), settings, extension)
        # Encoding takes every core that it gets: several at once would only slow each other and the running task.
        with self._one_at_a_time:
            join_clips(
                [entry.path for entry in entries], path, codec=codec, audio_codec=config.get("audio_output_codec"),
                metadata=self._inside(settings),
            )  # fmt: skip
        self._beside(path, settings)
        return {"id": self.runtime.history.add(path, "video", settings).id}

    def finish(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a task that enlarges a result, smooths its motion or lays film grain over it."""
        entry = result_entry(self.runtime, values.get("id"))
        if entry.media_type == "audio":
            raise MediaError(say("finish_pictures_only"))
        wanted = {name: values[name] for name in FINISHING if values.get(name) not in (None, "", 0)}
        settings = build_media_postprocessing_settings(
            str(entry.path), seed=-1 if entry.seed is None else entry.seed, **wanted,
            **({"prompt": entry.prompt} if entry.prompt else {}),
        )  # fmt: skip
        problems = self.runtime.problems(settings)
        if problems:
            raise SettingsError("\n".join(problems))
        return {"task": self.runtime.submit(settings, client_id=str(values.get("client_id") or "")).id}

    def _inside(self, settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
        is_embedded = self.runtime.config.get("metadata_type") == "metadata" and is_from_wangp(settings)
        return settings if is_embedded else None

    def _beside(self, path: Path, settings: Mapping[str, Any]) -> None:
        if self.runtime.config.get("metadata_type") == "json" and is_from_wangp(settings):
            write_settings(path, settings, "json")


def finishing_choices(registry: Any) -> dict[str, Any]:
    """What `finish` can be asked for, by setting: its choices, or its bounds."""
    told: dict[str, Any] = {}
    for name in FINISHING:
        param = DECLARATIONS[name]
        choices = postprocessing_choices(name, registry.processors)
        if param.choices and len(choices) < 2:
            continue
        told[name] = {
            "label": param.label, "help": param.help, "default": param.default, "choices": choices or None,
            "minimum": param.minimum, "maximum": param.maximum, "step": param.step,
        }  # fmt: skip
    return told


def _own(entry: Any) -> dict[str, Any]:
    return {name: value for name, value in entry.settings.items() if name != "client_id"}


def result_entry(runtime: Any, output_id: Any) -> Any:
    """The line of the history. Raises MediaError when it or its file is gone."""
    entry = runtime.history.get(int(output_id or 0))
    if entry is None:
        raise MediaError(say("file_gone", name=f"#{output_id}"))
    if entry.is_missing:
        raise MediaError(say("file_gone", name=Path(entry.path).name))
    return entry


def trashed(runtime: Any, ids: Sequence[int] | None) -> list[Any]:
    """The results in the trash, of those named."""
    wanted = ids if ids is not None else runtime.history.trash.ids()
    found = (runtime.history.get(number) for number in wanted)
    return [entry for entry in found if entry is not None and entry.trashed is not None]


def frame_of(entry: Any, time_s: Any = None) -> Any:
    """The frame (H,W,3) that a clip shows at a time, the last one without it. Raises MediaError for what is no clip."""
    if entry.media_type != "video":
        raise MediaError(say("frames_of_clips_only"))
    info = probe(entry.path)
    last = info.num_frames - 1
    # Players stop between two frames now and then: a hair later is the frame that is seen.
    return frame_at(entry.path, last if time_s is None else max(0, min(int(float(time_s) * info.fps + 0.01), last)))


def file_for(entry: Any, kind: str, time_s: Any = None) -> str:
    """A result as a file that the form can show as a setting of this kind: a clip gives a picture by one frame.

    Raises MediaError where the result is nothing of the kind.
    """
    if kind == "image" and entry.media_type == "video":
        name = f"{Path(entry.path).stem}_{'last' if time_s is None else f'{float(time_s):.2f}s'}.png"
        return lend_bytes(png(frame_of(entry, time_s)), name)
    if kind and kind != entry.media_type and not (kind == "audio" and entry.media_type == "video"):
        raise MediaError(say("wrong_kind", name=Path(entry.path).name))
    return lend(entry.path)
