"""A page over a runtime that runs nothing, with plugins written by the test."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import plugins
from shared.ui.app import Page, build_app
from tests.fakes.page_runtime import PageRuntime

HEAD = "import gradio as gr\nfrom shared.utils.plugins import WAN2GPPlugin\n\n\n"
WritePlugin = Callable[..., Path]


def write_plugin(folder: Path, name: str, source: str, **info: Any) -> Path:
    """A plugin folder as an author leaves it; `source` follows the usual imports."""
    own = folder / name
    own.mkdir(parents=True)
    (own / "__init__.py").touch()
    if source:
        (own / "plugin.py").write_text(HEAD + dedent(source), encoding="utf-8")
    told = {"name": name.title(), "version": "1.0.0", "description": f"What {name} does", **info}
    (own / "plugin_info.json").write_text(json.dumps(told), encoding="utf-8")
    return own


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Nothing of one test's plugins is left for the next."""
    folders, paths = list(plugins.__path__), list(sys.path)
    yield
    plugins.__path__[:] = folders
    sys.path[:] = paths
    for name in [name for name in sys.modules if name.startswith("plugins.")]:
        del sys.modules[name]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[PageRuntime]:
    made = PageRuntime(tmp_path)
    yield made
    made.close()


@pytest.fixture
def plugin(runtime: PageRuntime) -> Callable[..., Path]:
    """Writes a plugin into the configuration's folder and switches it on."""

    def make(name: str, source: str = "", *, is_on: bool = True, **info: Any) -> Path:
        folder = write_plugin(runtime.config_dir / "plugins", name, source, **info)
        runtime.plugins.refresh()
        if is_on:
            runtime.plugins.set_enabled(name, True)
        return folder

    return make


@pytest.fixture
def build(runtime: PageRuntime) -> Callable[[], Page]:
    """Builds the page with the plugins there are."""
    return lambda: build_app(runtime)
