"""The gallery's tab: all results, drawn by assets/library.js; what it brings into the form goes by the stage."""

from __future__ import annotations

from shared.ui.panels import panel
from shared.ui.tabs import PageContext, Tab


def build(context: PageContext) -> None:
    """Build the place of the gallery."""
    panel("library")


TAB = Tab("gallery", 10, build)
