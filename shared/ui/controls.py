"""One declaration becomes one control: which component shows a setting, and how values pass in and out of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from shared.core.errors import SettingsError
from shared.core.params import Param
from shared.core.styles import style_names
from shared.ui.texts import setting_help, setting_label, term

MOST_SLIDER_POSITIONS = 2000
MOST_RADIO_CHOICES = 3
LENGTH_SHOWN = 241
LISTED: Mapping[str, Callable[[], Sequence[str]]] = {"styles": style_names}  # lists of names that the core knows


def control_for(param: Param, visible: bool) -> Component:
    """The component of a setting; its elem_id is the setting's name."""
    common: dict[str, Any] = {
        "label": param.label, "elem_id": param.name, "visible": visible, "interactive": True,
        "elem_classes": ["wg-setting", f"wg-{kind_of(param)}"],
    }  # fmt: skip
    return _BUILDERS[kind_of(param)](param, common)


def kind_of(param: Param) -> str:
    """Which control fits: slider, number, switch, choice, choices, editable, text, picture, pictures, clip, sound."""
    if param.is_media:
        return _media_kind(param)
    if param.type in ("int", "float") or param.name == "video_length":
        return "slider" if _fits_slider(param) else "number"
    if param.type == "bool_int":
        return "switch"
    if param.type == "choice":
        return "choice"
    if param.name in ("activated_loras", *LISTED) or (param.type == "letters" and param.choices):
        return "choices"
    return "editable" if param.choices else "text"


def _media_kind(param: Param) -> str:
    if param.kind == "image":
        return "pictures" if param.name in ("image_refs", "guide_pictures") else "picture"
    return {"video": "clip", "audio": "sound"}.get(param.kind, "file")


def _fits_slider(param: Param) -> bool:
    if param.name == "video_length":
        return True
    if param.minimum is None or param.maximum is None:
        return False
    return (param.maximum - param.minimum) / (param.step or 1) <= MOST_SLIDER_POSITIONS


def slider_bounds(param: Param, value: Any = None) -> dict[str, Any]:
    """Minimum, maximum and step of a slider; a long clip is reached by typing, which widens it."""
    maximum = param.maximum
    if param.name == "video_length":
        step, least = param.step or 1, param.minimum or 1
        wanted = max(LENGTH_SHOWN, _number(param.default) * 3, _number(value))
        maximum = min(param.maximum or math.inf, least + math.ceil((wanted - least) / step) * step)
    return {"minimum": param.minimum, "maximum": maximum, "step": param.step or 1}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def refresh(param: Param, value: Any, visible: bool) -> dict[str, Any]:
    """The update that turns a setting's control to another model: label, help, bounds, choices, value."""
    changes: dict[str, Any] = {"visible": visible, "value": shown_value(param, value)}
    if not visible:
        return gr.update(visible=False)
    kind = kind_of(param)
    if not param.is_media:
        changes["label"] = setting_label(param)
        if param.name != "prompt":
            changes["info"] = setting_help(param)
    if kind == "slider":
        changes |= slider_bounds(param, value)
    if kind in ("choice", "choices", "editable"):
        changes["choices"] = choices_of(param, value)
    return gr.update(**changes)


def choices_of(param: Param, value: Any) -> list[tuple[str, Any]]:
    """The choices of a setting; a value from elsewhere is added, so that it stays as it is."""
    choices = [(term(str(label)), choice) for label, choice in param.choices]
    choices += [(name, name) for name in (LISTED[param.name]() if param.name in LISTED else ())]
    known = [choice for _, choice in choices]
    values = value if isinstance(value, list) else [value]
    if kind_of(param) == "choices":
        values = list(value) if isinstance(value, (str, list, tuple)) else []
    return choices + [(str(one), one) for one in values if one is not None and one not in known]


def shown_value(param: Param, value: Any) -> Any:
    """The value of a setting as its component takes it."""
    if param.is_media:
        return _shown_media(param, value)
    value = param.normalize(value)
    match kind_of(param):
        case "switch":
            return bool(value)
        case "choices":
            return list(value) if value else []
        case "text" if param.type in ("list", "dict"):
            return _as_text(value)
        case "text":
            return "" if value is None else str(value)
    return value


def _shown_media(param: Param, value: Any) -> Any:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    paths = [path for path in values if isinstance(path, str) and path]
    if kind_of(param) == "pictures":
        return paths or None
    return paths[0] if paths else None


def _as_text(value: Any) -> str:
    if not value:
        return ""
    if isinstance(value, Mapping) or any(isinstance(item, Mapping) for item in value):
        return json.dumps(value, ensure_ascii=False)
    if any(isinstance(item, Mapping) for item in value):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(str(item) for item in value)


