"""Putting a plugin's components into the page that is being built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradio.blocks import Block, BlockContext
from gradio.layouts import Form

from shared.core.errors import PluginError


@contextmanager
def inside(container: BlockContext) -> Iterator[None]:
    """Build within a container that was closed before."""
    parent = container.parent
    try:
        with container:
            yield
    finally:
        container.parent = parent


def insert_after(target: Block, constructor: Callable[[], Any]) -> None:
    """Build something and have it stand behind a component.

    Gradio gathers inputs in a Form; what comes behind the last one of a Form stands behind the Form.
    """
    parent = getattr(target, "parent", None)
    if isinstance(parent, Form) and parent.children and parent.children[-1] is target and parent.parent is not None:
        target, parent = parent, parent.parent
    if parent is None or target not in parent.children:
        raise PluginError("This component stands in no container; nothing can be put behind it.")
    count = len(parent.children)
    with inside(parent):
        constructor()
    added = parent.children[count:]
    del parent.children[count:]
    place = parent.children.index(target) + 1
    parent.children[place:place] = added
