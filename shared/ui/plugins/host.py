"""Loads the plugins that are on and puts them into the page, each behind a fence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from shared.api import create_gradio_webui_session
from shared.core.errors import PluginError
from shared.core.plugin_import import make_importable
from shared.core.plugin_info import PluginInfo
from shared.core.state import AppState
from shared.ui.panels import panel
from shared.ui.plugins.base import PluginTab, WAN2GPPlugin
from shared.ui.plugins.components import apply_updates, page_components
from shared.ui.plugins.exports import Exports
from shared.ui.plugins.fence import Fence
from shared.ui.plugins.hooks import DataHooks
from shared.ui.plugins.loading import load_plugin, overrides, takes_argument
from shared.ui.plugins.placing import insert_after, inside
from shared.ui.run import guarded
from shared.ui.tabs import QUIET, PageContext, Tab
from shared.ui.texts import say

log = logging.getLogger(__name__)

FIRST_ORDER, LAST_ORDER = 50.0, 79.0
MEDIA_TAB = "generator"


@dataclass
class Loaded:
    """A plugin that takes part, with its tabs on the page; `is_sound` until it fails."""

    info: PluginInfo
    plugin: WAN2GPPlugin
    tabs: dict[str, gr.Tab] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    is_sound: bool = True


class PluginHost:
    """The plugins of one page."""

    def __init__(self, runtime: Any) -> None:
        self.runtime, self.store = runtime, runtime.plugins
        self.fence = Fence(self.store)
        self.exports = runtime.exports = Exports(runtime, self)
        self.hooks = DataHooks(runtime, self.fence)
        self.loaded: list[Loaded] = []
        self.context: PageContext | None = None
        self.restart: Callable[[], None] = lambda: None
        self._tabs: list[tuple[Loaded, PluginTab, gr.Tab]] = []

    # --- before the page exists

    def load(self) -> None:
        """Import, make and set up every plugin that is on."""
        make_importable(self.store.folders)
        for info in self.store.enabled():
            if info.has_page_part:
                self._load(info)
        self.hooks.connect()

    def _load(self, info: PluginInfo) -> None:
        with self.fence.running(info.id, "import") as attempt:
            plugin = load_plugin(info)
        if not attempt.is_done:
            return
        one = Loaded(info, plugin)
        plugin._page, plugin.goto_media_tab = self, self.goto_media_tab
        with self.fence.running(info.id, "setup_ui") as attempt:
            plugin.setup_ui()
            for name in plugin.global_requests:
                if name in self.exports:
                    setattr(plugin, name, self.exports.get(name))
                else:
                    one.missing.append(name)
        if not attempt.is_done:
            return
        for hook, callbacks in plugin.data_hooks.items():
            for callback in callbacks:
                with self.fence.running(info.id, "register_data_hook"):
                    self.hooks.add(info.id, hook, callback)
        self.store.record(info.id).is_loaded = True
        self.loaded.append(one)

    def tabs(self) -> list[Tab]:
        """The tabs that the plugins ask for, to be built with the page."""
        found = []
        for number, one in enumerate(self.loaded):
            for tab in one.plugin.tabs.values():
                order = _order(tab.position) + number / 1000
                found.append(Tab(tab.id, order, partial(self._reserve, one, tab), label=str(tab.label)))
        return found

    def scripts(self) -> list[dict[str, Any]]:
        """The plugins' scripts, each with whose it is and the tabs it may look into."""
        return [
            {"plugin": one.info.id, "code": code, "tabs": one.plugin.tab_ids}
            for one in self.loaded if one.is_sound for code in one.plugin.custom_js_snippets
        ]  # fmt: skip

    # --- while the page is built

    def _reserve(self, one: Loaded, tab: PluginTab, context: PageContext) -> None:
        """The tab's place; it is filled once the whole page stands."""
        assert context.tab is not None
        one.tabs[tab.id] = context.tab
        self._tabs.append((one, tab, context.tab))

    def attach(self, context: PageContext) -> None:
        """Give the plugins what they asked for, wire them, and fill their tabs; called when the page stands."""
        self.context = context
        self._add_bridges(context)
        components = page_components(context)
        for one in self.loaded:
            self._insert(one, components)
        for one in self.loaded:
            self._wire(one, components)
        for one, tab, place in self._tabs:
            self._fill(one, tab, place)
        self._follow_tabs(context)
        context.handlers.model_shown = self._model_changed

    def _add_bridges(self, context: PageContext) -> None:
        """What plugins and their scripts set off: the form shown anew, another model chosen."""
        handlers, state = context.handlers, context.state
        refresh = gr.Textbox("", visible="hidden", elem_id="refresh_form_trigger", label="refresh_form_trigger")
        refresh.change(guarded(handlers.refresh_form), [state], context.shown, **QUIET)
        plugin_data = gr.State({})
        plugin_data.change(guarded(_keep_plugin_data), [state, plugin_data], None, **QUIET)
        commands = panel("plugins", ["switch_model"])
        commands.visible = "hidden"
        commands.switch_model(guarded(handlers.switch_model), [state], context.shown, **QUIET)
        context.parts |= {"refresh_form_trigger": refresh, "plugin_data": plugin_data}

    def _insert(self, one: Loaded, components: dict[str, Any]) -> None:
        for request in one.plugin.insert_after_requests:
            target = components.get(request.target_component_id)
            if target is None:
                self._note_missing(one, "insert_after", [request.target_component_id])
                continue
            with self.fence.building(one.info.id, "insert_after") as attempt:
                insert_after(target, request.new_component_constructor)
            one.is_sound = one.is_sound and attempt.is_done

    def _wire(self, one: Loaded, components: dict[str, Any]) -> None:
        plugin = one.plugin
        asked = {name: components[name] for name in plugin.component_requests if name in components}
        unknown = [name for name in plugin.component_requests if name not in components and name not in self.exports]
        self._note_missing(one, "request_component", unknown)
        self._note_missing(one, "request_global", [name for name in one.missing if name not in components])
        if not one.is_sound:
            return
        with self.fence.building(one.info.id, "post_ui_setup") as attempt:
            for name, component in asked.items():
                setattr(plugin, name, component)
            for name in (name for name in one.missing if name in components):
                setattr(plugin, name, components[name])
            for name in plugin.component_requests:
                if name not in components and name in self.exports:
                    setattr(plugin, name, self.exports.get(name))
            updates = plugin.post_ui_setup(asked)
            if updates and isinstance(updates, dict):
                apply_updates(updates)
        one.is_sound = attempt.is_done

    def _note_missing(self, one: Loaded, stage: str, names: Iterable[str]) -> None:
        for name in names:
            self.store.fault(one.info.id, stage, say("plugin_asks", name=name))

    def _fill(self, one: Loaded, tab: PluginTab, place: gr.Tab) -> None:
        plugin_id, plugin = one.info.id, one.plugin
        with inside(place):
            if one.is_sound:
                with self.fence.building(plugin_id, f"tab {tab.id}") as attempt:
                    if takes_argument(tab.component_constructor):
                        tab.component_constructor(self._session_of(plugin))
                    else:
                        tab.component_constructor()
                one.is_sound = attempt.is_done
            if not one.is_sound:
                gr.Markdown(say("plugin_failed", name=one.info.name), elem_classes=["wg-plugin-failed"])
        if one.is_sound:
            self._follow_select(one, place)
        self.store.record(plugin_id).is_loaded = one.is_sound

    def _session_of(self, plugin: WAN2GPPlugin) -> Any:
        if plugin._wangp_session is None:
            plugin._wangp_session = create_gradio_webui_session(plugin, self.window_state)
        return plugin._wangp_session

    def _follow_select(self, one: Loaded, place: gr.Tab) -> None:
        """Let the plugin find the form's present settings when its tab is opened, and tell it so."""
        assert self.context is not None
        opened = place.select(guarded(self.context.handlers.keep_form), self.context.window, None, **QUIET)
        if not overrides(one.plugin, "on_tab_select"):
            return
        outputs = one.plugin.on_tab_outputs
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs] if outputs is not None else []

        def select(state: dict[str, Any]) -> Any:
            told = one.plugin.on_tab_select(state)
            return told if outputs and told is not None else [gr.skip()] * len(outputs) or None

        with self.fence.building(one.info.id, "on_tab_outputs"):
            opened.then(select, [self.context.state], outputs, show_progress="hidden", api_visibility="private",
                        concurrency_limit=None)  # fmt: skip

    def _follow_tabs(self, context: PageContext) -> None:
        """Tell the plugins whose tab was left; costs nothing where none wants to know."""
        wanting = [one for one in self.loaded if one.is_sound and one.tabs and overrides(one.plugin, "on_tab_deselect")]
        if not wanting or context.tabs is None:
            return

        def left(state: dict[str, Any], event: gr.SelectData) -> None:
            for one in wanting:
                private = AppState(state).plugins.setdefault(one.info.id, {})
                is_open = any(place.label == event.value for place in one.tabs.values())
                if private.get("is_open") and not is_open:
                    with self.fence.running(one.info.id, "on_tab_deselect"):
                        one.plugin.on_tab_deselect(state)
                private["is_open"] = is_open

        for place in [block for block in context.tabs.children if isinstance(block, gr.Tab)]:
            place.select(guarded(left), [context.state], None, **QUIET)

    # --- while the page is served

    def started(self) -> None:
        """The page answers."""
        self.store.start_finished()

    def close(self) -> None:
        """The page ends."""
        self.hooks.close()

    def window_state(self) -> dict[str, Any] | None:
        """The state of the window whose event is being answered in this thread; None outside of one."""
        request, blocks = LocalContext.request.get(None), LocalContext.blocks.get(None)
        session = getattr(request, "session_hash", None)
        if self.context is None or blocks is None or not session or session not in blocks.state_holder:
            return None
        state = blocks.state_holder[session][self.context.state._id]
        return state if isinstance(state, dict) else None

    def set_global(self, plugin: WAN2GPPlugin, name: str, value: Any) -> str | None:
        """Replace a value of the table; what cannot be is returned as a sentence and noted."""
        problem = self.exports.set(name, value)
        if problem:
            owner = next((one.info.id for one in self.loaded if one.plugin is plugin), plugin.name)
            self.store.fault(owner, "set_global", problem)
        return problem

    def goto_media_tab(self, *_: Any) -> Any:
        """The update of `main_tabs` that shows the form."""
        return gr.update(selected=MEDIA_TAB)

    def switch_to_model(self, model_type: str, open_media_tab: bool = False) -> None:
        """Choose a model in the form of the window whose event is being answered. Raises PluginError outside of one."""
        self.runtime.registry.get(model_type)
        state = self.window_state()
        token = self.context.windows.token_of(state) if self.context is not None and state is not None else ""
        if not token or self.context is None:
            raise PluginError("switch_to_model works in the answer to an event of the page.")
        self.context.handlers.tell_windows(
            "plugin", window=token, model_type=model_type, tab=MEDIA_TAB if open_media_tab else ""
        )

    def _model_changed(self, state: dict[str, Any], model_type: str) -> None:
        for one in self.loaded:
            if one.is_sound and overrides(one.plugin, "on_model_change"):
                with self.fence.running(one.info.id, "on_model_change"):
                    one.plugin.on_model_change(state, model_type)


def _order(position: int) -> float:
    """Where a tab stands among all: position 1 is behind the form's tab, -1 behind the program's media tabs."""
    return FIRST_ORDER if position < 0 else min(10.0 * max(position, 1) - 5, LAST_ORDER)


def _keep_plugin_data(state: dict[str, Any], plugin_data: Any) -> None:
    AppState(state).plugin_data = dict(plugin_data) if isinstance(plugin_data, dict) else {}
