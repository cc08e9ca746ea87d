"""What the steps through the studio share: pictures of it, its values, and how a user reaches its parts."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.fakes.served import Server

RUN_MS = 240_000
WAN = "t2v_1.3B"


def keep(window: Page, name: str) -> None:
    """A screenshot, where somebody wants them."""
    folder = os.environ.get("WANGP_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        window.screenshot(path=Path(folder) / f"{name}.png")


def value(window: Page, name: str) -> Any:
    return window.evaluate("name => wangp.value(name)", name)


def wait_value(window: Page, name: str, wanted: Any) -> None:
    window.wait_for_function(
        "([name, wanted]) => JSON.stringify(wangp.value(name)) === JSON.stringify(wanted)", arg=[name, wanted]
    )


def wait_file(window: Page, name: str) -> None:
    window.wait_for_function("name => wangp.fileOf(name)?.path", arg=name)


def set_number(window: Page, name: str, number: int) -> None:
    field = f"#{name} input[type=number]"
    window.fill(field, str(number))
    window.press(field, "Tab")


def choose_model(window: Page, model: str) -> None:
    window.click("#find_model")
    window.click(f".wg-find[data-model='{model}']")
    window.wait_for_function("model => wangp.model.model_type === model", arg=model)


def found(window: Page) -> list[str]:
    return window.eval_on_selector_all(".wg-find", "rows => rows.map((row) => row.dataset.model)")


def chip(window: Page, group: str, label: str) -> None:
    window.get_by_role("group", name=group).get_by_role("button", name=label).click()


def media_tool(window: Page, name: str, label: str) -> None:
    window.hover(f"#{name}")
    window.locator(f"#{name} .wg-media-tools").get_by_role("button", name=label).click()


def queued(server: Server) -> list[dict[str, Any]]:
    """The settings of the waiting tasks."""
    with zipfile.ZipFile(io.BytesIO(server.get("/wangp/queue.zip"))) as archive:
        return [entry["params"] for entry in json.loads(archive.read("queue.json"))]
