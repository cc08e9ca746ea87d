"""The page's components by the names under which plugins ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from shared.ui.tabs import PageContext

# WanGP's name -> the setting whose control it is.
SETTING_NAMES: Mapping[str, str] = {"loras_choices": "activated_loras"}

# WanGP's name -> the part of the page.
PART_NAMES: Mapping[str, str] = {
    "generate_btn": "generate",
    "add_to_queue_btn": "add",
    "save_settings_btn": "save_default",
    "export_settings_from_file_btn": "export",
    "reset_settings_btn": "reset",
    "settings_file": "import",
}


def page_components(context: PageContext) -> dict[str, Any]:
    """Every component that can be asked for.

    A setting's control has the setting's name; other parts have WanGP's names where it has them, their names in
    `PageContext.parts`, and their elem_ids.
    """
    found: dict[str, Any] = {}
    for block in list(context.blocks.blocks.values()):
        name = getattr(block, "elem_id", None)
        if name:
            found[str(name)] = block
    found |= {name: part for name, part in context.parts.items() if isinstance(part, gr.blocks.Block)}
    found |= {name: context.parts[part] for name, part in PART_NAMES.items() if part in context.parts}
    settings: dict[str, Component] = dict(context.form.components)
    found |= settings
    found |= {name: settings[own] for name, own in SETTING_NAMES.items() if own in settings}
    found |= {
        "main": context.blocks,
        "main_tabs": context.tabs,
        "state": context.state,
        "model_family": context.picker.family,
        "model_choice": context.picker.model,
        "lset_name": context.parts["presets"].component,
    }
    return {name: component for name, component in found.items() if component is not None}


def apply_updates(updates: Mapping[Any, Any]) -> None:
    """Change components of a page that is being built, as `{component: gr.update(...) or value}`."""
    for component, update in updates.items():
        changes = update if isinstance(update, dict) and update.get("__type__") == "update" else {"value": update}
        for name, value in changes.items():
            if name == "value" and isinstance(component, Component) and not isinstance(component, gr.State):
                shown = component.postprocess(value)
                value = shown.model_dump() if hasattr(shown, "model_dump") else shown
            if name != "__type__":
                setattr(component, name, value)
