"""What the plugin interface promises; `python -m tests.plugins.contract` writes contract.json anew."""

from __future__ import annotations

import inspect
import json
import tempfile
from pathlib import Path
from typing import Any

from shared.core.version import PLUGIN_INTERFACE
from shared.ui.app import Page, build_app
from shared.ui.plugins.base import WAN2GPPlugin
from shared.ui.plugins.components import page_components
from shared.ui.plugins.exports import REPLACEABLE
from shared.ui.plugins.hooks import HOOKS
from tests.fakes.page_runtime import PageRuntime

FILE = Path(__file__).with_name("contract.json")


def parameters(function: Any) -> list[str]:
    """The names of a function's parameters, those that may be left out with "?"."""
    found = inspect.signature(function).parameters.values()
    return [f"{one.name}{'?' if one.default is not one.empty else ''}" for one in found if one.name != "self"]


def promised(page: Page) -> dict[str, Any]:
    """The interface as it is."""
    methods = {
        name: parameters(value)
        for name, value in vars(WAN2GPPlugin).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    exports = page.plugins.exports
    values = {name: exports.get(name) for name in exports.names}
    return {
        "interface": PLUGIN_INTERFACE,
        "methods": methods,
        "properties": sorted(name for name, value in vars(WAN2GPPlugin).items() if isinstance(value, property)),
        "attributes": sorted(name for name in vars(WAN2GPPlugin()) if not name.startswith("_")),
        "globals": {name: parameters(value) if callable(value) else "value" for name, value in values.items()},
        "replaceable": sorted(REPLACEABLE),
        "hooks": dict(HOOKS),
        "components": sorted(page_components(page.context)),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        runtime = PageRuntime(Path(folder))
        told = promised(build_app(runtime))
        runtime.close()
    FILE.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
