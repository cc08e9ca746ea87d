"""The tabs of the page: each is declared by `TAB` in a file `tab_<id>.py` of this folder, or handed in by plugins."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from shared.ui.form import Form
from shared.ui.texts import say
from shared.ui.windows import Windows

QUIET: dict[str, Any] = {
    "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None, "preprocess": False,
}  # fmt: skip


@dataclass(frozen=True)
class Tab:
    """One tab. `build` makes its components within the page being built; the text `tab_<id>` is its label.

    Tabs stand by `order`: the generator at 0, the gallery at 10, the models at 20, plugins from 50, settings at 80,
    guides at 90. `label` names it where the texts do not (plugins). The browser makes what a tab holds when it is
    first opened, so a tab costs the first visit nothing but its name.
    """

    id: str
    order: float
    build: Callable[[PageContext], None]
    label: str = ""


@dataclass
class PageContext:
    """What a tab is built with. Events are registered by the builder itself, or by `at_end` once all tabs stand.

    `handlers`, `picker`, `window` (the inputs of a handler that reads the form) and `shown` (the outputs of one that
    brings settings into it) are there from the generator's tab on; `parts` holds further components by name.
    """

    runtime: Any
    blocks: gr.Blocks
    form: Form
    state: gr.State
    token: gr.Textbox
    windows: Windows
    handlers: Any = None
    picker: Any = None
    window: list[Any] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)
    tabs: gr.Tabs | None = None
    tab: gr.Tab | None = None
    at_end: list[Callable[[], None]] = field(default_factory=list)


def own_tabs() -> list[Tab]:
    """The tabs of this folder."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    names = sorted(module.name for module in modules if module.name.startswith("tab_"))
    return [importlib.import_module(f"shared.ui.{name}").TAB for name in names]


def build_tabs(context: PageContext, further: Sequence[Tab] = ()) -> None:
    """Build every tab in its order."""
    with gr.Tabs(elem_id="main_tabs", elem_classes=["wg-tabs"], overflow_behavior="wrap") as context.tabs:
        for tab in sorted([*own_tabs(), *further], key=lambda tab: (tab.order, tab.id)):
            label = tab.label or say("tab_" + tab.id)
            with gr.Tab(label, id=tab.id, elem_id=f"tab_{tab.id}", elem_classes=["wg-tab"]) as context.tab:
                tab.build(context)
    for register in context.at_end:
        register()
