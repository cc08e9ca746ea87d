"""Errors of a plugin's answers, told to the user."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from shared.core.errors import WanGPError


def told(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose WanGPError and ValueError are shown in the page as the sentence that they are."""

    @functools.wraps(handler)
    def answer(*values: Any) -> Any:
        try:
            return handler(*values)
        except (WanGPError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    return answer
