"""What the browser tests of queue and gallery do with a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.fakes.served import Server


# The highest task that the window has heard of, also of those that are done already.
_SEEN = """(() => {
    if (!window.seenTasks) {
        window.seenTasks = [0];
        for (const kind of ["queue", "finished"]) wangp.on(kind, (told) =>
            window.seenTasks.push(told.task_id ?? 0, ...(told.order ?? [])));
    }
    return Math.max(...window.seenTasks, ...wangp.tasks.map((task) => task.id));
})()"""


def add(window: Page, *prompts: str, steps: int = 4, frames: int = 9) -> None:
    """Queue tasks as the form does."""
    for prompt in prompts:
        window.fill("#prompt textarea", prompt)
        for name, value in (("num_inference_steps", steps), ("video_length", frames)):
            field = window.locator(f"#{name} input[type=number]")
            if field.input_value() != str(value):
                field.fill(str(value))
                field.press("Tab")
        before = window.evaluate(_SEEN)
        window.click("#add_to_queue")
        window.wait_for_function(f"before => {_SEEN} > before", arg=before)


def queue(window: Page) -> list[str]:
    """The prompts in the list, from top to bottom."""
    return window.locator(".wg-task .wg-prompt").all_inner_texts()


def until(window: Page, prompts: list[str]) -> None:
    window.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('.wg-task .wg-prompt')].map(one => one.textContent))"
        " === JSON.stringify(wanted)", arg=prompts,
    )  # fmt: skip


def row(window: Page, prompt: str) -> Locator:
    return window.locator(".wg-task", has=window.get_by_text(prompt, exact=True))


def press(window: Page, prompt: str, label: str) -> None:
    row(window, prompt).get_by_label(label, exact=True).click()


def head(window: Page, label: str) -> None:
    window.locator("[data-panel=queue] .wg-head").get_by_label(label, exact=True).click()


def clear(window: Page) -> None:
    head(window, "Abort all")
    window.locator("dialog").get_by_role("button", name="Abort all").click()
    until(window, [])
    window.evaluate("wangp.command('resume')")


def hold_queue(window: Page, *prompts: str) -> None:
    """A paused queue with these tasks and no others."""
    if window.evaluate("wangp.tasks.length"):
        clear(window)
    window.evaluate("wangp.command('pause')")
    add(window, *prompts)
    until(window, list(prompts))


def gallery(window: Page, count: int | None = None) -> None:
    window.evaluate("wangp.tab('gallery')")
    window.wait_for_selector(".wg-scroller", state="visible")
    if count is not None:
        found(window, count)


def found(window: Page, count: int) -> None:
    window.wait_for_function(
        "count => document.querySelector('.wg-result-count')?.textContent.startsWith(count + ' result')", arg=count
    )


def tile(window: Page, prompt: str) -> Locator:
    return window.locator(".wg-cell .wg-tile").and_(window.get_by_label(prompt, exact=True)).first


def seed_results(window: Page, server: Server) -> None:
    """Three clips and a picture, made once for all tests of the gallery."""
    if not any(one["prompt"] == "gold crown on velvet" for one in server.results()):
        window.evaluate("wangp.command('resume')")
        add(window, "red ball on a beach", "green tree in the wind", "blue whale below the ice", frames=9)
        window.get_by_label("A picture", exact=True).click()
        add(window, "gold crown on velvet")
        window.get_by_label("A clip", exact=True).click()
        window.wait_for_function("wangp.tasks.length === 0")


def pick(window: Page, *prompts: str) -> None:
    for prompt in prompts:
        cell = tile(window, prompt).locator("..")
        cell.hover()
        cell.locator(".wg-pick").click()
