"""The first tab: the form, the stage, the queue and the latest results."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import gradio as gr

from shared.ui.form_tools import EVENTS, FormTools
from shared.ui.list_events import wire_lists
from shared.ui.lora_presets import PRESET_EVENTS, PresetPicker, Presets
from shared.ui.model_picker import ModelPicker
from shared.ui.panels import panel
from shared.ui.queue_panel import QueuePanel
from shared.ui.run import Handlers, guarded
from shared.ui.tabs import QUIET, PageContext, Tab
from shared.ui.texts import say

STAGE_EVENTS = ("use_settings", "use_as", "import_file", "refresh_models")


def build(context: PageContext) -> None:
    """Build the form and what stands beside it, and connect the buttons."""
    parts, model = context.parts, context.form.first_model
    _build_parts(context, model)
    context.picker = parts["picker"]
    handlers = context.handlers = Handlers(context.runtime, context.form, context.picker, context.windows)
    handlers.token, handlers.presets = context.token, parts["presets"]
    for name in ("extra", "facts", "problems", "exported"):
        setattr(handlers, name, parts[name])
    context.shown = [
        *context.form.inputs, *context.form.groups.values(), *context.picker.outputs, parts["presets"].component,
        parts["extra"], parts["facts"], parts["problems"],
    ]  # fmt: skip
    _wire_form(context)
    _wire_files(context)
    _wire_tools(context)
    wire_lists(context)


TAB = Tab("generator", 0, build)


def _build_parts(context: PageContext, model: str) -> None:
    """Everything of the tab, by name, in the order in which a small screen shows it."""
    parts, form, runtime = context.parts, context.form, context.runtime
    with gr.Row(elem_id="wangp-page", elem_classes=["wg-page"]):
        with gr.Column(elem_id="wangp-form", elem_classes=["wg-column"], min_width=300):
            with gr.Row(elem_classes=["wg-picker"]):
                parts["picker"] = ModelPicker(runtime.registry, model, runtime.model_files)
            parts["picker"].add_note(model)
            parts["preset_bar"] = panel("presets", PRESET_EVENTS)
            form.add_top()
            parts["tools"] = panel("tools", EVENTS)
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
                panel("loras")
            _build_file_buttons(parts)
        with gr.Column(elem_id="wangp-side", elem_classes=["wg-column"], min_width=300):
            parts["stage"] = panel("stage", STAGE_EVENTS)
            with gr.Column(elem_classes=["wg-lists"]):
                parts["queue"] = QueuePanel(runtime)
                parts["gallery"] = panel("gallery")
    parts["facts"] = _hidden("wangp-facts", "setModel")
    parts["exported"] = _hidden("wangp-exported", "saveExported")
    for name in ("extra", "boot"):
        parts[name] = gr.Textbox("", visible="hidden", elem_id=f"wangp-{name}", label=name)


def _build_file_buttons(parts: dict[str, Any]) -> None:
    with gr.Row(elem_id="wangp-files", elem_classes=["wg-files"]):
        parts["import"] = gr.UploadButton(
            say("import_settings"), elem_id="import_settings", size="sm", file_count="single", min_width=120,
        )  # fmt: skip
        parts["export"] = gr.Button(say("export_settings"), elem_id="export_settings", size="sm", min_width=120)
        parts["keep_preset"] = gr.Button(say("keep_preset"), elem_id="keep_preset", size="sm", min_width=120)
        parts["save_default"] = gr.Button(say("save_default"), elem_id="save_default", size="sm", min_width=120)
        parts["reset"] = gr.Button(say("reset"), elem_id="reset", size="sm", min_width=80)


def _hidden(elem_id: str, receiver: str) -> gr.HTML:
    """A value that goes from Python to the script function `receiver` and is not shown."""
    return gr.HTML(
        "", elem_id=elem_id, visible="hidden", apply_default_css=False, html_template="<i></i>",
        js_on_load=f"watch('value', () => window.wangp.{receiver}(props.value));",
    )  # fmt: skip


def _wire_form(context: PageContext) -> None:
    handlers, picker, parts, state = context.handlers, context.picker, context.parts, context.state
    shown = context.shown
    window = context.window = [context.token, state, picker.model, parts["extra"], *context.form.inputs]
    context.blocks.load(
        guarded(handlers.open_window), [parts["boot"], state], [context.token, *shown],
        js="() => [...window.wangp.remembered(), null]", **QUIET,
    )  # fmt: skip
    parts["generate"].click(guarded(handlers.generate), window, [parts["problems"]], **QUIET)
    parts["add"].click(guarded(handlers.add_to_queue), window, [parts["problems"]], **QUIET)
    picker.model.input(guarded(handlers.choose_model), window, shown, **QUIET)
    picker.finder.choose_model(guarded(handlers.find_model), window, shown, **QUIET)
    picker.family.input(
        guarded(handlers.choose_family), [state, picker.family], [picker.model, picker.note], **QUIET
    ).then(guarded(handlers.choose_model), window, shown, **QUIET)
    preset = parts["presets"].component
    preset.input(guarded(handlers.choose_preset), [*window, preset], shown, **QUIET)
    parts["reset"].click(guarded(handlers.reset), window[:3], shown, **QUIET)
    parts["save_default"].click(guarded(handlers.save_as_default), window, [parts["facts"], parts["problems"]], **QUIET)
    # One listener a control: with one for all, Gradio gathers every value of the form at each keystroke.
    controls: dict[str, Any] = dict(context.form.components)
    for name, control in controls.items():
        control.change(None, [control], None, js=f"(value) => {{ window.wangp.changed('{name}', value); }}",
                       show_progress="hidden", queue=False, api_visibility="private")  # fmt: skip


def _wire_tools(context: PageContext) -> None:
    handlers, picker, parts = context.handlers, context.picker, context.parts
    tools = context.parts["form_tools"] = FormTools(handlers)
    window = context.window
    for name in EVENTS:
        outputs = [parts["extra"], parts["facts"]] if name == "trim" else context.form.inputs
        getattr(parts["tools"], name)(
            guarded(getattr(tools, name)), [picker.model, parts["extra"]], outputs, **QUIET
        )  # fmt: skip
    parts["keep_preset"].click(None, js="() => window.wangp.keepPreset()", **QUIET)
    presets = Presets(handlers, parts["presets"])
    bar = parts["preset_bar"]
    bar.use_preset(guarded(presets.use), window, context.shown, **QUIET)
    bar.keep_preset(guarded(presets.keep), window, [parts["facts"], parts["problems"]], **QUIET)
    bar.delete_preset(guarded(presets.delete), [picker.model], [parts["facts"]], **QUIET)


def _wire_files(context: PageContext) -> None:
    handlers, picker, parts, state = context.handlers, context.picker, context.parts, context.state
    parts["import"].upload(
        guarded(handlers.import_upload), [parts["import"], context.token, state, picker.model], context.shown, **QUIET
    )
    parts["export"].click(
        guarded(handlers.export), [picker.model, parts["extra"], *context.form.inputs], [parts["exported"]], **QUIET
    )
    parts["stage"].import_file(guarded(handlers.import_dropped), [state, picker.model], context.shown, **QUIET)
