"""The base class of a plugin's page part; plugins import it as `shared.utils.plugins.WAN2GPPlugin`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass
class PluginTab:
    """A tab that a plugin asks for; `position` counts the tabs of the page from 0, -1 leaves it to the program."""

    id: str
    label: str
    component_constructor: Callable[..., Any]
    position: int = -1


@dataclass(frozen=True)
class InsertAfterRequest:
    """Something that a plugin puts into the page behind a component."""

    target_component_id: str
    new_component_constructor: Callable[[], Any]


class PluginPage(Protocol):
    """What the page does for a plugin that is loaded."""

    def set_global(self, plugin: WAN2GPPlugin, name: str, value: Any) -> str | None:
        """Replace one of the program's functions; a sentence where that cannot be."""

    def switch_to_model(self, model_type: str, open_media_tab: bool = False) -> Any:
        """Choose a model in the form."""


class WAN2GPPlugin:
    """One tool on the page. A plugin is a folder `plugins/<id>` whose `plugin.py` holds one subclass.

    In `setup_ui` it says what it needs; the components and functions asked for are attributes of the same name from
    `post_ui_setup` on (functions from the end of `setup_ui` on). `on_tab_outputs` are the components that the return
    of `on_tab_select` goes to. `goto_media_tab()` gives the update of `main_tabs` that shows the form.
    """

    goto_media_tab: Callable[..., Any]
    on_tab_outputs: Sequence[Any] | None

    def __init__(self) -> None:
        self.tabs: dict[str, PluginTab] = {}
        self.name = type(self).__name__
        self.version = "1.0.0"
        self.description = ""
        self.type: list[str] = ["app"]
        self.uninstallable = True
        self.on_tab_outputs = None
        self._component_requests: list[str] = []
        self._global_requests: list[str] = []
        self._insert_after_requests: list[InsertAfterRequest] = []
        self._custom_js_snippets: list[str] = []
        self._data_hooks: dict[str, list[Callable[..., Any]]] = {}
        self._page: PluginPage | None = None
        self._wangp_session: Any = None

    @property
    def tab_ids(self) -> list[str]:
        """The ids of the tabs asked for."""
        return list(self.tabs)

    @property
    def component_requests(self) -> list[str]:
        """The components asked for, as a copy."""
        return list(self._component_requests)

    @property
    def global_requests(self) -> list[str]:
        """The functions asked for, as a copy."""
        return list(self._global_requests)

    @property
    def insert_after_requests(self) -> list[InsertAfterRequest]:
        """What is put behind which component, as a copy."""
        return list(self._insert_after_requests)

    @property
    def custom_js_snippets(self) -> list[str]:
        """The scripts added to the page, as a copy."""
        return list(self._custom_js_snippets)

    @property
    def data_hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """The callbacks by hook, as a copy."""
        return {hook: list(callbacks) for hook, callbacks in self._data_hooks.items()}

    def setup_ui(self) -> None:
        """Declare tabs, requests and hooks; the page does not exist yet."""

    def post_ui_setup(self, components: Mapping[str, Any]) -> Mapping[Any, Any] | None:
        """Wire the components asked for, here by name; the plugin's own tabs are built after this.

        May return what changes of a component, by component (`{self.prompt: gr.update(lines=6)}`).
        """
        return {}

    def on_tab_select(self, state: dict[str, Any]) -> Any:
        """One of the plugin's tabs is shown; the return goes to `on_tab_outputs`."""
        return None

    def on_tab_deselect(self, state: dict[str, Any]) -> None:
        """Another tab is shown."""

    def on_model_change(self, state: dict[str, Any], model_type: str) -> None:
        """Another model was chosen in the form."""

    def add_tab(self, tab_id: str, label: str, component_constructor: Callable[..., Any], position: int = -1) -> None:
        """A tab of its own. A constructor that takes an argument gets the session of the page's queue."""
        self.tabs[tab_id] = PluginTab(tab_id, label, component_constructor, position)

    def request_component(self, component_id: str) -> None:
        """Ask for a component of the page; settings have their own names (`prompt`, `image_start`, ...)."""
        if component_id not in self._component_requests:
            self._component_requests.append(component_id)

    def request_global(self, global_name: str) -> None:
        """Ask for a function or value of the program."""
        if global_name not in self._global_requests:
            self._global_requests.append(global_name)

    def set_global(self, variable_name: str, new_value: Any) -> str | None:
        """Replace a function of the program that is meant to be; the reason as a sentence where it cannot be."""
        if self._page is None:
            return f"{variable_name} cannot be set before the plugin is loaded."
        return self._page.set_global(self, variable_name, new_value)

    def insert_after(self, target_component_id: str, new_component_constructor: Callable[[], Any]) -> None:
        """Put what the constructor builds behind a component of the page."""
        self._insert_after_requests.append(InsertAfterRequest(target_component_id, new_component_constructor))

    def register_data_hook(self, hook_name: str, callback: Callable[..., Any]) -> None:
        """Take part in what happens to a task; the hooks and their arguments are in docs/plugins.md."""
        self._data_hooks.setdefault(hook_name, []).append(callback)

    def add_custom_js(self, js_code: str) -> None:
        """A script that every window runs once, when the page stands."""
        if js_code:
            self._custom_js_snippets.append(js_code)
