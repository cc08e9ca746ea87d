"""The tab of the program's settings; the browser draws it (assets/settings.js) from what /wangp/config tells."""

from __future__ import annotations

from shared.ui.panels import panel
from shared.ui.tabs import PageContext, Tab


def build(context: PageContext) -> None:
    """Build the place that the browser fills."""
    context.parts["settings"] = panel("settings")


TAB = Tab("settings", 80, build)
