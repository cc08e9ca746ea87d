"""Callback objects: called in order, and harmless when they raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.session.session import WanGPSession

Make = Callable[..., dict[str, Any]]


class Recorder:
    """Writes down every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda data: self.calls.append((name, data))

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


def test_each_event_calls_its_method_and_then_on_event(session: WanGPSession, settings: Make) -> None:
    heard = Recorder()
    session.submit([settings(print=["line\n"]), settings(error="no")], callbacks=heard).result(timeout=10)
    names = heard.names()
    assert {"on_progress", "on_preview", "on_stream", "on_status", "on_output", "on_complete", "on_error"} <= set(names)
    generic = [data.kind for name, data in heard.calls if name == "on_event"]
    specific = [name.removeprefix("on_") for name in names if name != "on_event"]
    assert generic == specific
    assert "started" not in generic and "completed" not in generic and generic[-1] == "complete"


def test_a_job_callback_object_takes_the_place_of_the_sessions(runtime: Any, settings: Make) -> None:
    ours, theirs = Recorder(), Recorder()
    session = runtime.session(callbacks=ours)
    session._console_output = False
    session.run(settings())
    count = len(ours.calls)
    assert count
    session.run(settings(), callbacks=theirs)
    assert len(ours.calls) == count and theirs.calls


def test_a_callback_that_raises_is_reported_and_hurts_nobody(session: WanGPSession, settings: Make) -> None:
    class Clumsy:
        completed = None

        def on_progress(self, update: Any) -> None:
            raise ZeroDivisionError("my own mistake")

        def on_event(self, event: Any) -> None:
            raise KeyError("another")

        def on_complete(self, result: Any) -> None:
            Clumsy.completed = result

    job = session.submit(settings(), callbacks=Clumsy())
    lines = [event.data for event in job.events.iter(timeout=0.2) if event.kind == "stream"]
    assert job.result().success and Clumsy.completed is job.result()
    assert sorted(line.text for line in lines if line.stream == "stderr") == [
        "The callback on_event raised KeyError: 'another'",
        "The callback on_progress raised ZeroDivisionError: my own mistake",
    ]


def test_bind_job_comes_first_in_either_form(session: WanGPSession, settings: Make) -> None:
    bound: list[Any] = []

    class ByName:
        def bind_job(self, *, session: Any, job: Any) -> None:
            bound.append((session, job))

    class ByPlace:
        def bind_job(self, the_job: Any) -> None:
            bound.append(the_job)

    first = session.submit(settings(), callbacks=ByName())
    first.result(timeout=10)
    second = session.submit(settings(), callbacks=ByPlace())
    second.result(timeout=10)
    assert bound == [(session, first), second]


def test_on_complete_may_ask_for_the_result_and_submit_again(session: WanGPSession, settings: Make) -> None:
    followers: list[Any] = []

    class Chain:
        def on_complete(self, result: Any) -> None:
            followers.append((job.result(), session.submit(settings())))

    job = session.submit(settings(), callbacks=Chain())
    assert job.result(timeout=10).success
    (result, follower), *_ = followers
    assert result is job.result() and follower.result(timeout=10).success
