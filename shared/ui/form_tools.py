"""What the form's helpers do: set values, put them back, take media from the gallery, cut clips, keep presets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from shared.core.errors import MediaError, WanGPError
from shared.core.params import Param
from shared.media.video import frame_at
from shared.ui.catalogue import UNSEEN
from shared.ui.controls import kind_of, refresh
from shared.ui.defaults import default_settings
from shared.ui.form import KEPT_OVER_MODELS
from shared.ui.gallery import file_for, result_entry
from shared.ui.page_files import page_folder
from shared.ui.run import Handlers, Updates, uploaded_paths
from shared.ui.texts import say, setting_label
from shared.ui.trims import with_trim

EVENTS = ("set_values", "put_back", "take_result", "take_frame", "trim")


class FormTools:
    """Handlers of the panel `tools`; each gets (event, model, extra) and tells which components change."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.form, self.runtime = handlers, handlers.form, handlers.runtime

    def set_values(self, event: gr.EventData, model: str, extra: str) -> Updates:
        """Bring values of a helper into the form; files only where they were uploaded to this page."""
        params = self.form.model_params(model)
        given = dict((event._data or {}).get("values") or {})
        return self._updates(params, {name: value for name, value in given.items() if name in params})

    def put_back(self, event: gr.EventData, model: str, extra: str) -> Updates:
        """The model's own value of the settings named; of none named, all but prompt, seed and media."""
        params = self.form.model_params(model)
        names = list((event._data or {}).get("names") or [])
        if not names:
            names = [name for name, param in params.items() if not param.is_media and name not in KEPT_OVER_MODELS]
        usual = default_settings(self.runtime, model)
        shown = params.keys() & self.form.components.keys()
        return self._updates(params, {name: usual.get(name) for name in names if name in shown})

    def take_result(self, event: gr.EventData, model: str, extra: str) -> Updates:
        """Put a result of the gallery into a field."""
        told = dict(event._data or {})
        return self._into(model, str(told.get("name")), lambda param: self._file_of(told, param))

    def take_frame(self, event: gr.EventData, model: str, extra: str) -> Updates:
        """Put one frame of a clip, uploaded or of the gallery, into a field."""
        told = dict(event._data or {})

        def picture(param: Param) -> str:
            path, frame = clip_path(self.runtime, told), int(told.get("frame") or 0)
            return _saved(Image.fromarray(frame_at(path, frame)), f"{Path(path).stem}_{frame}.png")

        return self._into(model, str(told.get("name")), picture)

    def trim(self, event: gr.EventData, model: str, extra: str) -> Updates:
        """Use a part of a clip, from one frame to another, both included; without frames the whole."""
        told = dict(event._data or {})
        start, end = told.get("start"), told.get("end")
        part = None if start is None or end is None else (int(start), int(end))
        changed = with_trim(extra, str(told.get("name")), Path(str(told.get("path"))).name, part)
        return {self.handlers.extra: changed, self.handlers.facts: json.dumps({"extra": changed})}

    def _file_of(self, told: Mapping[str, Any], param: Param) -> str:
        entry = result_entry(self.runtime, told.get("id"))
        return file_for(entry, param.kind)

    def _into(self, model: str, name: str, make: Any) -> Updates:
        param = self.form.model_params(model).get(name)
        if param is None or not param.is_media:
            label = setting_label(self.form.params[name]) if name in self.form.params else name
            gr.Warning(say("not_taken", model=self.runtime.registry.get(model).name, setting=label))
            return {}
        try:
            path = make(param)
        except (WanGPError, OSError) as error:
            gr.Warning(str(error))
            return {}
        return {self.form.components[name]: gr.update(value=[path] if kind_of(param) == "pictures" else path)}

    def _updates(self, params: Mapping[str, Param], values: Mapping[str, Any]) -> Updates:
        updates: Updates = {}
        for name, value in values.items():
            if name in UNSEEN:
                continue
            param = params[name]
            if param.is_media:
                value = uploaded_paths(value) or None
            elif value is None:
                value = param.fresh_default()
            updates[self.form.components[name]] = refresh(param, value, visible=True)
        return updates


def clip_path(runtime: Any, told: Mapping[str, Any]) -> str:
    """The file of a clip named by a result's `id` or an uploaded `path`. Raises MediaError."""
    if told.get("id"):
        return str(result_entry(runtime, told["id"]).path)
    (path,) = uploaded_paths(told.get("path")) or [""]
    if not path:
        raise MediaError(say("file_gone", name=Path(str(told.get("path"))).name))
    return path


def _saved(picture: Image.Image, name: str) -> str:
    target = page_folder() / name
    picture.save(target, compress_level=1)
    return str(target)
