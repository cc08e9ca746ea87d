"""A real queue on a real disk, with the fake runner behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.core.events import Event, Finished
from shared.core.task import Task
from shared.engine.executors.local import LocalExecutor
from shared.engine.queue import TaskQueue
from shared.engine.subscription import Subscription
from shared.engine.worker import Worker
from tests.fakes.runner import spec


def task(client_id: str = "", **params: object) -> Task:
    """A task for the fake runner."""
    return Task(params={"prompt": f"prompt of {client_id}", **params}, client_id=client_id)


def events_until_finished(subscription: Subscription, count: int = 1, timeout_s: float = 30.0) -> list[Event]:
    """All events up to the end of `count` tasks."""
    events: list[Event] = []
    while count:
        event = subscription.get(timeout_s)
        assert event is not None, f"nothing came in {timeout_s} s after {events[-3:]}"
        events.append(event)
        count -= isinstance(event, Finished)
    return events


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[TaskQueue]:
    """A queue in a fresh folder."""
    queue = TaskQueue(tmp_path / "queue")
    yield queue
    queue.close()


@pytest.fixture
def run_worker(queue: TaskQueue, tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """Starts a worker of this process on the queue; stopped at the end."""
    workers: list[Worker] = []

    def start() -> Worker:
        workers.append(Worker(queue, LocalExecutor(spec(tmp_path, queue.database_path))))
        workers[-1].start()
        return workers[-1]

    yield start
    for worker in workers:
        assert worker.stop(), [thread.name for thread in threading.enumerate()]
