"""The page: its tabs put together; `serve` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from shared.core.state import headless_state
from shared.ui.catalogue import first_model
from shared.ui.defaults import default_settings
from shared.ui.form import Form
from shared.ui.model_picker import ModelPicker
from shared.ui.panels import panel
from shared.ui.plugins.host import PluginHost
from shared.ui.queue_panel import QueuePanel
from shared.ui.run import Handlers
from shared.ui.server import serve_page
from shared.ui.tabs import PageContext, Tab, build_tabs
from shared.ui.texts import say
from shared.ui.windows import Windows


@dataclass
class Page:
    """The Gradio page with the parts that others ask for by name."""

    blocks: gr.Blocks
    form: Form
    picker: ModelPicker
    windows: Windows
    handlers: Handlers
    queue: QueuePanel
    context: PageContext
    plugins: PluginHost


def serve(runtime: Any, args: Any, services: Any = ()) -> bool:
    """Serve the page, with the routes of HTTP services, until the program is ended.

    True when it is to be started again. Raises WanGPError when its address cannot be listened on.
    """
    return serve_page(build_app, runtime, args, services)


def build_app(runtime: Any, tabs: Sequence[Tab] = ()) -> Page:
    """The page over a runtime, with further tabs; nothing is served yet."""
    registry = runtime.registry
    model = first_model(registry, _wanted_model(runtime))
    windows = Windows(runtime)
    plugins = PluginHost(runtime)
    plugins.load()
    with gr.Blocks(title=say("title"), analytics_enabled=False, fill_width=True) as blocks:
        with gr.Row(elem_id="wangp-header", elem_classes=["wg-header"]):
            gr.HTML("<h1>WanGP</h1>", elem_classes=["wg-title"], apply_default_css=False, js_on_load=None)
            panel("bar")
        state = gr.State(headless_state())
        form = Form(registry, model, default_settings(runtime, model) if model else {}, opens_all=runtime.args.advanced)
        token = gr.Textbox("", visible="hidden", elem_id="wangp-token", label="token")
        context = PageContext(runtime, blocks, form, state, token, windows)
        context.at_end.append(lambda: plugins.attach(context))
        build_tabs(context, [*tabs, *plugins.tabs()])
    return Page(blocks, form, context.picker, windows, context.handlers, context.parts["queue"], context, plugins)


def _wanted_model(runtime: Any) -> str:
    if getattr(runtime.args, "model_type", ""):
        return str(runtime.args.model_type)
    return str(runtime.config.get("last_model_type") or "")
