"""Plugins in a real browser, over the real program and the embedded model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.served import BROWSER_FLAGS, BROWSERS, Server, wait_ready, watch_faults
from tests.plugins.conftest import write_plugin

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

OpenWindow = Callable[[], "Page"]
RUN_MS = 240_000

# Written from the seed's "minimal plugin pattern", its handlers word for word, with the buttons it leaves out.
SEED = '''
    class SeedPlugin(WAN2GPPlugin):
        def setup_ui(self):
            self.add_tab("seed_demo", "Seed demo", self.create_config_ui)

        def create_config_ui(self, api_session):
            active_job = {"job": None}

            def start_demo(steps, progress=gr.Progress(track_tqdm=False)):
                class DemoCallbacks:
                    ratio = 0.0

                    def on_status(self, status):
                        status = str(status or "").strip()
                        if status:
                            progress(self.ratio, desc=status)

                    def on_progress(self, update):
                        self.ratio = max(0.0, min(1.0, float(getattr(update, "progress", 0)) / 100.0))
                        progress(self.ratio, desc=str(getattr(update, "status", "") or "Generating..."))

                settings = {"model_type": "starter", "prompt": "a red ball", "num_inference_steps": int(steps),
                            "video_length": 5, "seed": 1}
                job = api_session.submit_task(settings, callbacks=DemoCallbacks())
                active_job["job"] = job
                result = job.result()
                return result.generated_files[0] if result.success and result.generated_files else gr.update()

            def cancel_demo():
                job = active_job.get("job")
                if job is not None and not job.done:
                    job.cancel()

            steps = gr.Number(4, elem_id="demo_steps")
            start = gr.Button("Start", elem_id="demo_start")
            cancel = gr.Button("Cancel", elem_id="demo_cancel")
            output = gr.Textbox(elem_id="demo_output")
            start.click(start_demo, steps, output)
            cancel.click(cancel_demo)
'''

BRIDGE = '''
    class Bridge(WAN2GPPlugin):
        def setup_ui(self):
            self.request_component("prompt")
            self.request_component("main_tabs")
            self.request_component("state")
            self.request_component("refresh_form_trigger")
            for name in ("switch_to_model", "get_current_model_settings", "set_model_settings", "get_unique_id"):
                self.request_global(name)
            self.add_tab("bridge", "Bridge", self.tab)
            self.add_custom_js("this is no script (")
            self.add_custom_js("""
                document.querySelector('#bridge_text textarea, #bridge_text input').dataset.seen = "yes";
                window.bridgeRun = () => {
                    const box = document.querySelector('#bridge_text textarea, #bridge_text input');
                    box.value = "from a script";
                    box.dispatchEvent(new Event("input", {bubbles: true}));
                    document.querySelector("#bridge_go").click();
                };
            """)

        def tab(self):
            text = gr.Textbox(elem_id="bridge_text", visible=False)
            go = gr.Button("Go", elem_id="bridge_go", visible=False)
            go.click(lambda value: (value, self.goto_media_tab()), text, [self.prompt, self.main_tabs])
            gr.Button("Refresh", elem_id="bridge_refresh").click(self.refresh, self.state, self.refresh_form_trigger)
            gr.Button("Fail", elem_id="bridge_fail").click(self.fail)

        def refresh(self, state):
            settings = dict(self.get_current_model_settings(state))
            settings.update(prompt="set by a plugin", seed=4242)
            self.set_model_settings(state, "starter", settings)
            return self.get_unique_id()

        def fail(self):
            raise ValueError("not today")
'''


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed: " + ", ".join(BROWSERS))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The program with three plugins, one of which fails."""
    folder = tmp_path_factory.mktemp("served")
    write_plugin(folder / "plugins", "seed_demo", SEED)
    write_plugin(folder / "plugins", "bridge", BRIDGE)
    write_plugin(folder / "plugins", "broken", "class Broken(WAN2GPPlugin):\n    def setup_ui(self):\n        1 / 0\n")
    config = {"enabled_plugins": ["seed_demo", "broken", "bridge", "sample"]}
    (folder / "wgp_config.json").write_text(json.dumps(config), encoding="utf-8")
    running = Server(folder)
    yield running
    running.stop()


@pytest.fixture
def open_window(chromium: Browser, server: Server) -> Iterator[OpenWindow]:
    context = chromium.new_context(viewport={"width": 1366, "height": 900})
    faults: list[str] = []

    def open_one() -> Page:
        window = context.new_page()
        window.set_default_timeout(30_000)
        watch_faults(window, server.url, faults)
        window.goto(server.url)
        wait_ready(window)
        return window

    yield open_one
    context.close()
    if server.starts > 1:
        faults = [fault for fault in faults if not any(text in fault for text in ("net::ERR_", "fetch", "errored out"))]
    assert faults == []


def open_tab(window: Page, name: str) -> None:
    window.evaluate("id => wangp.tab(id)", name)


