"""The page: its parts put together and wired; `serve` shows it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import gradio as gr

from shared.core.state import headless_state
from shared.ui.catalogue import first_model
from shared.ui.defaults import default_settings
from shared.ui.form import Form
from shared.ui.lora_presets import PresetPicker
from shared.ui.model_picker import ModelPicker
from shared.ui.panels import panel
from shared.ui.queue_panel import QueuePanel
from shared.ui.run import Handlers, guarded
from shared.ui.server import serve_page
from shared.ui.texts import say
from shared.ui.windows import Windows

QUIET: dict[str, Any] = {
    "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None, "preprocess": False,
}  # fmt: skip
STAGE_EVENTS = ("use_settings", "use_as_start", "delete_result", "import_file", "refresh_models")


@dataclass
class Page:
    """The Gradio page with the parts that others ask for by name."""

    blocks: gr.Blocks
    form: Form
    picker: ModelPicker
    windows: Windows
    handlers: Handlers
    queue: QueuePanel


def serve(runtime: Any, args: Any, routers: Any = ()) -> None:
    """Serve the page until the program is ended. Raises WanGPError when its address cannot be listened on."""
    serve_page(build_app, runtime, args, routers)


def build_app(runtime: Any) -> Page:
    """The page over a runtime; nothing is served yet."""
    registry = runtime.registry
    model = first_model(registry, _wanted_model(runtime))
    windows = Windows(runtime)
    with gr.Blocks(title=say("title"), analytics_enabled=False, fill_width=True) as blocks:
        state = gr.State(headless_state())
        form = Form(registry, model, default_settings(runtime, model) if model else {}, opens_all=runtime.args.advanced)
        parts = _build_parts(runtime, form, model)
        handlers = Handlers(runtime, form, parts["picker"], windows)
        for name in ("extra", "facts", "problems", "token", "exported"):
            setattr(handlers, name, parts[name])
        handlers.presets = parts["presets"]
        _wire_form(blocks, handlers, parts, state)
        _wire_files(handlers, parts, state)
        _wire_results(handlers, parts, state)
        parts["queue"].wire()
    return Page(blocks, form, parts["picker"], windows, handlers, parts["queue"])


def _wanted_model(runtime: Any) -> str:
    if getattr(runtime.args, "model_type", ""):
        return str(runtime.args.model_type)
    return str(runtime.config.get("last_model_type") or "")


def _build_parts(runtime: Any, form: Form, model: str) -> dict[str, Any]:
    """Everything on the page, by name, in the order in which a small screen shows it."""
    parts: dict[str, Any] = {}
    with gr.Row(elem_id="wangp-page", elem_classes=["wg-page"]):
        with gr.Column(elem_id="wangp-form", elem_classes=["wg-column"], min_width=300):
            with gr.Row(elem_classes=["wg-header"]):
                gr.HTML("<h1>WanGP</h1>", elem_classes=["wg-title"], apply_default_css=False, js_on_load=None)
                parts["picker"] = ModelPicker(runtime.registry, model, runtime.model_files)
                parts["bar"] = panel("bar")
            parts["picker"].add_note(model)
            form.add_top()
            form.add_media()
            with gr.Row(elem_id="wangp-buttons", elem_classes=["wg-buttons"]):
                parts["generate"] = gr.Button(
                    say("generate"), variant="primary", elem_id="generate", scale=2, min_width=120
                )
                parts["add"] = gr.Button(say("add_to_queue"), elem_id="add_to_queue", scale=1, min_width=110)
            parts["problems"] = _hidden("wangp-problems", "showProblems")
            form.add_settings()
            with form.groups.get("lora", nullcontext()):
                parts["presets"] = PresetPicker(runtime, model)
            _build_file_buttons(parts)
        with gr.Column(elem_id="wangp-side", elem_classes=["wg-column"], min_width=300):
            parts["stage"] = panel("stage", STAGE_EVENTS)
            with gr.Column(elem_classes=["wg-lists"]):
                parts["queue"] = QueuePanel(runtime)
                parts["gallery"] = panel("gallery")
    parts["facts"] = _hidden("wangp-facts", "setModel")
    parts["exported"] = _hidden("wangp-exported", "saveExported")
    for name in ("extra", "token", "boot"):
        parts[name] = gr.Textbox("", visible="hidden", elem_id=f"wangp-{name}", label=name)
    return parts


def _build_file_buttons(parts: dict[str, Any]) -> None:
    with gr.Row(elem_id="wangp-files", elem_classes=["wg-files"]):
        parts["import"] = gr.UploadButton(
            say("import_settings"), elem_id="import_settings", size="sm", file_count="single", min_width=120,
        )  # fmt: skip
        parts["export"] = gr.Button(say("export_settings"), elem_id="export_settings", size="sm", min_width=120)
        parts["save_default"] = gr.Button(say("save_default"), elem_id="save_default", size="sm", min_width=120)
        parts["reset"] = gr.Button(say("reset"), elem_id="reset", size="sm", min_width=80)


def _hidden(elem_id: str, receiver: str) -> gr.HTML:
    """A value that goes from Python to the script function `receiver` and is not shown."""
    return gr.HTML(
        "", elem_id=elem_id, visible="hidden", apply_default_css=False, html_template="<i></i>",
        js_on_load=f"watch('value', () => window.wangp.{receiver}(props.value));",
    )  # fmt: skip


def _shown(handlers: Handlers, parts: dict[str, Any]) -> list[Any]:
    """Everything that follows when other settings come into the form."""
    form, picker = handlers.form, handlers.picker
    return [
        *form.inputs, *form.groups.values(), *picker.outputs, parts["presets"].component, parts["extra"],
        parts["facts"], parts["problems"],
    ]  # fmt: skip


def _wire_form(blocks: gr.Blocks, handlers: Handlers, parts: dict[str, Any], state: gr.State) -> None:
    form, picker = handlers.form, handlers.picker
    shown = _shown(handlers, parts)
    window = [parts["token"], state, picker.model, parts["extra"], *form.inputs]
    blocks.load(
        guarded(handlers.open_window), [parts["boot"], state], [parts["token"], *shown],
        js="() => [...window.wangp.remembered(), null]", **QUIET,
    )  # fmt: skip
    parts["generate"].click(guarded(handlers.generate), window, [parts["problems"]], **QUIET)
    parts["add"].click(guarded(handlers.add_to_queue), window, [parts["problems"]], **QUIET)
    picker.model.input(guarded(handlers.choose_model), window, shown, **QUIET)
    picker.family.input(
        guarded(handlers.choose_family), [state, picker.family], [picker.model, picker.note], **QUIET
    ).then(guarded(handlers.choose_model), window, shown, **QUIET)
    preset = parts["presets"].component
    preset.input(guarded(handlers.choose_preset), [*window, preset], shown, **QUIET)
    parts["reset"].click(guarded(handlers.reset), window[:3], shown, **QUIET)
    parts["save_default"].click(guarded(handlers.save_as_default), window, [parts["facts"], parts["problems"]], **QUIET)
    # One listener a control: with one for all, Gradio gathers every value of the form at each keystroke.
    controls: dict[str, Any] = dict(form.components)
    for name, control in controls.items():
        control.change(None, [control], None, js=f"(value) => {{ window.wangp.changed('{name}', value); }}",
                       show_progress="hidden", queue=False, api_visibility="private")  # fmt: skip


def _wire_files(handlers: Handlers, parts: dict[str, Any], state: gr.State) -> None:
    form, picker = handlers.form, handlers.picker
    shown = _shown(handlers, parts)
    parts["import"].upload(
        guarded(handlers.import_upload), [parts["import"], parts["token"], state, picker.model], shown, **QUIET
    )
    parts["export"].click(
        guarded(handlers.export), [picker.model, parts["extra"], *form.inputs], [parts["exported"]], **QUIET
    )
    parts["stage"].import_file(guarded(handlers.import_dropped), [state, picker.model], shown, **QUIET)


def _wire_results(handlers: Handlers, parts: dict[str, Any], state: gr.State) -> None:
    form, picker = handlers.form, handlers.picker
    shown = _shown(handlers, parts)
    stage = parts["stage"]
    stage.use_settings(guarded(handlers.use_settings), [state, picker.model], shown, **QUIET)
    stage.use_as_start(guarded(handlers.use_as_start), [picker.model], [form.components["image_start"]], **QUIET)
    stage.delete_result(guarded(handlers.delete_result), None, None, **QUIET)
    stage.refresh_models(
        guarded(handlers.refresh_models), [picker.model], [picker.family, picker.model, picker.note], **QUIET
    )
