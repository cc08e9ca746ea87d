"""The parts of the page that the browser draws itself from the event stream; each is one Gradio element."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from shared.ui.texts import current_language, languages, panel_texts, phases, say

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = (
    "base.js", "lists.js", "form.js", "finder.js", "presets.js", "tools.js", "loras.js", "media.js", "clip.js",
    "mask.js", "settings.js", "guides.js", "notify.js", "memory.js", "results.js", "stage.js", "queue.js", "gallery.js",
    "library.js", "compare.js", "dropped.js", "models.js", "plugins.js", "live.js",
)  # fmt: skip
OPTIONS = ("language", "UI_theme", "notification_sound_enabled", "notification_sound_volume")
STYLES = ("page.css", "lists.css", "finder.css", "form.css", "settings.css", "plugins.css")


def panel(name: str, events: Sequence[str] = ()) -> gr.HTML:
    """A place for the panel `name`; `events` are what its script tells Python (`panel.<event>(handler)`)."""
    told = ", ".join(f"'{event}'" for event in events)
    return gr.HTML(
        "", elem_id=f"wangp-{name}", elem_classes=["wg-panel"], apply_default_css=False,
        html_template="<div></div>",
        js_on_load=f"window.wangp.upload = upload; window.wangp.mount('{name}', element.firstElementChild, trigger, "
        f"[{told}]);",
    )  # fmt: skip


def page_options(config: Any) -> dict[str, Any]:
    """What the program's settings say about the look of the page."""
    return {name: config.get(name) for name in OPTIONS}


def page_head(
    settings: Sequence[str], version: str, options: Mapping[str, Any], plugin_scripts: Sequence[Mapping[str, Any]] = ()
) -> str:
    """What the page's <head> needs before Gradio starts, in the visitor's language: style, texts, scripts."""
    told = {
        "texts": panel_texts(), "settings": list(settings), "options": dict(options), "phases": phases(),
        "language": current_language.get(), "languages": languages(),
        "plugin_scripts": list(plugin_scripts),
    }  # fmt: skip
    config = json.dumps(told, ensure_ascii=False).replace("</", "<\\/")
    scripts = "".join(f'<script defer src="wangp/assets/{script}?{version}"></script>' for script in SCRIPTS)
    styles = "".join(f'<link rel="stylesheet" href="wangp/assets/{sheet}?{version}">' for sheet in STYLES)
    return (
        f"<title>{say('title')}</title>"
        '<link rel="icon" href="wangp/assets/icon.svg" type="image/svg+xml">'
        f"{styles}"
        f'<script type="application/json" id="wangp-config">{config}</script>{scripts}'
    )
