"""Each window's state hangs on the queue exactly as long as the window lives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.core.state import AppState, headless_state
from shared.ui.windows import LEASE_S, Windows
from tests.fakes.page_runtime import PageRuntime


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[PageRuntime]:
    made = PageRuntime(tmp_path)
    yield made
    made.close()


def test_an_attached_state_follows_the_queue(runtime: PageRuntime) -> None:
    windows, state = Windows(runtime), headless_state()
    windows.attach("a", state)
    runtime.submit({"model_type": "starter", "prompt": "a star"})
    assert [task["prompt"] for task in AppState(state).gen["queue"]] == ["a star"]
    windows.forget("a")
    runtime.submit({"model_type": "starter", "prompt": "a ring"})
    assert len(AppState(state).gen["queue"]) == 1


def test_two_windows_have_states_of_their_own(runtime: PageRuntime) -> None:
    windows, first, second = Windows(runtime), headless_state(), headless_state()
    windows.attach("a", first)
    windows.attach("b", second)
    AppState(first).model_type = "starter"
    runtime.submit({"model_type": "starter", "prompt": "a star"})
    assert AppState(second).model_type == ""
    assert len(AppState(first).gen["queue"]) == len(AppState(second).gen["queue"]) == 1


def test_attaching_again_changes_nothing(runtime: PageRuntime) -> None:
    windows, state = Windows(runtime), headless_state()
    windows.attach("a", state)
    windows.attach("a", state)
    assert len(runtime.states) == 1


def test_a_reloaded_window_leaves_no_old_state_behind(runtime: PageRuntime) -> None:
    windows = Windows(runtime)
    windows.attach("a", headless_state())
    windows.attach("a", headless_state())
    assert len(runtime.states) == windows.count() == 1


def test_a_silent_window_is_let_go_after_its_lease(runtime: PageRuntime) -> None:
    windows = Windows(runtime)
    windows.attach("silent", headless_state())
    windows.attach("listening", headless_state())
    windows.opened("listening")
    windows.forget_silent(now=time.monotonic() + LEASE_S + 1)
    assert windows.count() == 1
    assert len(runtime.states) == 1


def test_a_hidden_window_stays_while_it_gives_signs(runtime: PageRuntime) -> None:
    windows = Windows(runtime)
    windows.attach("hidden", headless_state())
    windows.opened("hidden")
    windows.closed("hidden")
    windows.renew("hidden")
    windows.forget_silent(now=time.monotonic() + LEASE_S - 1)
    assert windows.count() == 1
