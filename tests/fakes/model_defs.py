"""Model definitions made from a dict, as the registry would make them from a file."""

from __future__ import annotations

from typing import Any

from models.wan import handler
from shared.core.contracts import FamilyHandler
from shared.core.model_def import ModelDef, build_model_def


def wan_model(architecture: str, *, folder: str = "", **definition: Any) -> ModelDef:
    """A Wan model whose weights lie in `folder` (its architecture's name, where not given)."""
    return family_model(handler, architecture, folder=folder, **definition)


def family_model(family: FamilyHandler, architecture: str, *, folder: str = "", **definition: Any) -> ModelDef:
    """A model of any family whose weights lie in `folder` (its architecture's name, where not given)."""
    block = {"name": architecture, "architecture": architecture, "folder": folder or architecture, **definition}
    sources = {architecture: {"model": block}}
    return build_model_def(architecture, sources, family.name, family.definition(architecture))
