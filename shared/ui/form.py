"""The form: a control for every declared setting, of which a model shows its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from shared.core.params import GROUPS, Param
from shared.core.settings import DECLARATIONS, FILE_KEYS, OUTPUT_KEYS, canonical
from shared.core.state import AppState
from shared.ui.catalogue import MAIN, PLACED_ELSEWHERE, TOP, UNSEEN, place_of
from shared.ui.controls import control_for, refresh, setting_value, shown_value
from shared.ui.texts import group_label, say, setting_label
from shared.ui.trims import TRIMS, trimmed

KEPT_OVER_MODELS = ("prompt", "negative_prompt", "seed")
OPEN_GROUPS = ("media",)


class Form:
    """The controls by the names of their settings, and the passage of values between them and settings dicts."""

    def __init__(self, registry: Any, model_type: str, defaults: Mapping[str, Any], *, opens_all: bool = False) -> None:
        self.registry, self.opens_all = registry, opens_all
        self.params: dict[str, Param] = _all_params(registry)
        self.first_model = model_type
        self.first_values = {**defaults}
        self.components: dict[str, Component] = {}
        self.groups: dict[str, gr.Accordion] = {}

    @property
    def names(self) -> list[str]:
        """The settings in the order in which their values pass to the handlers."""
        return list(self.components)

    @property
    def inputs(self) -> list[Component]:
        """The controls in that order."""
        return list(self.components.values())

    def add_top(self) -> None:
        """Build the prompt."""
        param = self._first_param("prompt")
        self.components["prompt"] = gr.Textbox(
            self.first_values.get("prompt") or "", label=param.label, lines=4, max_lines=14, elem_id="prompt",
            placeholder=say("prompt_placeholder"), elem_classes=["wg-setting", "wg-prompt-field"], autofocus=True,
        )  # fmt: skip

    def add_media(self) -> None:
        """Build the pictures and clips that a result starts from."""
        self._add_group("media")

    def add_settings(self) -> None:
        """Build the main settings, and each other group as an accordion."""
        with gr.Group(elem_id="main_settings", elem_classes=["wg-main"]):
            for name in MAIN:
                self._add(name)
        for group in GROUPS:
            if group != "media":
                self._add_group(group)

    def _add_group(self, group: str) -> None:
        names = [
            name for name, param in self.params.items()
            if place_of(param) == group and name not in (*MAIN, *TOP, *self.components, "model_type")
        ]  # fmt: skip
        names.sort(key=lambda name: not self.params[name].is_media)
        if not names:
            return
        shown = any(self._is_shown(name, self.first_model) for name in names)
        with gr.Accordion(
            group_label(group), open=self.opens_all or group in OPEN_GROUPS, elem_id=f"group_{group}",
            elem_classes=["wg-group"], visible=shown,
        ) as accordion:  # fmt: skip
            for name in names:
                self._add(name)
        self.groups[group] = accordion

    def _add(self, name: str) -> None:
        param = self._first_param(name).with_changes(default=self.first_values.get(name))
        if param.default is None:
            param = param.with_changes(default=self._first_param(name).default)
        self.components[name] = control_for(param, self._is_shown(name, self.first_model))

    def _first_param(self, name: str) -> Param:
        return self.model_params(self.first_model).get(name, self.params[name])

    def _is_shown(self, name: str, model_type: str) -> bool:
        return name not in UNSEEN and name in self.model_params(model_type)

    def model_params(self, model_type: str) -> Mapping[str, Param]:
        """The settings of one model by name."""
        if model_type not in self.registry.models():
            return {}
        params: Mapping[str, Param] = self.registry.params(self.registry.get(model_type))
        return params

    def read(self, model_type: str, extra: str, values: Sequence[Any]) -> dict[str, Any]:
        """The settings dict that the form stands for: what the model uses and what came with a file unknown here.

        A setting that the other values switch off (`visible_if`) is left out, as it is on the screen.
        """
        params = self.model_params(model_type)
        kept = read_extra(extra)
        trims = kept.pop(TRIMS, None)
        settings: dict[str, Any] = {**kept, "model_type": model_type}
        for name, shown in zip(self.names, values, strict=True):
            if name in params and name not in UNSEEN:
                settings[name] = setting_value(params[name], shown)
        settings["image_prompt_type"] = start_letters(settings, params)
        hidden = [name for name in params if name in settings and not params[name].visible_if(settings)]
        for name in hidden:
            del settings[name]
        settings["image_prompt_type"] = start_letters(settings, params)
        return trimmed({name: value for name, value in settings.items() if value is not None}, trims)

    def setting(self, model_type: str, name: str, shown: Any) -> Any:
        """The value of one setting from what its control gave."""
        return setting_value(self.model_params(model_type)[name], shown)

    def show(self, model_type: str, settings: Mapping[str, Any]) -> dict[Any, Any]:
        """The updates that bring a settings dict into the form and show what the model uses."""
        params = self.model_params(model_type)
        updates: dict[Any, Any] = {}
        for name, component in self.components.items():
            param = params.get(name)
            if param is None or name in UNSEEN:
                updates[component] = gr.update(visible=False)
                continue
            value = settings.get(name)
            if param.is_media:
                value = existing_media(value)
            elif value is None:
                value = param.fresh_default()
            updates[component] = refresh(param, value, visible=True)
        for group, accordion in self.groups.items():
            shown = any(place_of(param) == group and name not in PLACED_ELSEWHERE for name, param in params.items())
            updates[accordion] = gr.update(visible=shown)
        return updates

    def shown_values(self, model_type: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What the controls hold once `settings` are shown in them, by name."""
        params = self.model_params(model_type)
        return {
            name: shown_value(param, existing_media(settings.get(name)) if param.is_media else settings.get(name))
            for name, param in params.items()
            if name not in UNSEEN
        }

    def carried_over(
        self, old: str, new: str, settings: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """What stays when the model changes, and the labels of what the new model does not use.

        The prompt, the seed and media stay; another value stays when it was changed from the old model's own.
        """
        before, after = self.model_params(old), self.model_params(new)
        kept, dropped = dict(defaults), []
        for name, value in settings.items():
            param = before.get(name)
            if param is None:
                continue
            is_own = name in KEPT_OVER_MODELS or param.is_media or not _is_same(value, param.default)
            if name in after and is_own and after[name].check(value) is None:
                kept[name] = value
            elif name not in after and is_own and not param.is_neutral(value):
                dropped.append(setting_label(param))
        return kept, dropped


def _is_same(left: Any, right: Any) -> bool:
    return bool(left == right) or (not left and not right)


def _all_params(registry: Any) -> dict[str, Param]:
    """Every declared setting, and those that single families add."""
    params = dict(DECLARATIONS)
    for model in registry.models().values():
        for name, param in registry.params(model).items():
            params.setdefault(name, param)
    return params


def start_letters(settings: Mapping[str, Any], params: Mapping[str, Param]) -> str:
    """`image_prompt_type` as the media given imply it."""
    if "image_prompt_type" not in params:
        return ""
    places = (("S", "image_start"), ("E", "image_end"), ("V", "video_source"))
    return "".join(letter for letter, name in places if name in params and settings.get(name))


def existing_media(value: Any) -> Any:
    """The media that are still on disk; None when none is."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    paths = [path for path in values if isinstance(path, str) and path and Path(path).is_file()]
    return paths or None


def read_extra(text: str) -> dict[str, Any]:
    """The settings kept aside: those that came with a file and are unknown here."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def split_extra(settings: Mapping[str, Any], params: Mapping[str, Param]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that the form knows, under today's names, and those to keep aside."""
    current = canonical(settings)
    known = {name: value for name, value in current.items() if name in params or name in DECLARATIONS}
    page_keys = {*FILE_KEYS, *OUTPUT_KEYS}
    extra = {name: value for name, value in current.items() if name not in known and name not in page_keys}
    return known, extra


def remember(state: dict[str, Any], model_type: str, settings: Mapping[str, Any]) -> None:
    """Write the form's model and values where core and plugins read them."""
    view = AppState(state)
    view.model_type = model_type
    view.all_settings[model_type] = dict(settings)
