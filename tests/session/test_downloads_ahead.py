"""Models fetched ahead: one after the other, cancelled, resumed, their failures kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from shared.core.errors import Cancelled, DownloadError
from shared.engine.downloads import DownloadProgress
from shared.session.model_downloads import ModelDownloads

WAIT_S = 10


class Line:
    """Fetches as it is told to: each model waits for `go`, then ends or fails."""

    def __init__(self) -> None:
        self.go: dict[str, threading.Event] = {name: threading.Event() for name in ("a", "b", "c")}
        self.failures: dict[str, Exception] = {}
        self.fetched: list[str] = []
        self.begun: list[str] = []

    def fetch(
        self, name: str, on_progress: Callable[[DownloadProgress], None], is_cancelled: Callable[[], bool]
    ) -> bool:
        self.begun.append(name)
        on_progress(DownloadProgress(5, 10, 2.0, 2.5, 0, 1))
        while not self.go[name].wait(0.01):
            if is_cancelled():
                raise Cancelled
        if name in self.failures:
            raise self.failures.pop(name)
        self.fetched.append(name)
        return True


class Watched:
    """Downloads with a way to wait for a state."""

    def __init__(self) -> None:
        self.line = Line()
        self.downloads = ModelDownloads(self.line.fetch)
        self._changed = threading.Condition()
        self.stop = self.downloads.listen(self._tell)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def states(self) -> dict[str, str]:
        return {download.model_type: download.status for download in self.downloads.all()}

    def until(self, states: dict[str, str]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.states() == states, WAIT_S), self.states()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_models_are_fetched_one_after_the_other(watched: Watched) -> None:
    assert watched.downloads.start("a") and watched.downloads.start("b")
    assert not watched.downloads.start("a")
    watched.until({"a": "running", "b": "waiting"})
    watched.line.go["a"].set()
    watched.until({"b": "running"})
    assert watched.downloads.all()[0].progress.done == 5
    watched.line.go["b"].set()
    watched.until({})
    assert watched.line.fetched == ["a", "b"]
    watched.line.go["c"].set()
    watched.downloads.start("c")
    watched.until({})
    assert watched.line.fetched == ["a", "b", "c"]


def test_a_cancelled_download_ends_and_can_be_started_again(watched: Watched) -> None:
    watched.downloads.start("a")
    watched.downloads.start("b")
    watched.until({"a": "running", "b": "waiting"})
    assert watched.downloads.cancel("b")
    assert watched.downloads.cancel("a")
    assert not watched.downloads.cancel("c")
    watched.until({})
    assert watched.line.fetched == []
    watched.line.go["a"].set()
    watched.downloads.start("a")
    watched.until({})
    assert watched.line.fetched == ["a"]
    assert watched.line.begun == ["a", "a"]


def test_a_failure_is_kept_until_it_is_tried_again_or_dismissed(watched: Watched) -> None:
    for name, error in (("a", DownloadError("The disk is full.")), ("b", KeyError("bug"))):
        watched.line.failures[name] = error
        watched.line.go[name].set()
        watched.downloads.start(name)
    watched.until({"a": "failed", "b": "failed"})
    first, second = watched.downloads.all()
    assert first.error == "The disk is full."
    assert "KeyError" in second.error and "bug" not in second.error
    assert watched.downloads.start("a")
    watched.until({"b": "failed"})
    assert watched.downloads.cancel("b")
    watched.until({})
    assert watched.line.fetched == ["a"]


def test_nobody_is_told_any_more_after_that_was_ended(watched: Watched) -> None:
    watched.stop()
    heard: list[int] = []
    watched.downloads.listen(lambda: heard.append(1))()
    watched.line.go["a"].set()
    watched.downloads.start("a")
    watched.downloads.close()
    assert heard == []
