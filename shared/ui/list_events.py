"""What queue and gallery bring into the form: a task to edit, a result's settings, a result as a start image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from shared.core.errors import ModelNotFound, WanGPError
from shared.core.settings import MEDIA_KEYS
from shared.core.settings_upgrade import upgrade
from shared.core.virtual_path import SEPARATOR, parse_virtual_media_path
from shared.ui.gallery import file_for, result_entry
from shared.ui.imports import settings_over_defaults
from shared.ui.lending import keep_uploads, lend
from shared.ui.media_check import media_problems
from shared.ui.run import Updates, guarded, problem_list
from shared.ui.tabs import QUIET, PageContext
from shared.ui.texts import say, setting_label


class ListEvents:
    """Answers to the panels `queue` and `stage`; all change the form of one window."""

    def __init__(self, context: PageContext) -> None:
        self.runtime, self.form, self.windows = context.runtime, context.form, context.windows
        self.handlers, self.problems = context.handlers, context.parts["problems"]

    def use_settings(self, state: dict[str, Any], model: str, event: gr.EventData) -> Updates:
        """Bring a result's settings into the form; its file may be gone."""
        entry = self.runtime.history.get(int((event._data or {}).get("id") or 0))
        if entry is None:
            gr.Warning(say("file_gone", name=f"#{(event._data or {}).get('id')}"))
            return {}
        try:
            definition = self._model_of(entry.settings, model)
            settings = settings_over_defaults(dict(entry.settings), definition)
        except WanGPError as error:
            gr.Warning(str(error))
            return {}
        gr.Info(say("imported", name=Path(entry.path).name))
        return self.handlers.show_found(state, definition.model_type, settings)

    def use_as(self, model: str, event: gr.EventData) -> Updates:
        """Make a result (of a clip the frame shown at `time`, else its last) the media setting `setting`."""
        values = event._data or {}
        name = str(values.get("setting"))
        params = self.form.model_params(model)
        known = params.get(name) or self.form.params.get(name)
        if known is None or not known.is_media:
            return {}
        if name not in params:
            label = setting_label(known).lower()
            gr.Warning(say("not_taken", model=self.runtime.registry.get(model).name, setting=label))
            return {}
        try:
            entry = result_entry(self.runtime, values.get("id"))
            path = file_for(entry, known.kind, values.get("time"))
        except WanGPError as error:
            gr.Warning(str(error))
            return {}
        gr.Info(say("used_as", name=Path(entry.path).name, setting=setting_label(known).lower()))
        shown = [path] if known.type == "media_list" and name in ("image_refs", "guide_pictures") else path
        return {self.form.components[name]: gr.update(value=shown)}

    def edit_task(self, state: dict[str, Any], model: str, event: gr.EventData) -> Updates:
        """Bring a waiting or failed task into the form; the queue passes it over until it is put back or let go."""
        values = event._data or {}
        token, task_id = str(values.get("token")), int(values.get("id") or 0)
        self.windows.attach(token, state)
        queue = self.runtime.queue
        task = queue.get(task_id)
        queue.release(token)
        if task is None or not queue.hold(task_id, token):
            is_held = task_id in queue.held()
            gr.Warning(say("edited_elsewhere" if is_held else "task_gone", id=task_id))
            return {}
        try:
            definition = self.runtime.registry.model_for(task.params)
        except ModelNotFound as error:
            queue.release(token)
            gr.Warning(str(error))
            return {}
        given = _lent(upgrade(task.params, definition))
        settings = {**definition.default_settings(), **given, "model_type": definition.model_type}
        return self.handlers.show_found(state, definition.model_type, settings)

    def put_back(self, token: str, state: dict[str, Any], model: str, extra: str, *values: Any) -> Updates:
        """Give the task that this window edits the settings of the form; a failed one is tried again."""
        self.windows.attach(token, state)
        queue = self.runtime.queue
        task_id = next((number for number, holder in queue.held().items() if holder == token), None)
        task = queue.get(task_id) if task_id is not None else None
        if task is None:
            return {self.problems: problem_list([say("nothing_edited")])}
        try:
            settings = self.form.read(model, extra, values)
            found = self.runtime.problems(settings) or media_problems(settings, self.form.model_params(model))
            if found:
                return {self.problems: problem_list(found)}
            queue.update(task.id, keep_uploads(settings, queue.media_folder))
            if task.status == "failed":
                queue.retry(task.id)
        except WanGPError as error:
            return {self.problems: problem_list([str(error)])}
        queue.release(token)
        gr.Info(say("put_back_done", id=task.id))
        return {self.problems: ""}

    def restore_form(self, state: dict[str, Any], event: gr.EventData) -> Updates:
        """Bring back the form as the browser kept it before a task was edited."""
        return self.handlers.open_window(json.dumps(event._data or {}), state)

    def _model_of(self, settings: Mapping[str, Any], model: str) -> Any:
        try:
            return self.runtime.registry.model_for(settings)
        except ModelNotFound:
            return self.runtime.registry.get(model)


def _lent(params: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a task with its media where the form can show them."""
    settings = dict(params)
    for name in MEDIA_KEYS:
        value = settings.get(name)
        if isinstance(value, (list, tuple)):
            settings[name] = [_lent_file(one) for one in value]
        elif value:
            settings[name] = _lent_file(value)
    return settings


def _lent_file(value: Any) -> Any:
    virtual = parse_virtual_media_path(value) if isinstance(value, str) else None
    if virtual is not None:
        return f"{_lent_file(virtual.source_path)}{SEPARATOR}{value.partition(SEPARATOR)[2]}"
    if not isinstance(value, str) or not Path(value).is_file():
        return value
    is_there = Path(value).resolve().is_relative_to(Path(get_upload_folder()).resolve())
    return value if is_there else lend(value)


def wire_lists(context: PageContext) -> None:
    """Connect the panels of the generator's tab."""
    events, parts, state, picker = ListEvents(context), context.parts, context.state, context.picker
    stage, queue = parts["stage"], parts["queue"].element
    window = [context.token, state, picker.model, parts["extra"], *context.form.inputs]
    media: list[Any] = [context.form.components[name] for name in MEDIA_KEYS if name in context.form.components]
    stage.use_settings(guarded(events.use_settings), [state, picker.model], context.shown, **QUIET)
    stage.use_as(guarded(events.use_as), [picker.model], media, **QUIET)
    stage.refresh_models(
        guarded(context.handlers.refresh_models), [picker.model], [picker.family, picker.model, picker.note], **QUIET
    )
    queue.edit_task(guarded(events.edit_task), [state, picker.model], context.shown, **QUIET)
    queue.restore_form(guarded(events.restore_form), [state], [context.token, *context.shown], **QUIET)
    # Pressed by assets/queue.js: the values of the form travel with a button alone.
    put_back = gr.Button(say("put_task_back"), visible="hidden", elem_id="put_task_back")
    put_back.click(guarded(events.put_back), window, [parts["problems"]], **QUIET)
