"""What the buttons of the page do: start, queue, abort, import, export, choose a model, use a result."""

from __future__ import annotations

import functools
import itertools
import json
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from gradio.utils import get_upload_folder

from shared.core.errors import WanGPError
from shared.core.settings_io import export_settings
from shared.core.state import AppState
from shared.ui.catalogue import model_facts
from shared.ui.controls import media_paths
from shared.ui.defaults import default_settings, save_default
from shared.ui.form import Form, read_extra, remember, split_extra
from shared.ui.imports import import_file
from shared.ui.lending import keep_uploads
from shared.ui.media_check import media_problems
from shared.ui.model_picker import ModelPicker
from shared.ui.shell import LANGUAGE
from shared.ui.texts import USUAL, current_language, say
from shared.ui.trims import without_suffixes
from shared.ui.windows import Windows

log = logging.getLogger(__name__)

Updates = dict[Any, Any]


class Handlers:
    """The page's answers. Each gets (token, state, model, extra, *form values) and tells which components change."""

    def __init__(self, runtime: Any, form: Form, picker: ModelPicker, windows: Windows) -> None:
        self.runtime, self.form, self.picker, self.windows = runtime, form, picker, windows
        self.extra: Any = None
        self.facts: Any = None
        self.problems: Any = None
        self.exported: Any = None
        self.token: Any = None
        self.presets: Any = None  # a PresetPicker, where the page has one
        self._exports = itertools.count()  # the browser hears a value only when it differs from the last
        self.tell_windows: Callable[..., None] = lambda kind, **values: None
        self.model_shown: Callable[[dict[str, Any], str], None] = lambda state, model: None

    def generate(self, token: str, state: dict[str, Any], model: str, extra: str, *values: Any) -> Updates:
        """Put the form into the queue and let the queue run."""
        return self._submit((token, state, model, extra), values, start=True)

    def add_to_queue(self, token: str, state: dict[str, Any], model: str, extra: str, *values: Any) -> Updates:
        """Put the form into the queue; a paused queue stays paused."""
        return self._submit((token, state, model, extra), values, start=False)

    def _submit(self, window: tuple[str, dict[str, Any], str, str], values: Any, *, start: bool) -> Updates:
        token, state, model, extra = window
        try:
            self.windows.attach(token, state)
            settings = self.form.read(model, extra, values)
            remember(state, model, settings)
            found = self.runtime.problems(settings) or media_problems(settings, self.form.model_params(model))
            AppState(state).validate_success = 0 if found else 1
            if found:
                return {self.problems: problem_list(found)}
            settings = keep_uploads(settings, self.runtime.queue.media_folder)
            client_id = f"page-{token}-{uuid.uuid4().hex[:12]}"
            task = self.runtime.submit(settings, client_id=client_id, plugin_data=AppState(state).plugin_data)
            if start and self.runtime.queue.is_paused:
                self.runtime.queue.resume()
        except WanGPError as error:
            return {self.problems: problem_list([str(error)])}
        if not start or any(other.id != task.id and other.status == "running" for other in self.runtime.queue.tasks()):
            gr.Info(say("added", id=task.id))
        return {self.problems: ""}

    def keep_form(self, token: str, state: dict[str, Any], model: str, extra: str, *values: Any) -> None:
        """Write the form as it stands where core and plugins read it."""
        self.windows.attach(token, state)
        remember(state, model, self.form.read(model, extra, values))

    def open_window(self, boot: str, state: dict[str, Any]) -> Updates:
        """Bring back what the browser kept of the form, else show a model with its defaults."""
        self._read_definitions()
        told = read_extra(boot)
        token = str(told.get("token") or uuid.uuid4().hex)
        self.windows.attach(token, state)
        kept = told.get("form") or {}
        known = self.runtime.registry.models()
        model = kept.get("model") if kept.get("model") in known else self.form.first_model
        updates: Updates = {self.token: token}
        if not model:
            return updates
        settings = default_settings(self.runtime, model)
        settings.update(self._kept_settings(model, kept.get("values") or {}))
        extra = str(kept.get("extra") or "") if kept else ""
        preset = "" if kept else str(getattr(self.runtime.args, "lora_preset", "") or "")
        if preset and self.presets is not None:
            try:
                settings = self.presets.applied(model, settings, preset)
            except WanGPError as error:
                gr.Warning(str(error))
        return updates | self._show(state, model, settings, extra)

    def _kept_settings(self, model: str, values: dict[str, Any]) -> dict[str, Any]:
        """The form values that the browser kept, as settings; media only where they were uploaded to this page."""
        settings = {}
        for name, param in self.form.model_params(model).items():
            if name in values:
                kept = uploaded_paths(values[name]) if param.is_media else values[name]
                settings[name] = self.form.setting(model, name, kept)
        return settings

    def choose_model(self, token: str, state: dict[str, Any], model: str, extra: str, *values: Any) -> Updates:
        """Turn the form to another model: what still applies stays, what does not is told."""
        self.windows.attach(token, state)
        old = AppState(state).model_type or self.form.first_model
        if not model or model == old:
            return {}
        settings = self.form.read(old, extra, values)
        kept, dropped = self.form.carried_over(old, model, settings, default_settings(self.runtime, model))
        if dropped:
            name = self.runtime.registry.get(model).name
            gr.Info(say("not_applicable", model=name, names=", ".join(sorted(dropped))))
        return self._show(state, model, kept, extra)

    def find_model(
        self, event: gr.EventData, token: str, state: dict[str, Any], model: str, extra: str, *values: Any
    ) -> Updates:
        """The same for a model chosen in the finder."""
        wanted = str((event._data or {}).get("model") or "")
        if wanted not in self.runtime.registry.models():
            gr.Warning(say("model_gone", model=wanted))
            return {}
        return self.choose_model(token, state, wanted, extra, *values)

    def switch_model(self, state: dict[str, Any], event: gr.EventData) -> Updates:
        """Turn the form to the model that a plugin asked for, with the settings it was left with."""
        model = str((event._data or {}).get("model_type") or "")
        if model not in self.runtime.registry.models():
            return {}
        settings = AppState(state).all_settings.get(model) or default_settings(self.runtime, model)
        return self._show(state, model, settings, "")

    def refresh_form(self, state: dict[str, Any]) -> Updates:
        """Show the settings that a plugin has put into the state for the window's model."""
        model = AppState(state).model_type
        settings = AppState(state).all_settings.get(model)
        return self.show_found(state, model, settings) if settings else {}

    def choose_family(self, state: dict[str, Any], family: str) -> Updates:
        """Choose the family's model used last; the form follows by the model's own event."""
        model = self.picker.first_of(family, AppState(state).last_model_per_family.get(family, ""))
        return {key: value for key, value in self.picker.show(model).items() if key is not self.picker.family}

    def _show(self, state: dict[str, Any], model: str, settings: dict[str, Any], extra: str) -> Updates:
        view = AppState(state)
        is_other = view.model_type != model
        remember(state, model, settings)
        if is_other:
            self.model_shown(state, model)
        settings, extra = without_suffixes(settings, extra)
        view.last_model_per_family[self.runtime.registry.get(model).family] = model
        facts = model_facts(self.runtime.registry, model, default_settings(self.runtime, model))
        facts |= {"extra": extra, "values": self.form.shown_values(model, settings)}
        facts["presets"] = self.presets.facts(model) if self.presets is not None else []
        return {
            **self.form.show(model, settings), **self.picker.show(model),
            **(self.presets.show(model) if self.presets is not None else {}),
            self.extra: extra, self.facts: json.dumps(facts, default=str), self.problems: "",
        }  # fmt: skip

    def choose_preset(self, token: str, state: dict[str, Any], model: str, extra: str, *values: Any) -> Updates:
        """Lay the preset, the last of the values, over the form."""
        self.windows.attach(token, state)
        *shown, name = values
        if self.presets is None or not name:
            return {}
        try:
            settings = self.presets.applied(model, self.form.read(model, extra, shown), str(name))
        except WanGPError as error:
            return {self.problems: problem_list([str(error)])}
        gr.Info(say("preset_applied", name=Path(str(name)).stem))
        return self.show_found(state, model, settings)

    def reset(self, token: str, state: dict[str, Any], model: str) -> Updates:
        """The model's defaults; the prompt too."""
        self.windows.attach(token, state)
        gr.Info(say("was_reset", model=self.runtime.registry.get(model).name))
        return self._show(state, model, default_settings(self.runtime, model), "")

    def save_as_default(self, token: str, state: dict[str, Any], model: str, extra: str, *values: Any) -> Updates:
        """Keep the form as what the model starts with."""
        self.windows.attach(token, state)
        try:
            save_default(self.runtime, model, self.form.read(model, extra, values))
        except WanGPError as error:
            return {self.problems: problem_list([str(error)])}
        gr.Info(say("saved_default", model=self.runtime.registry.get(model).name))
        facts = model_facts(self.runtime.registry, model, default_settings(self.runtime, model))
        return {self.facts: json.dumps(facts, default=str)}

    def export(self, model: str, extra: str, *values: Any) -> str:
        """The form as the text of a settings file, with the name to save it under."""
        definition = self.runtime.registry.get(model)
        settings = export_settings(self.form.read(model, extra, values), definition)
        told = {"name": f"{model}_settings.json", "settings": settings, "number": next(self._exports)}
        return json.dumps(told, ensure_ascii=False)

    def import_upload(self, file: Any, token: str, state: dict[str, Any], model: str) -> Updates:
        """Bring back the settings of an uploaded file, or queue the tasks of a queue file."""
        paths = uploaded_paths(file)
        if not paths:
            return {}
        return self._import(Path(paths[0]), Path(paths[0]).name, (token, state, model))

    def import_dropped(self, state: dict[str, Any], model: str, event: gr.EventData) -> Updates:
        """The same for a file dropped on the page."""
        values = event._data or {}
        paths = uploaded_paths(values.get("path"))
        if not paths:
            return {}
        return self._import(Path(paths[0]), str(values.get("name") or ""), (str(values.get("token")), state, model))

    def _import(self, path: Path, name: str, window: tuple[str, dict[str, Any], str]) -> Updates:
        token, state, model = window
        self.windows.attach(token, state)
        try:
            found = import_file(self.runtime, path, name, model, token)
        except WanGPError as error:
            return {self.problems: problem_list([str(error)])}
        for remark in found.remarks:
            gr.Warning(remark)
        if found.tasks:
            gr.Info(say("imported_queue", count=found.tasks, name=name))
            return {self.problems: ""}
        gr.Info(say("imported", name=name))
        return self.show_found(state, found.model_type, found.settings)

    def show_found(self, state: dict[str, Any], model: str, settings: dict[str, Any]) -> Updates:
        """Bring settings from elsewhere into the form; what is unknown here is kept aside and told."""
        known, extra = split_extra(settings, self.form.model_params(model))
        if extra:
            gr.Warning(say("imported_unknown", count=len(extra), names=", ".join(sorted(extra))))
        return self._show(state, model, known, json.dumps(extra, default=str) if extra else "")

    def refresh_models(self, model: str) -> Updates:
        """Show what has changed on disk: models fetched or deleted, new definitions."""
        self._read_definitions()
        return self.picker.show(model) if model in self.runtime.registry.models() else {}

    def _read_definitions(self) -> None:
        """Read the definitions again when one has changed; what is newly wrong with them is told."""
        registry = self.runtime.registry
        known = set(registry.broken)
        if registry.refresh_if_changed():
            for broken in sorted(set(registry.broken) - known):
                gr.Warning(broken)


def problem_list(problems: list[str]) -> str:
    """The problems as JSON; the browser shows them beside the button (assets/form.js)."""
    return json.dumps(problems, ensure_ascii=False)


def uploaded_paths(value: Any) -> list[str]:
    """The files of a browser's value that were uploaded to this page or made by it; other paths are refused."""
    return [path for path in media_paths(value) if _is_ours(Path(path))]


def _is_ours(path: Path) -> bool:
    folder = Path(get_upload_folder()).resolve()
    resolved = path.resolve()
    return resolved.is_file() and resolved.is_relative_to(folder)


def speak_to_visitor() -> None:
    """Say what follows in this thread in the language of the visitor whose event is being answered."""
    request = LocalContext.request.get(None)
    if request is not None and request.request is not None:
        scope = getattr(request.request, "scope", None) or {}
        current_language.set(scope.get(LANGUAGE, USUAL))


def guarded(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that speaks its visitor's language; faults are logged with traceback and told in one plain line."""

    @functools.wraps(handler)
    def answer(*values: Any) -> Any:
        speak_to_visitor()
        try:
            return handler(*values)
        except Exception as error:
            log.exception("The page's %s failed", getattr(handler, "__name__", "handler"))
            raise gr.Error(say("unexpected")) from error

    return answer
