"""The models' tab: what is on disk, downloads; drawn by assets/models.js."""

from __future__ import annotations

from shared.ui.panels import panel
from shared.ui.tabs import PageContext, Tab


def build(context: PageContext) -> None:
    """Build the place of the models."""
    panel("models")


TAB = Tab("models", 20, build)