def test_the_minimal_plugin_generates_with_progress_and_cancels(open_window: OpenWindow, server: Server) -> None:
    other, window = open_window(), open_window()
    open_tab(window, "seed_demo")
    window.click("#demo_start")
    window.wait_for_function("document.querySelector('#demo_output').textContent.includes('Denoising')", timeout=RUN_MS)
    other.bring_to_front()  # the plugin's window is in the background from here on
    window.wait_for_function("document.querySelector('#demo_output textarea').value.endsWith('.mp4')", timeout=RUN_MS)
    path = window.input_value("#demo_output textarea")
    assert Path(path).is_file() and len(server.results()) == 1
    window.fill("#demo_steps input", "90")
    window.press("#demo_steps input", "Tab")
    window.click("#demo_start")
    other.wait_for_function("document.querySelectorAll('.wg-task').length === 1", timeout=RUN_MS)
    window.click("#demo_cancel")
    other.wait_for_function("document.querySelectorAll('.wg-task').length === 0", timeout=RUN_MS)
    assert len(server.results()) == 1
    assert window.locator(".toast-body.error").count() == 0


def test_scripts_bridges_and_the_form(open_window: OpenWindow) -> None:
    window = open_window()
    window.wait_for_function("Boolean(window.bridgeRun)")
    open_tab(window, "bridge")
    window.evaluate("window.bridgeRun()")
    window.wait_for_function("document.querySelector('#prompt textarea').value === 'from a script'")
    window.wait_for_function("wangp.shownTab() === 'generator'")
    open_tab(window, "bridge")
    window.click("#bridge_refresh")
    window.wait_for_function("document.querySelector('#seed input').value === '4242'")
    assert window.input_value("#prompt textarea") == "set by a plugin"
    window.click("#bridge_fail")
    window.wait_for_function("document.body.textContent.includes('Bridge: ValueError: not today')")


def test_the_sample_works_on_the_form_and_in_the_task(open_window: OpenWindow, server: Server) -> None:
    window = open_window()
    window.fill("#prompt textarea", "@star")
    for name, value in (("num_inference_steps", 2), ("video_length", 5)):
        window.fill(f"#{name} input[type=number]", str(value))
        window.press(f"#{name} input[type=number]", "Tab")
    open_tab(window, "sample")
    window.fill("#sample_note textarea", "my note")
    window.press("#sample_note textarea", "Tab")
    window.wait_for_timeout(500)
    open_tab(window, "generator")
    before = {row["id"] for row in server.results()}
    window.click("#generate")
    window.wait_for_function("count => document.querySelectorAll('.wg-tile').length > count", arg=len(before),
                             timeout=RUN_MS)  # fmt: skip
    (number,) = {row["id"] for row in server.results()} - before
    kept = json.loads(server.get(f"/wangp/results/{number}/settings.json"))
    assert (kept["prompt"], kept["sample_note"]) == ("a small green star", "my note")
    window.click("#sample_shout")
    window.wait_for_function("document.querySelector('#prompt textarea').value === '@STAR'")


def test_the_console_has_one_line_for_the_plugin_that_failed(server: Server) -> None:
    console = server.log.read_text(encoding="utf-8")
    assert console.count("Plugin broken: setup_ui: ZeroDivisionError: division by zero") == 1
    assert "Traceback" not in console
    assert not (server.folder / "startup.lock").exists()


def test_the_manager_shows_faults_installs_and_restarts(open_window: OpenWindow, server: Server) -> None:
    away = write_plugin(server.folder / "away", "newcomer", SEED, author="Bob")
    window = open_window()
    open_tab(window, "plugins")
    window.wait_for_selector("#plugin_row_broken")
    assert "failed" in window.inner_text("#plugin_row_broken")
    window.click("#plugin_faults_broken button")
    window.wait_for_function("document.body.textContent.includes('ZeroDivisionError: division by zero')")
    window.fill("#plugin_manager_source textarea", str(away))
    window.press("#plugin_manager_source textarea", "Tab")
    window.click("#plugin_manager_look")
    window.wait_for_function("document.querySelector('#plugin_manager_plan').textContent.includes('Bob')")
    window.click("#plugin_manager_install:not([disabled])")
    window.wait_for_selector("#plugin_row_newcomer")
    window.click("#plugin_switch_broken input")
    window.wait_for_function("document.querySelector('#plugin_row_broken').textContent.includes('next start')")
    told = json.loads((server.folder / "wgp_config.json").read_text(encoding="utf-8"))
    assert "newcomer" in told["enabled_plugins"] and "broken" not in told["enabled_plugins"]
    window.click("#plugin_manager_restart")
    assert server.process.wait(30) == 42
    window.close()
    server.start()
    again = open_window()
    again.wait_for_function("document.querySelector('[role=tab][data-tab-id=newcomer], #main_tabs').textContent")
    open_tab(again, "plugins")
    again.wait_for_selector("#plugin_row_newcomer")
    assert "runs" in again.inner_text("#plugin_row_newcomer")