def setting_value(param: Param, shown: Any) -> Any:
    """The value of a setting from what the browser sent; what cannot be read is kept for the check to name.

    Handlers get the browser's values as they are (`preprocess=False`): Gradio's own reading would refuse a damaged
    picture or a number out of bounds without naming the setting.
    """
    if param.is_media:
        paths = media_paths(shown)
        return (paths if kind_of(param) == "pictures" else paths[0]) if paths else None
    if shown is None:
        return None
    match kind_of(param):
        case "switch":
            return int(bool(shown))
        case "choices":
            return list(shown) if param.type == "list" else "".join(shown)
    if isinstance(shown, float) and param.type != "float" and shown.is_integer():
        return int(shown)
    if isinstance(shown, str) and param.type in ("list", "dict", "text_or_int"):
        return _read(param, shown)
    return shown


def media_paths(value: Any) -> list[str]:
    """The paths in a browser's value: a file, a list of files, a clip with its file inside, or plain paths."""
    items = value if isinstance(value, list) else [value]
    found = []
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("video"), dict):
            item = item["video"]
        path = item.get("path") if isinstance(item, dict) else item
        if isinstance(path, str) and path:
            found.append(path)
    return found


def _read(param: Param, text: str) -> Any:
    if not text.strip():
        return None
    try:
        return param.coerce(text)
    except SettingsError:
        return text


def _slider(param: Param, common: dict[str, Any]) -> Component:
    bounds = slider_bounds(param, param.default)
    common = {**common, "label": setting_label(param)}
    return gr.Slider(
        bounds["minimum"], bounds["maximum"], shown_value(param, param.default), step=bounds["step"],
        info=param.help, buttons=[], **common,
    )  # fmt: skip


def _number_field(param: Param, common: dict[str, Any]) -> Component:
    precision = None if param.type == "float" else 0
    return gr.Number(
        shown_value(param, param.default), precision=precision, step=param.step or 1, info=param.help,
        minimum=param.minimum, maximum=param.maximum, **{**common, "label": setting_label(param)},
    )  # fmt: skip


def _choice(param: Param, common: dict[str, Any]) -> Component:
    choices = choices_of(param, param.default)
    if param.name == "image_mode":
        return gr.Radio(choices, value=param.default, info=param.help, **common)
    return gr.Dropdown(choices, value=param.default, info=param.help, filterable=len(choices) > 8, **common)


def _choices(param: Param, common: dict[str, Any]) -> Component:
    value = shown_value(param, param.default)
    choices = choices_of(param, param.default)
    is_open = param.type == "list"
    return gr.Dropdown(
        choices, value=value, multiselect=True, allow_custom_value=is_open, info=param.help, **common
    )  # fmt: skip


def _editable(param: Param, common: dict[str, Any]) -> Component:
    choices = choices_of(param, param.default)
    return gr.Dropdown(
        choices, value=shown_value(param, param.default), allow_custom_value=True, info=param.help,
        **{**common, "label": setting_label(param)},
    )  # fmt: skip


def _text(param: Param, common: dict[str, Any]) -> Component:
    lines = 2 if param.multiline else 1
    return gr.Textbox(
        shown_value(param, param.default), lines=lines, max_lines=12 if param.multiline else 1, info=param.help,
        **{**common, "label": setting_label(param)},
    )  # fmt: skip


def _file(param: Param, common: dict[str, Any]) -> Component:
    many = kind_of(param) == "pictures"
    kinds = {"image": ["image"], "video": ["video"], "audio": ["audio"]}.get(param.kind)
    return gr.File(
        file_count="multiple" if many else "single", file_types=kinds, height=104,
        **_media_look(param, common),
    )  # fmt: skip


def _media_look(param: Param, common: dict[str, Any]) -> dict[str, Any]:
    return {**common, "elem_classes": [*common["elem_classes"], "wg-media"], "label": param.label}


_BUILDERS: Mapping[str, Callable[[Param, dict[str, Any]], Component]] = {
    "slider": _slider,
    "number": _number_field,
    "switch": lambda param, common: gr.Checkbox(bool(param.default), info=param.help, **common),
    "choice": _choice,
    "choices": _choices,
    "editable": _editable,
    "text": _text,
    "picture": lambda param, common: gr.Image(
        type="filepath", sources=["upload", "clipboard"], height=104, buttons=["fullscreen"],
        **_media_look(param, common),
    ),
    "pictures": _file,
    "clip": lambda param, common: gr.Video(
        sources=["upload"], height=104, buttons=[], include_audio=True, **_media_look(param, common)
    ),
    "sound": _file,
    "file": _file,
}  # fmt: skip
