"""The program as a user starts it, in a process of its own, and what the browser tests need around it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)  # fmt: skip
START_S = 90


class Server:
    """`python wgp.py` on a free port with a configuration folder of its own."""

    def __init__(self, folder: Path, *flags: str, program: Sequence[str] = ("wgp.py",)) -> None:
        """`program` is what Python runs; `-m tests.fakes.page_program` has an engine that needs no time."""
        self.folder, self.flags, self.program = folder, flags, program
        self.port, self.starts = free_port(), 0
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "console.txt"
        self.start()

    def start(self) -> None:
        """Start it, again on the same port after `stop`."""
        self.starts += 1
        command = [sys.executable, *self.program, "--config", str(self.folder), "--server-name", "127.0.0.1",
                   "--server-port", str(self.port), *self.flags]  # fmt: skip
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log.open("ab"), stderr=subprocess.STDOUT)
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.log.read_text(errors='replace')[-4000:]}")
            try:
                self.get("/wangp/results")
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not answer in {START_S} s")

    def get(self, path: str) -> bytes:
        """The body of an address of the server."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return bytes(answer.read())

    def results(self) -> list[dict[str, Any]]:
        """The gallery, newest first."""
        found: list[dict[str, Any]] = json.loads(self.get("/wangp/results?limit=200"))["results"]
        return found

    def workers(self) -> list[psutil.Process]:
        """The worker processes."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "shared.engine.executors.child" in " ".join(child.cmdline())]

    def kill_worker(self) -> None:
        """End the worker process as the system does when memory runs out."""
        for worker in self.workers():
            worker.send_signal(signal.SIGKILL)

    def loads(self, library: str) -> bool:
        """Whether the server's own process has a library in memory."""
        return library in Path(f"/proc/{self.process.pid}/maps").read_text(encoding="utf-8")

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """End the program, as Ctrl-C does; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(5)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def watch_faults(window: Page, url: str, faults: list[str]) -> None:
    """Note script errors, failed answers and requests to other hosts."""
    inside = (url, "data:", "blob:", "about:")

    def on_console(line: Any) -> None:
        if line.type == "error":
            faults.append(f"console: {line.text}")

    def on_response(answer: Any) -> None:
        if answer.status >= 400:
            faults.append(f"{answer.status} {answer.url}")

    def on_request(asked: Any) -> None:
        if not asked.url.startswith(inside):
            faults.append(f"outside: {asked.url}")

    window.on("pageerror", lambda error: faults.append(f"script: {error}"))
    window.on("console", on_console)
    window.on("response", on_response)
    window.on("request", on_request)


def wait_ready(window: Page) -> None:
    """Wait until the form is filled and the window listens."""
    window.wait_for_selector("#prompt textarea")
    window.wait_for_function("window.wangp && window.wangp.model && window.wangp.tasks")


