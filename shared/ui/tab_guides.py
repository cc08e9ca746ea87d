"""The tab of guides: first steps, an example of each mode, keys, about. The browser draws it (assets/guides.js)."""

from __future__ import annotations

from shared.ui.examples import Examples
from shared.ui.panels import panel
from shared.ui.run import guarded
from shared.ui.tabs import QUIET, PageContext, Tab


def build(context: PageContext) -> None:
    """Build the place that the browser fills, and let its examples load into the form."""
    guides = context.parts["guides"] = panel("guides", ["load_example"])
    examples = Examples(context.handlers)
    window = [context.token, context.state, context.picker.model]
    guides.load_example(guarded(examples.load), window, context.shown, **QUIET)


TAB = Tab("guides", 90, build)
