"""Which model the form is for: a button that opens the finder, and a line on what the chosen model is."""

from __future__ import annotations

from typing import Any

import gradio as gr

from shared.ui.catalogue import family_choices, model_choices, model_note
from shared.ui.panels import panel
from shared.ui.texts import say


class ModelPicker:
    """The finder's button (assets/finder.js), and family and model as components that plugins ask for by name."""

    def __init__(self, registry: Any, model_type: str, model_files: Any = None) -> None:
        self.registry, self.model_files = registry, model_files
        self.note: Any = None
        families = family_choices(registry)
        family = registry.get(model_type).family if model_type else ""
        self.finder = panel("finder", ["choose_model"])
        self.family = gr.Dropdown(families, value=family, label=say("family"), elem_id="family", visible="hidden")
        self.model = gr.Dropdown(
            model_choices(registry, family), value=model_type, label=say("model"), elem_id="model_type",
            visible="hidden",
        )  # fmt: skip

    def add_note(self, model_type: str) -> None:
        """Build the line on what the model is."""
        note = model_note(self.registry, model_type, self.model_files) if model_type else say("no_models")
        self.note = gr.HTML(
            note, elem_id="model_note", elem_classes=["wg-note"],
            apply_default_css=False, html_template="<span>{{value}}</span>", js_on_load=None,
        )  # fmt: skip

    @property
    def outputs(self) -> list[Any]:
        """What `show` updates."""
        return [self.family, self.model, self.note]

    def show(self, model_type: str) -> dict[Any, Any]:
        """The updates that choose a model."""
        family, families = self.registry.get(model_type).family, family_choices(self.registry)
        return {
            self.family: gr.update(choices=families, value=family),
            self.model: gr.update(choices=model_choices(self.registry, family), value=model_type),
            self.note: model_note(self.registry, model_type, self.model_files),
        }

    def first_of(self, family: str, preferred: str = "") -> str:
        """The model that is chosen with a family: the one used last, else the first."""
        names = [model_type for _, model_type in model_choices(self.registry, family)]
        return preferred if preferred in names else next(iter(names), "")
